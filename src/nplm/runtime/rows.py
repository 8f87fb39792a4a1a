"""What a walk needs of a context's distribution: cumulative rows to draw, logarithms to score.

A key is a context and, in its last column, a state of the constraint on what is drawn. Letters: B
keys, T block size, V vocabulary size, n walks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from nplm.generation import SamplingConfig
from nplm.runtime.constraint import Constraint
from nplm.runtime.keytable import Keys, Numbers
from nplm.runtime.sampling import cumulative, probabilities
from nplm.stepmodel import StepModel, iter_logits, log_softmax, rows_at_once

CPU_ROWS = 512  # 15 to 23 % more rows a second than with 4,096 (docs/log.md)
NEVER = 2.0  # a cumulative probability that no uniform reaches
WIDE = 1 << 12  # symbols, from which on rows are not padded: that takes longer than to search them


class Maker(Protocol):
    """Keys of an automaton's states, and the rows that are kept of them."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def columns(self) -> int:
        """Of a key."""
        ...

    @property
    def key_dtype(self) -> np.dtype[np.unsignedinteger]: ...

    @property
    def levels(self) -> int:
        """Steps of a binary search in a row; narrow ones are padded to 2 ** levels."""
        ...

    @property
    def widths(self) -> tuple[int, int]:
        """Entries of a cumulative row and of a row of logarithms, 0 where it is not made."""
        ...

    @property
    def kept_bytes(self) -> int:
        """What is kept of a state beside its rows."""
        ...

    @property
    def nbytes(self) -> int:
        """What it keeps beside that."""
        ...

    @property
    def logs(self) -> bool: ...

    @property
    def rejects(self) -> bool:
        """Whether a row may leave a part of the uniforms without a symbol."""
        ...

    @property
    def accepted_at_most(self) -> float:
        """A bound of the share of all strings that count."""
        ...

    def key_after(self, symbols: Sequence[int]) -> Keys:
        """(1, columns) the key after the symbols of one string."""
        ...

    def keys_after(self, keys: Keys, symbols: Numbers) -> Keys:
        """(n, columns) keys, which are overwritten, and symbols -> the keys of where they lead."""
        ...

    def make(self, keys: Keys) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Keys (B, columns) in chunks: which, their cumulative rows, their log-probabilities."""
        ...


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
    rejects: ClassVar[bool] = False
    accepted_at_most: ClassVar[float] = 1.0
    kept_bytes: ClassVar[int] = 0
    nbytes: ClassVar[int] = 0

    @property
    def vocab_size(self) -> int:
        return self.model.vocab_size

    @property
    def columns(self) -> int:
        """T + 1, of a key."""
        return self.model.block_size + 1

    @property
    def levels(self) -> int:
        """Steps of a binary search in a row; narrow ones are padded to 2 ** levels."""
        return max(1, (self.vocab_size - 1).bit_length())

    @property
    def widths(self) -> tuple[int, int]:
        """Entries of a cumulative row and of a row of logarithms, 0 where it is not made."""
        width = self.vocab_size if self.vocab_size >= WIDE else 1 << self.levels
        return (width if self.sampling else 0), self.vocab_size * self.logs

    @property
    def key_dtype(self) -> np.dtype[np.unsignedinteger]:
        return np.min_scalar_type(max(self.vocab_size, self.constraint.start))

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
        cdf_width = self.widths[0]
        for chunk, p, logs in self.distributions(keys):
            if cdf_width == self.vocab_size and self.sampling:
                yield chunk, cumulative(p), logs
                continue
            cdf = np.empty((len(p), cdf_width))
            if self.sampling:
                cdf[:, self.vocab_size :] = NEVER
                cdf[:, : self.vocab_size] = cumulative(p)
            yield chunk, cdf, logs

    def distributions(
        self, keys: Keys
    ) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Keys (B, T + 1) in chunks: which, their probabilities, their log-probabilities.

        (n, V) each, or (n, 0) where they are not asked for.
        """
        for first, logits in iter_logits(self.model, keys[:, :-1], self._rows_at_once):
            chunk, none = slice(first, first + len(logits)), np.empty((len(logits), 0))
            logs = log_softmax(logits) if self.logs else none
            p = self._drawn(logits, keys[chunk, -1], self.sampling) if self.sampling else none
            yield chunk, p, logs

    @property
    def _rows_at_once(self) -> int:
        """Rows of a chunk: on a CPU so few that what is made of them stays in its caches."""
        most = rows_at_once(self.model.vocab_size)
        on_cpu = str(getattr(self.model, "device", "cpu")) == "cpu"
        return min(most, CPU_ROWS) if on_cpu else most

    def _drawn(
        self, logits: NDArray[np.float32], states: Keys, sampling: SamplingConfig
    ) -> NDArray[np.float64]:
        """(B, V) logits and (B,) states of the constraint -> (B, V) what is drawn from."""
        accepting = self.constraint.accepting(states)
        for accepts in (True, False):
            if (accepting == accepts).all():  # spares copies in the usual case
                return probabilities(logits, sampling, self.constraint.allowed(accepting=accepts))
        p = np.empty(logits.shape)
        for accepts in (True, False):
            rows = accepting == accepts
            allowed = self.constraint.allowed(accepting=accepts)
            p[rows] = probabilities(logits[rows], sampling, allowed)
        return p


def search(cdf: NDArray[np.float64], levels: int, rows: Numbers, u: NDArray[np.float64]) -> Numbers:
    """(n,) rows of `cdf` and uniforms -> (n,) the first id whose cumulative probability passes u.

    Args:
        cdf: rows of 2 ** levels, or fewer.
    """
    flat, width = cdf.ravel(), cdf.shape[1]
    if width < 1 << levels:
        return _search_wide(flat, width, levels, rows * width, u)
    base = rows << levels
    low = base.copy()
    for level in reversed(range(levels)):
        half = 1 << level
        low += half * (np.take(flat, low + (half - 1)) <= u)
    return low - base


def _search_wide(
    flat: NDArray[np.float64], width: int, levels: int, base: Numbers, u: NDArray[np.float64]
) -> Numbers:
    """As `search`, of rows that begin at (n,) `base` and are not padded."""
    low = np.zeros_like(base)
    for level in reversed(range(levels)):
        half = 1 << level
        passed = low + (half - 1)
        below = (passed < width) & (np.take(flat, base + np.minimum(passed, width - 1)) <= u)
        low += half * below
    return low
