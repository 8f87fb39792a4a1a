"""What a walk needs of a context's distribution: cumulative rows to draw, logarithms to score.

A key is a context and, in its last column, a state of the constraint on what is drawn. Letters: B
keys, T block size, V vocabulary size, n walks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.generation import SamplingConfig
from nplm.runtime.constraint import Constraint
from nplm.runtime.keytable import Keys, Numbers
from nplm.runtime.sampling import cumulative, probabilities
from nplm.stepmodel import StepModel, iter_logits, log_softmax, rows_at_once

CPU_ROWS = 512  # 15 to 23 % more rows a second than with 4,096 (docs/log.md)
NEVER = 2.0  # a cumulative probability that no uniform reaches


@dataclass(frozen=True)
class RowMaker:
    """Rows of a model under sampling options.

    Attributes:
        constraint: on what is drawn.
        sampling: options of the cumulative rows; None where nothing will be drawn.
        logs: also the model's own log-probabilities, without options.
    """

    model: StepModel
    constraint: Constraint
    sampling: SamplingConfig | None
    logs: bool

    @property
    def levels(self) -> int:
        """Steps of a binary search in a row; cumulative rows are padded to 2 ** levels."""
        return max(1, (self.model.vocab_size - 1).bit_length())

    @property
    def widths(self) -> tuple[int, int]:
        """Entries of a cumulative row and of a row of logarithms, 0 where it is not made."""
        return (1 << self.levels if self.sampling else 0), self.model.vocab_size * self.logs

    @property
    def key_dtype(self) -> np.dtype[np.unsignedinteger]:
        return np.min_scalar_type(max(self.model.vocab_size, self.constraint.start))

    def key_after(self, symbols: Sequence[int]) -> Keys:
        """(1, T + 1) the key after the symbols of one string."""
        size = self.model.block_size
        recent = symbols[-size:]
        key = np.zeros((1, size + 1), self.key_dtype)
        key[0, size - len(recent) : size] = recent
        key[0, size] = self.constraint.after(len(symbols))
        return key

    def keys_after(self, keys: Keys, symbols: Numbers) -> Keys:
        """(n, T + 1) keys, which are overwritten, and symbols -> the keys of where they lead."""
        keys[:, :-2] = keys[:, 1:-1]
        keys[:, -2] = symbols
        keys[:, -1] = self.constraint.step(keys[:, -1])
        return keys

    def make(self, keys: Keys) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Keys (B, T + 1) in chunks: which, their cumulative rows, their log-probabilities."""
        cdf_width, log_width = self.widths
        for first, logits in iter_logits(self.model, keys[:, :-1], self._rows_at_once):
            chunk = slice(first, first + len(logits))
            logs = log_softmax(logits) if log_width else np.empty((len(logits), 0))
            cdf = np.empty((len(logits), cdf_width))
            if self.sampling:
                cdf[:, self.model.vocab_size :] = NEVER
                self._fill_cumulative(cdf, logits, keys[chunk, -1], self.sampling)
            yield chunk, cdf, logs

    @property
    def _rows_at_once(self) -> int:
        """Rows of a chunk: on a CPU so few that what is made of them stays in its caches."""
        most = rows_at_once(self.model.vocab_size)
        on_cpu = str(getattr(self.model, "device", "cpu")) == "cpu"
        return min(most, CPU_ROWS) if on_cpu else most

    def _fill_cumulative(
        self,
        cdf: NDArray[np.float64],
        logits: NDArray[np.float32],
        states: Keys,
        sampling: SamplingConfig,
    ) -> None:
        accepting = self.constraint.accepting(states)
        for accepts in (True, False):
            rows = accepting == accepts
            if rows.all():
                rows = slice(None)  # spares copies in the usual case
            elif not rows.any():
                continue
            allowed = self.constraint.allowed(accepting=accepts)
            p = probabilities(logits[rows], sampling, allowed)
            cdf[rows, : p.shape[1]] = cumulative(p)


def search(cdf: NDArray[np.float64], levels: int, rows: Numbers, u: NDArray[np.float64]) -> Numbers:
    """(n,) rows of `cdf` and uniforms -> (n,) the first id whose cumulative probability passes u.

    Args:
        cdf: rows of 2 ** levels.
    """
    flat = cdf.ravel()
    base = rows << levels
    low = base.copy()
    for level in reversed(range(levels)):
        half = 1 << level
        low += half * (np.take(flat, low + (half - 1)) <= u)
    return low - base
