"""Which rows of the context table a training step sees.

A sampler is a function of (seed, step) and holds no state, so a resumed run draws what the
uninterrupted one would have drawn. Letters: R rows of a batch, B draws, T block size, V vocabulary
size, C distinct contexts, N positions.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nplm.config import TrainConfig
from nplm.counts.contexts import ContextTable, pairs_of
from nplm.counts.ngram import CHUNK, NGram

GOLDEN = (5**0.5 - 1) / 2
MAX_DENSE = 1 << 26  # entries of a dense (C, V) table of distributions, 256 MB in float32


def is_dense(contexts: int, vocab_size: int) -> bool:
    """Whether a whole table of distributions is small enough to be kept."""
    return contexts * vocab_size <= MAX_DENSE


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes:
        contexts: (R, T) int64.
        targets: (R,) int64 next symbols, or (R, V) float32 distributions of them.
        weights: (R,) float32 that add up to 1.
    """

    contexts: Tensor
    targets: Tensor
    weights: Tensor

    def loss(self, logits: Tensor) -> Tensor:
        """Weighted cross-entropy in nats per symbol."""
        rows = F.cross_entropy(logits, self.targets, reduction="none")  # (R,)
        return rows @ self.weights


class Sampler(Protocol):
    def batch(self, step: int) -> Batch:
        """The batch of `step`, counted from 0."""
        ...


class PositionSampler:
    """The lesson's batches: B positions drawn uniformly with replacement, one symbol each.

    A uniform position is a (context, symbol) pair drawn in proportion to its count.
    """

    def __init__(self, table: ContextTable, batch_size: int, seed: int) -> None:
        self._contexts = torch.from_numpy(table.contexts.astype(np.int64))[
            table.pair_rows
        ]  # (E, T)
        self._targets = torch.from_numpy(table.targets.astype(np.int64))  # (E,)
        self._ends = np.cumsum(table.counts)
        self._weights = torch.full((batch_size,), 1 / batch_size)
        self._seed = seed

    def batch(self, step: int) -> Batch:
        generator = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, step, 0, 0]))
        positions = generator.integers(0, self._ends[-1], len(self._weights))
        pairs = torch.from_numpy(np.searchsorted(self._ends, positions, side="right"))
        return Batch(self._contexts[pairs], self._targets[pairs], self._weights)


class ContextSampler:
    """Distinct contexts drawn in proportion to N(c), each with its whole distribution.

    A systematic draw: B equally spaced points on the cumulative counts, shifted by one uniform a
    step. Every context is drawn B N(c) / N times in expectation, and never less than the integer
    part of that. Contexts with the same ending are neighbours in the table, so each batch is
    stratified by ending; the shifts of successive steps follow the golden-ratio sequence. Repeats
    within a batch are merged into a weight.
    """

    def __init__(self, table: ContextTable, batch_size: int, seed: int, targets: "Targets") -> None:
        self._contexts = torch.from_numpy(table.contexts.astype(np.int64))  # (C, T)
        self._targets = targets
        self._ends = np.cumsum(table.totals).astype(np.float64)
        self._size = batch_size
        self._places = np.arange(batch_size)
        self._shift = first_shift(seed)

    def draw(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(R,) distinct contexts and (R,) how often each was drawn."""
        points = (self._places + shift_of(self._shift, step)) * (self._ends[-1] / self._size)
        drawn = np.searchsorted(self._ends, points, side="right").clip(max=len(self._ends) - 1)
        first = np.flatnonzero(np.diff(drawn, prepend=-1))
        return drawn[first], np.diff(first, append=self._size)

    def batch(self, step: int) -> Batch:
        rows, repeats = self.draw(step)
        weights = torch.from_numpy((repeats / self._size).astype(np.float32))
        return Batch(self._contexts[torch.from_numpy(rows)], self._targets.of(rows), weights)


def first_shift(seed: int) -> float:
    """The shift of the first systematic draw of a seed, in [0, 1)."""
    return float(np.random.Generator(np.random.Philox(key=seed)).random())


def shift_of(first: float, step: int) -> float:
    """The shift of a step: the golden-ratio sequence from that of the first, in [0, 1)."""
    return (first + step * GOLDEN) % 1.0


class FullSampler:
    """The whole table in every step, weighted by counts: the exact gradient."""

    def __init__(self, table: ContextTable, targets: "Targets") -> None:
        weights = torch.from_numpy((table.totals / table.symbols).astype(np.float32))
        contexts = torch.from_numpy(table.contexts.astype(np.int64))
        self._batch = Batch(contexts, targets.of(np.arange(len(table))), weights)

    def batch(self, step: int) -> Batch:
        return self._batch


class Targets:
    """What a network learns of each context: (1 - a) p(.|c) + a p_ngram(.|c).

    Kept dense where that is small, else made on demand.

    Args:
        smoothing: a; 0 gives the empirical p(.|c).
        ngram: needed where a is above 0.
    """

    def __init__(
        self, table: ContextTable, smoothing: float = 0.0, ngram: NGram | None = None
    ) -> None:
        self._table, self._smoothing, self._ngram = table, smoothing, ngram
        self._dense: Tensor | None = None
        if is_dense(len(table), table.vocab_size):
            self._dense = self._make(np.arange(len(table)))

    def of(self, rows: NDArray[np.int64]) -> Tensor:
        """(R,) contexts -> (R, V) float32."""
        if self._dense is not None:
            return self._dense[torch.from_numpy(rows)]
        return self._make(rows)

    def _make(self, rows: NDArray[np.int64]) -> Tensor:
        p = distributions(self._table, rows)
        if self._smoothing:
            assert self._ngram is not None
            size = max(1, CHUNK // self._table.vocab_size)  # the n-gram's rows are float64
            for start in range(0, len(rows), size):
                part = slice(start, start + size)
                smooth = self._ngram.probabilities(self._table.contexts[rows[part]])
                p[part] = (1 - self._smoothing) * p[part] + self._smoothing * smooth
        return torch.from_numpy(p)


def distributions(table: ContextTable, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The empirical distributions (R, V) of the next symbol of contexts `rows` (R,)."""
    pairs, row = pairs_of(table.offsets, rows)
    p = np.zeros((len(rows), table.vocab_size), np.float32)
    p[row, table.targets[pairs]] = table.counts[pairs] / table.totals[rows][row]
    return p


def make_sampler(config: TrainConfig, table: ContextTable, ngram: NGram | None = None) -> Sampler:
    """The sampler that the settings ask for; `ngram` is for smoothed targets."""
    if config.draw == "positions":
        return PositionSampler(table, int(config.batch_size), config.seed)
    targets = Targets(table, config.smoothing, ngram)
    if config.batch_size == "full":
        return FullSampler(table, targets)
    return ContextSampler(table, int(config.batch_size), config.seed, targets)
