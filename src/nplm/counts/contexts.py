"""The context table: all that a finite-context model can see of a data set.

Windows of `block_size` symbols become distinct contexts, each with the counts of the symbol that
followed. For any model f, sum_i CE(f(c_i), y_i) = sum_c N(c) CE(f(c), p(.|c)), exactly.

Letters: N positions, C distinct contexts, E distinct (context, next symbol) pairs, T block size,
V vocabulary size. Before the start of a string stands the boundary, as often as a context needs.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nplm.text.strings import Strings
from nplm.text.vocab import BOUNDARY

CHUNK = 1 << 22
Words = NDArray[np.int64]  # (W, n): rows of symbols packed into W integers, most significant first


@dataclass(frozen=True, eq=False)
class ContextTable:
    """Distinct contexts with sparse next-symbol counts, in compressed rows.

    Contexts are ordered by their most recent symbol, then the one before it, and so on, so that
    contexts with the same ending are neighbours.

    Attributes:
        vocab_size: V.
        contexts: (C, T) ids, oldest symbol first, padded with the boundary.
        offsets: (C + 1,) int64; the pairs of context c are offsets[c] to offsets[c + 1].
        targets: (E,) ids of the next symbols, ascending within a context.
        counts: (E,) int64, at least 1.
    """

    vocab_size: int
    contexts: NDArray[np.unsignedinteger]
    offsets: NDArray[np.int64]
    targets: NDArray[np.unsignedinteger]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        """C: the number of distinct contexts."""
        return len(self.contexts)

    @property
    def block_size(self) -> int:
        return int(self.contexts.shape[1])

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        """(C,) N(c), the number of positions at which each context stands."""
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(self.counts, self.offsets[:-1])

    @property
    def symbols(self) -> int:
        """N: symbols to predict, the end symbol of every string included."""
        return int(self.counts.sum())

    @property
    def pair_rows(self) -> NDArray[np.int64]:
        """(E,) the context that each pair belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def floor(self) -> float:
        """The conditional entropy of the counts in nats per symbol: no model can do better here."""
        if not self.symbols:
            return 0.0
        probability = self.counts / np.repeat(self.totals, np.diff(self.offsets))
        return float((self.counts * -np.log(probability)).sum() / self.symbols) + 0.0

    def shorten(self, block_size: int) -> "ContextTable":
        """The table of a smaller block size: endings that are equal become one context."""
        assert 0 <= block_size <= self.block_size
        endings = self.contexts[:, self.block_size - block_size :]
        changed = (endings[1:] != endings[:-1]).any(axis=1)
        group = np.concatenate([[0], np.cumsum(changed)]) if len(self) else np.zeros(0, np.int64)
        keys = group[self.pair_rows] * self.vocab_size + self.targets
        distinct, counts = _merge(keys[None].astype(np.int64), self.counts)
        rows, targets = np.divmod(distinct[0], self.vocab_size)
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(self)), np.bool_), changed]))
        return ContextTable(
            self.vocab_size,
            endings[first],
            np.searchsorted(rows, np.arange(len(first) + 1)),
            targets.astype(self.targets.dtype),
            counts,
        )

    def unseen_share(self, other: "ContextTable") -> float:
        """The share of the positions of `other` whose context does not stand in this table."""
        words = self._context_words()
        both = np.concatenate([words, other._context_words()], axis=1)
        weights = np.concatenate([np.zeros(len(self), np.int64), other.totals])
        source = np.repeat([1, 0], [len(self), len(other)])
        order = np.lexsort((1 - source, *both[::-1]))
        new = _starts(both[:, order])
        group = np.cumsum(new) - 1
        is_known = np.zeros(int(new.sum()), np.bool_)
        is_known[group[source[order] == 1]] = True
        unseen = weights[order][~is_known[group]].sum()
        return float(unseen / max(1, other.symbols))

    def _context_words(self) -> Words:
        columns = (self.contexts[:, k] for k in reversed(range(self.block_size)))
        return _pack(columns, self.block_size, self.vocab_size, len(self))


