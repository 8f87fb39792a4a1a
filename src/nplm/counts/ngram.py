"""Interpolated modified Kneser-Ney on the counts: the n-gram that a network has to beat or join.

    p(s|c) = (a(c,s) - D(a(c,s))) / a(c) + left(c) p(s|c'),    left(c) = sum_s D(a(c,s)) / a(c)

(Chen and Goodman 1998, "modified Kneser-Ney".) c' is c without its oldest symbol, and below the
empty context lies the uniform distribution. a(c,s) counts positions in the longest contexts and, in
shorter ones, the distinct symbols that stand before (c, s). What starts a string has nothing before
it, so there positions are counted at every length; and a context reaches no further back than the
boundary before its string: padding says nothing.

Letters: B rows, T block size, V vocabulary size; at one length, C contexts and E (context, next
symbol) pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nplm.counts.contexts import ContextTable
from nplm.counts.evaluate import cross_entropy
from nplm.counts.sparserows import SparseRows, pairs_of
from nplm.text.vocab import BOUNDARY

MAX_ORDER = 8  # of those that `best_order` tries
USUAL_ORDER = 6  # where there is no val to choose it on
FALLBACK = (0.5, 1.0, 1.5)  # discounts of counts 1, 2, 3 and more that cannot be estimated
CHUNK = 1 << 18  # entries of a dense block of rows: what a processor keeps near it


@dataclass(frozen=True, eq=False)
class Level:
    """The seen contexts of one length, a slice of a suffix trie.

    Attributes:
        keys: (C,) int64, ascending: the index of the context without its oldest symbol, on the
            level below, times V, plus that symbol.
        offsets: (C + 1,) the pairs of context c are offsets[c] to offsets[c + 1].
        pairs: (E,) int64, ascending: context times V plus next symbol.
        gains: (E,) the discounted relative count of each pair.
        left: (C,) what the discounts leave to the level below.
    """

    keys: NDArray[np.int64]
    offsets: NDArray[np.int64]
    pairs: NDArray[np.int64]
    gains: NDArray[np.float64]
    left: NDArray[np.float64]

    def find(
        self, below: NDArray[np.int64], symbols: NDArray[np.integer], vocab_size: int
    ) -> NDArray[np.int64]:
        """(B,) contexts of the level below and (B,) symbols before them -> (B,) contexts, or -1."""
        queries = np.where(below < 0, -1, below * vocab_size + symbols)
        return find(self.keys, queries)


@dataclass(frozen=True, eq=False)
class NGram:
    """An n-gram model; `levels[k]` holds contexts of k symbols."""

    vocab_size: int
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        return len(self.levels)

    def __len__(self) -> int:
        """Contexts of all lengths."""
        return sum(len(level.keys) for level in self.levels)

    @property
    def unigram(self) -> NDArray[np.float64]:
        """(V,) p(.) after the empty context."""
        uniform = np.full((1, self.vocab_size), 1 / self.vocab_size)
        (row,) = _interpolate(self.levels[0], np.zeros(1, np.int64), uniform)
        return np.asarray(row)

    def probabilities(self, contexts: NDArray[np.integer]) -> NDArray[np.float64]:
        """Contexts (B, T) ids, oldest first, T at least order - 1 -> p(.|c) (B, V)."""
        p = np.full((len(contexts), self.vocab_size), 1 / self.vocab_size)
        for level, numbers in self._path(contexts):
            rows = np.flatnonzero(numbers >= 0)
            p[rows] = _interpolate(level, numbers[rows], p[rows])
        return p

    def sparse_probabilities(self, contexts: NDArray[np.integer]) -> SparseRows:
        """As `probabilities`: what each level gains, times what the longer ones leave to it."""
        _, *longer = self._path(contexts)
        none = np.zeros(0, np.int64)
        rows, symbols, values = [none], [none], [np.zeros(0)]
        shares = np.ones(len(contexts))  # (B,)
        for level, numbers in reversed(longer):
            present = np.flatnonzero(numbers >= 0)
            pairs, row = pairs_of(level.offsets, numbers[present])
            rows.append(present[row])
            symbols.append(level.pairs[pairs] % self.vocab_size)
            values.append(level.gains[pairs] * shares[rows[-1]])
            shares[present] *= level.left[numbers[present]]
        return SparseRows(
            np.concatenate(rows),
            np.concatenate(symbols),
            np.concatenate(values),
            shares,
            self.unigram,
        )

    def rows(self) -> Iterator[NDArray[np.float64]]:
        """p(.|c) of every context: per level blocks (up to C, V), levels and contexts in order."""
        below = np.full((1, self.vocab_size), 1 / self.vocab_size)
        for length, level in enumerate(self.levels):
            size = max(1, CHUNK // self.vocab_size)
            last = length + 1 == self.order
            whole = np.empty((0 if last else len(level.keys), self.vocab_size))
            for start in range(0, len(level.keys), size):
                numbers = np.arange(start, min(start + size, len(level.keys)))
                rows = below[level.keys[numbers] // self.vocab_size]
                rows = _interpolate(level, numbers, rows)
                yield rows
                if not last:
                    whole[numbers] = rows
            below = whole

    def log_probabilities(self, table: ContextTable) -> NDArray[np.float64]:
        """(E,) log p(s|c) of each pair of a table whose block size is at least order - 1."""
        rows, targets = table.pair_rows, table.targets.astype(np.int64)
        p = np.full(len(rows), 1 / self.vocab_size)
        for level, contexts in self._path(table.contexts):
            numbers = contexts[rows]
            places = find(
                level.pairs, np.where(numbers < 0, -1, numbers * self.vocab_size + targets)
            )
            gains = np.where(places < 0, 0.0, level.gains[places])
            p = np.where(numbers < 0, p, level.left[numbers] * p + gains)
        return np.asarray(np.log(p))

    def _path(self, contexts: NDArray[np.integer]) -> Iterator[tuple[Level, NDArray[np.int64]]]:
        """Each level with the (B,) contexts on it that end the given ones, -1 where not seen."""
        numbers = np.zeros(len(contexts), np.int64)
        for length, level in enumerate(self.levels):
            if not len(level.keys):  # no string is that long
                return
            if length:
                numbers = level.find(numbers, contexts[:, -length], self.vocab_size)
            yield level, numbers


def fit(table: ContextTable, order: int) -> NGram:
    """Fit an n-gram of `order` to the counts of a table whose block size is at least order - 1."""
    assert 1 <= order <= table.block_size + 1
    levels: list[Level] = []
    positions = table.shorten(order - 1)
    counts = positions.counts
    for length in reversed(range(order)):
        levels.append(_level(replace(positions, counts=counts)))
        if length:
            # Of the pairs of this length, each is one symbol before a pair of the next shorter.
            kinds = replace(positions, counts=np.ones_like(positions.counts)).shorten(length - 1)
            positions = positions.shorten(length - 1)
            start = _starts_string(positions)[positions.pair_rows]
            counts = np.where(start, positions.counts, kinds.counts)
    return NGram(table.vocab_size, tuple(reversed(levels)))


def best_order(train: ContextTable, val: ContextTable | None) -> int:
    """The order from 2 to 8 up to which every step lowered the nats on val; 6 without val.

    Never above the block size plus one.
    """
    largest = min(MAX_ORDER, train.block_size + 1)
    if val is None:
        return min(USUAL_ORDER, largest)
    best, order = np.inf, min(2, largest)
    for candidate in range(order, largest + 1):
        nats = cross_entropy(val, fit(train, candidate).log_probabilities(val)).per_symbol
        if nats >= best:
            break
        best, order = nats, candidate
    return order


def discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What to take from counts of 0, 1, 2, and 3 or more: (4,), estimated from counts of counts.

    As Chen and Goodman (1998) do. Where a count of counts is zero, or a discount comes out
    at zero or below (small lists), nothing can be estimated and usual values are taken.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if not n[1:5].all():
        return np.array([0.0, *FALLBACK])
    y = n[1] / (n[1] + 2 * n[2])
    estimated = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    return np.array([0.0, *(estimated if min(estimated) > 0 else FALLBACK)])


def _level(table: ContextTable) -> Level:
    """The contexts of one length, without those that are longer only by padding."""
    length, vocab_size, contexts = table.block_size, table.vocab_size, table.contexts
    proper = ~_padded(contexts)
    index = np.cumsum(proper) - 1
    below = np.zeros(len(contexts), np.int64)
    if length > 1:
        endings = contexts[:, 1:]
        first = np.concatenate([[True], (endings[1:] != endings[:-1]).any(axis=1)])
        below = (np.cumsum(~_padded(endings[first])) - 1)[np.cumsum(first) - 1]
    keys = below * vocab_size + contexts[:, 0] if length else below
    proper_pairs = proper[table.pair_rows]
    rows, counts = index[table.pair_rows[proper_pairs]], table.counts[proper_pairs]
    sizes = np.diff(table.offsets)[proper]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    discount = discounts(counts)[np.minimum(counts, 3)]
    totals = np.add.reduceat(counts, offsets[:-1])
    return Level(
        keys[proper].astype(np.int64),
        offsets,
        rows * vocab_size + table.targets[proper_pairs],
        (counts - discount) / totals[rows],
        np.add.reduceat(discount, offsets[:-1]) / totals,
    )


def _starts_string(table: ContextTable) -> NDArray[np.bool_]:
    """(C,) whether a context begins with the boundary: nothing can stand before it."""
    if not table.block_size:
        return np.zeros(len(table), np.bool_)
    return np.asarray(table.contexts[:, 0] == BOUNDARY)


def _padded(contexts: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
    """(C,) whether a context goes on beyond the boundary that its string starts with."""
    if contexts.shape[1] < 2:
        return np.zeros(len(contexts), np.bool_)
    return np.asarray(contexts[:, 1] == BOUNDARY)


def _interpolate(
    level: Level, chosen: NDArray[np.int64], below: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rows of the level below (B, V) -> rows of the contexts `chosen` (B,) of this one."""
    p = level.left[chosen, None] * below
    pairs, rows = pairs_of(level.offsets, chosen)
    p[rows, level.pairs[pairs] % p.shape[1]] += level.gains[pairs]
    return p


def find(keys: NDArray[np.int64], queries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of `queries` in ascending `keys`, -1 where it is not there."""
    places = np.searchsorted(keys, queries).clip(max=len(keys) - 1)
    return np.where(keys[places] == queries, places, -1)
