"""The lazy automaton: a finite-context model compiled to tables as far as it is walked.

Each state goes through the StepModel once, in one batch with the other new ones of its step; its
distribution is then a row of an array, and where a symbol leads is an entry of another. Past a cap
all is forgotten and found again, so memory is bounded and the result is the same.

Letters: n strings walked side by side, S states, T block size, V vocabulary size.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.automaton import MOST_WALKS, Logs, Passing, States
from nplm.runtime.growth import grown
from nplm.runtime.keytable import Keys, KeyTable, Numbers, distinct
from nplm.runtime.rows import Maker, search

FIRST_CAPACITY = 1 << 10
GROWTH = 8  # times as many rows, for which the system gives memory only as they are filled
# Wide rows take as long to keep as to make, and among many symbols few contexts come again: they
# are kept only where many fit (measured with 1,000 and 5,000 symbols, docs/log.md).
WIDE, MANY = 1 << 14, 1 << 16  # bytes of a state, states
CHUNK_ENTRIES = 1 << 19  # of rows that are given at once
UNKNOWN = -1  # the state that a transition not walked yet leads to


class Lazy:
    """An automaton that keeps what it has walked.

    An exception at any line leaves it as it was, or empty; both give the same results.

    Args:
        maker: what is kept of a state.
        capacity: states that are kept at most.

    Attributes:
        maker: as it was given.
        start: the state before the first symbol, or UNKNOWN.
    """

    def __init__(self, maker: Maker, capacity: int) -> None:
        self.maker = maker
        self.state_bytes = self.bytes_per_state(maker)
        self.logs, self.rejects = maker.logs, maker.rejects
        self.capacity = capacity
        self._table = KeyTable(maker.columns, maker.key_dtype)
        cdf_width, log_width = maker.widths
        self._cdf = np.empty((0, cdf_width))
        self._log = np.empty((0, log_width))
        self._next = np.empty((0, self.vocab_size), np.int32)
        self.start = UNKNOWN
        self._filled = 0  # rows of these that were ever written to: what follows takes no memory

    @staticmethod
    def bytes_per_state(maker: Maker) -> int:
        """Of its rows, its transitions, its key and its slots in the hash table."""
        entries = 8 * sum(maker.widths) + 4 * maker.vocab_size
        return entries + maker.columns * maker.key_dtype.itemsize + 32 + maker.kept_bytes

    def __len__(self) -> int:
        """S: the states known now."""
        return len(self._table)

    @property
    def vocab_size(self) -> int:
        return self.maker.vocab_size

    @property
    def accepted_at_most(self) -> float:
        return self.maker.accepted_at_most

    @property
    def width(self) -> int:
        """Entries of a cumulative row."""
        return int(self._cdf.shape[1])

    def flat_rows(self) -> tuple[memoryview, memoryview, memoryview]:
        """Cumulative rows, log-probabilities and transitions, one state after the other.

        They hold only what was known before the next call of any other method.
        """
        return self._cdf.ravel().data, self._log.ravel().data, self._next.ravel().data

    @property
    def most(self) -> int:
        """Half of what is kept, so that not every step of many strings starts over."""
        return min(MOST_WALKS, max(1, self.capacity // 2))

    @property
    def nbytes(self) -> int:
        """Bytes that are kept between calls."""
        arrays = (self._cdf, self._log, self._next)
        rows = sum(array[: self._filled].nbytes for array in arrays)
        return self._table.nbytes + rows + self.maker.nbytes

    def after(self, symbols: Sequence[int], count: int = 1) -> Numbers:
        if len(self) >= self.capacity:
            self._forget()
        states = self._states_of(self.maker.key_after(symbols))
        if not symbols:
            self.start = int(states[0])
        return np.repeat(states, count)

    def draw(self, states: States, u: NDArray[np.float64]) -> tuple[Numbers, Logs | None]:
        symbols = search(self._cdf, self.maker.levels, states, u)
        return symbols, self._log[states, symbols] if self.logs else None

    def log_probabilities(self, states: States, symbols: Numbers) -> Logs:
        return np.asarray(self._log[states, symbols])

    def log_rows(self, states: States) -> Logs:
        return np.asarray(self._log[states])

    def log_chunks(self, states: States) -> Iterator[tuple[Numbers, Logs]]:
        size = max(1, CHUNK_ENTRIES // self.vocab_size)
        for first in range(0, len(states), size):
            chunk = np.arange(first, min(first + size, len(states)))
            yield chunk, self._log[states[chunk]]

    def step(self, states: States, symbols: Numbers) -> Numbers:
        flat = states * self.vocab_size + symbols
        reached_states = np.take(self._next.ravel(), flat).astype(np.int64)
        missing = np.flatnonzero(reached_states == UNKNOWN)
        if not len(missing):
            return reached_states
        pairs, inverse = np.unique(flat[missing], return_inverse=True)
        reaching = self._table[pairs // self.vocab_size]
        keys = self.maker.keys_after(reaching, pairs % self.vocab_size)
        if len(self) + len(keys) > self.capacity:
            return self._start_over(states, symbols)
        reached = self._states_of(keys)
        self._next.ravel()[pairs] = reached
        reached_states[missing] = reached[inverse]
        return reached_states

    def _start_over(self, states: States, symbols: Numbers) -> Numbers:
        """As `step`, after forgetting everything but what these strings stand on."""
        keys = self.maker.keys_after(self._table[states], symbols)
        self._forget()
        return self._states_of(keys)

    def _forget(self) -> None:
        self.start = UNKNOWN
        self._table.clear()

    def _states_of(self, keys: Keys) -> Numbers:
        """(n, T + 1) keys -> (n,) states; unknown ones are added and evaluated in one batch."""
        states = self._table.find(keys)
        new = np.flatnonzero(states < 0)
        if len(new):
            added, inverse = distinct(keys[new])
            states[new] = self._add(added)[inverse]
        return states

    def _add(self, keys: Keys) -> Numbers:
        start, size = len(self), len(self) + len(keys)
        self._reserve(size)
        self._filled = max(self._filled, size)
        self._next[start:size] = UNKNOWN
        for chunk, cdf, log in self.maker.make(keys):
            place = slice(start + chunk.start, start + chunk.stop)
            self._cdf[place], self._log[place] = cdf, log
        self._table.add(keys)  # last: only now are they states
        return np.arange(start, size)

    def _reserve(self, size: int) -> None:
        """Grow the arrays to hold `size` states.

        They grow to half of the cap before the whole of it, so that an array and the copy that
        takes its place never need more than is promised; and by leaps, since copies are dear.
        """
        used, least = len(self), max(size, FIRST_CAPACITY)
        if size > len(self._next):
            rows = max(size, self.capacity)
            if rows // 2 >= least:
                rows //= 2
            while rows // GROWTH >= least:
                rows //= GROWTH
            self._cdf = grown(self._cdf, rows, used)
            self._log = grown(self._log, rows, used)
            self._next = grown(self._next, rows, used)  # last: it stands for all three


def make_automaton(maker: Maker, cache_bytes: float) -> "Lazy | Passing":
    """The automaton that fits `cache_bytes`."""
    size = Lazy.bytes_per_state(maker)
    capacity = int(cache_bytes / size)
    least = FIRST_CAPACITY if size <= WIDE else MANY
    return Lazy(maker, capacity) if capacity >= least else Passing(maker)