def count_contexts(
    strings: Strings, block_size: int, vocab_size: int, chunk: int = CHUNK
) -> ContextTable:
    """Count the contexts of strings; none reaches beyond the start of its string.

    Works in chunks, merged as they come, so that memory follows the table and not the text.
    """
    runs: list[tuple[Words, NDArray[np.int64]]] = []
    for start in range(0, len(strings.ids), chunk):
        rows = min(chunk, len(strings.ids) - start)
        columns = _windows(strings, start, rows, block_size)
        words = _pack(columns, block_size + 1, vocab_size, rows)
        runs.append(_merge(words, np.ones(rows, np.int64)))
        # Like a binary counter: a run is merged when its older neighbour is no longer much larger.
        while len(runs) > 1 and runs[-2][1].size < 2 * runs[-1][1].size:
            runs.append(_join(runs.pop(-2), runs.pop()))
    while len(runs) > 1:
        runs.append(_join(runs.pop(-2), runs.pop()))
    width = _words_for(block_size + 1, vocab_size)
    words, counts = runs[0] if runs else (np.zeros((width, 0), np.int64), np.zeros(0, np.int64))
    return _table(words, counts, block_size, vocab_size)


def _windows(
    strings: Strings, start: int, rows: int, block_size: int
) -> Iterator[NDArray[np.unsignedinteger]]:
    """Columns of the windows at `start` to `start + rows`: previous symbol first, target last."""
    ids, places = strings.ids, strings.places(start, start + rows)
    reach = min(start, block_size)
    before = np.full(block_size - reach, BOUNDARY, ids.dtype)  # the first string's start
    text = np.concatenate([before, ids[start - reach : start + rows]])
    for back in range(1, block_size + 1):
        column = text[block_size - back : block_size - back + rows]
        yield np.where(places >= back, column, ids.dtype.type(BOUNDARY))  # padding
    yield text[block_size:]


def _per_word(vocab_size: int) -> int:
    """How many symbols fit one int64 as digits in base V."""
    return int(63 / math.log2(max(2, vocab_size)))


def _words_for(symbols: int, vocab_size: int) -> int:
    return max(1, -(-symbols // _per_word(vocab_size)))


def _pack(
    columns: Iterator[NDArray[np.unsignedinteger]], symbols: int, vocab_size: int, rows: int
) -> Words:
    """Columns of symbols -> (W, rows) integers whose lexicographic order is the columns'."""
    per_word = _per_word(vocab_size)
    words = np.zeros((_words_for(symbols, vocab_size), rows), np.int64)
    for k, column in enumerate(columns):
        word = words[k // per_word]
        word *= vocab_size
        word += column
    return words


def _unpack(words: Words, symbols: int, vocab_size: int) -> NDArray[np.unsignedinteger]:
    """The inverse of `_pack`: (rows, symbols) ids."""
    per_word = _per_word(vocab_size)
    columns = np.empty((words.shape[1], symbols), np.min_scalar_type(vocab_size))
    rest = words.copy()
    for k in reversed(range(symbols)):
        rest[k // per_word], columns[:, k] = np.divmod(rest[k // per_word], vocab_size)
    return columns


def _starts(words: Words) -> NDArray[np.bool_]:
    """(n,) where a sorted row differs from the one before."""
    changed = (words[:, 1:] != words[:, :-1]).any(axis=0)
    return np.concatenate([np.ones(min(1, words.shape[1]), np.bool_), changed])


def _merge(words: Words, counts: NDArray[np.int64]) -> tuple[Words, NDArray[np.int64]]:
    """Sort rows and add up the counts of equal ones."""
    order = np.argsort(words[0], kind="stable") if len(words) == 1 else np.lexsort(words[::-1])
    words, counts = words[:, order], counts[order]
    first = np.flatnonzero(_starts(words))
    return words[:, first], np.add.reduceat(counts, first) if len(first) else counts


def _join(
    older: tuple[Words, NDArray[np.int64]], newer: tuple[Words, NDArray[np.int64]]
) -> tuple[Words, NDArray[np.int64]]:
    return _merge(
        np.concatenate([older[0], newer[0]], axis=1), np.concatenate([older[1], newer[1]])
    )


def _table(
    words: Words, counts: NDArray[np.int64], block_size: int, vocab_size: int
) -> ContextTable:
    rows = _unpack(words, block_size + 1, vocab_size)
    contexts, targets = rows[:, :block_size][:, ::-1], rows[:, block_size]
    changed = (contexts[1:] != contexts[:-1]).any(axis=1)
    first = np.flatnonzero(np.concatenate([np.ones(min(1, len(rows)), np.bool_), changed]))
    return ContextTable(
        vocab_size,
        np.ascontiguousarray(contexts[first]),
        np.append(first, len(rows)),
        np.ascontiguousarray(targets),
        counts,
    )
