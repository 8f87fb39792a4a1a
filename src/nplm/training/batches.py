"""Which rows of the context table a training step sees.

A sampler is a function of (seed, step) and holds no state, so a resumed run draws what the
uninterrupted one would have drawn. Letters: R rows of a batch, B draws, T block size, V vocabulary
size, C distinct contexts, E distinct (context, symbol) pairs.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nplm.config import TrainConfig
from nplm.counts.contexts import ContextTable
from nplm.training.targets import PairTargets, Smoothing, Targets, make_targets

GOLDEN = (5**0.5 - 1) / 2
STEPS = 16  # whose points are looked up at once: two fifths of the time of one after the other,
POINTS = 1 << 15  # where they are no more than these


@dataclass(frozen=True)
class Batch:
    """Rows of one step.

    Attributes:
        contexts: (R, T) int64.
        targets: (R,) int64 next symbols, or their distributions, (R, V) float32 or as pairs.
        weights: (R,) float32 that add up to 1.
    """

    contexts: Tensor
    targets: Tensor | PairTargets
    weights: Tensor

    def loss(self, logits: Tensor) -> Tensor:
        """Weighted cross-entropy in nats per symbol."""
        if isinstance(self.targets, PairTargets):
            rows = self.targets.cross_entropy(logits)  # (R,)
        else:
            rows = F.cross_entropy(logits, self.targets, reduction="none")
        return rows @ self.weights


def contexts_of(table: ContextTable, rows: NDArray[np.int64]) -> Tensor:
    """The contexts (R, T) int64 of some rows (R,) of a table."""
    return torch.from_numpy(table.contexts[rows].astype(np.int64))


class Sampler(Protocol):
    def batch(self, step: int) -> Batch:
        """The batch of `step`, counted from 0."""
        ...


class PositionSampler:
    """The lesson's batches: B positions drawn uniformly with replacement, one symbol each.

    A uniform position is a (context, symbol) pair drawn in proportion to its count.
    """

    def __init__(self, table: ContextTable, batch_size: int, seed: int) -> None:
        self._table, self._rows = table, table.pair_rows  # (E,)
        self._ends = np.cumsum(table.counts)
        self._weights = torch.full((batch_size,), 1 / batch_size)
        self._seed = seed

    def batch(self, step: int) -> Batch:
        generator = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, step, 0, 0]))
        positions = generator.integers(0, self._ends[-1], len(self._weights))
        pairs = np.searchsorted(self._ends, positions, side="right")
        targets = torch.from_numpy(self._table.targets[pairs].astype(np.int64))
        return Batch(contexts_of(self._table, self._rows[pairs]), targets, self._weights)


class ContextSampler:
    """Distinct contexts drawn in proportion to N(c), each with its whole distribution.

    A systematic draw: B equally spaced points on the cumulative counts, shifted by one uniform a
    step. Every context is drawn B N(c) / N times in expectation, and never less than the integer
    part of that. Contexts with the same ending are neighbours in the table, so each batch is
    stratified by ending; the shifts of successive steps follow the golden-ratio sequence. Repeats
    within a batch are merged into a weight.
    """

    def __init__(self, table: ContextTable, batch_size: int, seed: int, targets: Targets) -> None:
        self._table, self._targets = table, targets
        self._ends = np.cumsum(table.totals).astype(np.float64)
        self._size = batch_size
        self._places = np.arange(batch_size)
        self._shift = first_shift(seed)
        self._steps = max(1, min(STEPS, POINTS // batch_size))
        self._looked_up = lru_cache(maxsize=1)(self._look_up)

    def draw(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(R,) distinct contexts and (R,) how often each was drawn."""
        drawn, new = (rows[step % self._steps] for rows in self._looked_up(step // self._steps))
        first = np.flatnonzero(new)
        return drawn[first], np.concatenate((first[1:], [self._size])) - first

    def _look_up(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(S, B) contexts of S steps that are drawn, ascending, and whether each is a new one."""
        steps = range(block * self._steps, (block + 1) * self._steps)
        shifts = np.array([[shift_of(self._shift, step)] for step in steps])
        points = (self._places + shifts) * (self._ends[-1] / self._size)
        drawn = np.searchsorted(self._ends, points, side="right").clip(max=len(self._ends) - 1)
        new = np.ones(drawn.shape, np.bool_)
        np.not_equal(drawn[:, 1:], drawn[:, :-1], out=new[:, 1:])
        return drawn, new

    def batch(self, step: int) -> Batch:
        rows, repeats = self.draw(step)
        weights = torch.from_numpy((repeats / self._size).astype(np.float32))
        return Batch(contexts_of(self._table, rows), self._targets.of(rows), weights)


def first_shift(seed: int) -> float:
    """The shift of the first systematic draw of a seed, in [0, 1)."""
    return float(np.random.Generator(np.random.Philox(key=seed)).random())


def shift_of(first: float, step: int) -> float:
    """The shift of a step: the golden-ratio sequence from that of the first, in [0, 1)."""
    return (first + step * GOLDEN) % 1.0


class FullSampler:
    """The whole table in every step, weighted by counts: the exact gradient."""

    def __init__(self, table: ContextTable, targets: Targets) -> None:
        weights = torch.from_numpy((table.totals / table.symbols).astype(np.float32))
        rows = np.arange(len(table))
        self._batch = Batch(contexts_of(table, rows), targets.of(rows), weights)

    def batch(self, step: int) -> Batch:
        return self._batch


def make_sampler(
    config: TrainConfig, table: ContextTable, smoothing: Smoothing | None = None
) -> Sampler:
    """The sampler that the settings ask for, on the CPU."""
    if config.draw == "positions":
        return PositionSampler(table, int(config.batch_size), config.seed)
    targets = make_targets(table, smoothing)
    if config.batch_size == "full":
        return FullSampler(table, targets)
    return ContextSampler(table, int(config.batch_size), config.seed, targets)
