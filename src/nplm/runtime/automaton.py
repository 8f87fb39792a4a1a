"""The lazy automaton: a finite-context model compiled to tables as far as it is walked.

A state is a distinct context. Each goes through the StepModel once, in one batch with the other
new ones of its step; its distribution is then a row of an array, and where a symbol leads is an
entry of another. Past a cap all is forgotten and found again, so memory is bounded and the result
is the same. Letters: n strings walked side by side, S states, T block size, V vocabulary size.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nplm.config import SamplingConfig
from nplm.runtime.sampling import cumulative, probabilities
from nplm.stepmodel import StepModel, iter_logits, log_softmax

Ids = NDArray[np.int64]
FIRST_CAPACITY = 1 << 10
DEFAULT_CACHE_MB = 1024
Scalar = TypeVar("Scalar", bound=np.generic)
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Automaton:
    """States and transitions of a model under sampling options.

    A state is a context and the number of symbols for which the end is still masked
    (`SamplingConfig.min_length`); the second is 0 for all but the first few symbols of a string.

    Args:
        model: where the rows come from.
        sampling: options that make a row of logits a distribution.
        log_probabilities: also keep the model's own log-probabilities, without options.
        cache_mb: states are forgotten when their arrays would outgrow this many megabytes.
    """

    def __init__(
        self,
        model: StepModel,
        sampling: SamplingConfig,
        *,
        log_probabilities: bool = False,
        cache_mb: float = DEFAULT_CACHE_MB,
    ) -> None:
        self._model = model
        self._sampling = sampling
        self.keeps_log_probabilities = log_probabilities
        self.vocab_size = model.vocab_size
        # Rows are padded to a power of two so that a binary search needs no bounds.
        self._levels = max(1, (self.vocab_size - 1).bit_length())
        self._width = 1 << self._levels
        self._dtype = np.min_scalar_type(max(self.vocab_size, sampling.min_length))
        columns = model.block_size + 1
        per_state = self._width * 8 + self.vocab_size * (4 + 8 * log_probabilities)
        per_state += columns * self._dtype.itemsize + 16
        self.capacity_limit = max(FIRST_CAPACITY, int(cache_mb * 1e6 / per_state))
        self._forget()

    def __len__(self) -> int:
        """S: the states known now."""
        return self._size

    def _forget(self) -> None:
        self._size = 0
        self._keys: NDArray[np.unsignedinteger] = np.zeros(
            (0, self._model.block_size + 1), self._dtype
        )
        self._cdf = np.zeros((0, self._width))
        self._next = np.zeros((0, self.vocab_size), np.int32)
        self._log = np.zeros((0, self.vocab_size if self.keeps_log_probabilities else 0))
        self._slots = np.full(4 * FIRST_CAPACITY, -1, np.int32)

    def start(self, count: int) -> Ids:
        """(n,) the state before the first symbol, `count` times."""
        return np.repeat(self.state_after([]), count)

    def state_after(self, symbols: Sequence[int]) -> Ids:
        """(1,) the state after the symbols of one string. May forget all states first."""
        if self._size >= self.capacity_limit:
            self._forget()
        key = np.zeros((1, self._model.block_size + 1), self._dtype)
        recent = symbols[-self._model.block_size :]
        key[0, self._model.block_size - len(recent) : -1] = recent
        key[0, -1] = max(0, self._sampling.min_length - len(symbols))
        return self._states_of(key)

    def draw(self, states: Ids, u: NDArray[np.float64]) -> Ids:
        """(n,) states and uniforms -> (n,) the first id whose cumulative probability passes u."""
        cdf = self._cdf.ravel()
        base = states << self._levels
        low = base.copy()
        for level in reversed(range(self._levels)):
            half = 1 << level
            low += half * (np.take(cdf, low + (half - 1)) <= u)
        return low - base

    def log_probabilities(self, states: Ids, symbols: Ids) -> NDArray[np.float64]:
        """(n,) states and symbols -> (n,) the model's own log-probabilities."""
        return np.asarray(self._log[states, symbols])

    def log_rows(self, states: Ids) -> NDArray[np.float64]:
        """(n,) states -> (n, V) the model's own log-probabilities."""
        return np.asarray(self._log[states])

    def step(self, states: Ids, symbols: Ids) -> Ids:
        """(n,) states and symbols other than the end -> (n,) the states they lead to.

        May forget all states first: those given are only good for this one call.
        """
        flat = states * self.vocab_size + symbols
        found = np.take(self._next.ravel(), flat).astype(np.int64)
        missing = np.flatnonzero(found < 0)
        if not len(missing):
            return found
        pairs, inverse = np.unique(flat[missing], return_inverse=True)
        keys = self._keys_after(pairs // self.vocab_size, pairs % self.vocab_size)
        if self._size + len(keys) > self.capacity_limit:
            return self._start_over(states, symbols)
        reached = self._states_of(keys)
        self._next.ravel()[pairs] = reached
        found[missing] = reached[inverse]
        return found

    def _start_over(self, states: Ids, symbols: Ids) -> Ids:
        """As `step`, after forgetting everything but what these strings stand on."""
        keys = self._keys_after(states, symbols)
        self._forget()
        return self._states_of(keys)

    def _keys_after(self, states: Ids, symbols: Ids) -> NDArray[np.unsignedinteger]:
        """(n,) states and symbols -> (n, T + 1) keys of where they lead."""
        keys = self._keys[states]
        keys[:, :-2] = keys[:, 1:-1]
        keys[:, -2] = symbols
        keys[:, -1] -= keys[:, -1] > 0
        return keys

    def _states_of(self, keys: NDArray[np.unsignedinteger]) -> Ids:
        """(n, T + 1) keys -> (n,) states; unknown ones are added and evaluated in one batch."""
        states = self._find(keys)
        new = np.flatnonzero(states < 0)
        if len(new):
            keys = keys[new]
            _, first, inverse = np.unique(_hashes(keys), return_index=True, return_inverse=True)
            if (keys != keys[first[inverse]]).any():  # two keys with one 64-bit hash
                _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
            states[new] = self._add(keys[first])[inverse.ravel()]
        return states

    def _add(self, keys: NDArray[np.unsignedinteger]) -> Ids:
        start = self._size
        self._reserve(start + len(keys))
        self._size += len(keys)
        self._keys[start : self._size] = keys
        for first, logits in iter_logits(self._model, keys[:, :-1]):
            rows = slice(start + first, start + first + len(logits))
            masked = keys[first : first + len(logits), -1] > 0
            self._cdf[rows, : self.vocab_size] = self._cumulative(logits, masked)
            if self.keeps_log_probabilities:
                self._log[rows] = log_softmax(logits)
        states = np.arange(start, self._size)
        self._insert(states)
        return states

    def _cumulative(
        self, logits: NDArray[np.float32], masked: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        cdf = np.empty(logits.shape)
        for mask in (False, True):
            rows = masked == mask
            if rows.any():
                p = probabilities(logits[rows], self._sampling, end_allowed=not mask)
                cdf[rows] = cumulative(p)
        return cdf

    def _reserve(self, size: int) -> None:
        """Grow the arrays to hold `size` states, by doubling."""
        capacity = len(self._keys)
        if size > capacity:
            capacity = min(max(FIRST_CAPACITY, 2 * capacity, size), max(size, self.capacity_limit))
            self._keys = _grown(self._keys, capacity, 0)
            self._cdf = _grown(self._cdf, capacity, 2)
            self._next = _grown(self._next, capacity, -1)
            self._log = _grown(self._log, capacity, 0)
        if 2 * size > len(self._slots):
            self._slots = np.full(1 << (4 * size - 1).bit_length(), -1, np.int32)
            self._insert(np.arange(self._size))

    def _find(self, keys: NDArray[np.unsignedinteger]) -> Ids:
        """(n, T + 1) keys -> (n,) states, -1 for unknown ones."""
        states = np.full(len(keys), -1, np.int64)
        mask = len(self._slots) - 1
        place = (_hashes(keys) & np.uint64(mask)).astype(np.int64)
        pending = np.arange(len(keys))
        while len(pending):
            held = self._slots[place[pending]]
            pending, held = pending[held >= 0], held[held >= 0]
            same = (self._keys[held] == keys[pending]).all(axis=1)
            states[pending[same]] = held[same]
            pending = pending[~same]
            place[pending] = (place[pending] + 1) & mask
        return states

    def _insert(self, states: Ids) -> None:
        """Put states into the open-addressing table of slots (linear probing)."""
        mask = len(self._slots) - 1
        place = (_hashes(self._keys[states]) & np.uint64(mask)).astype(np.int64)
        while len(states):
            free = self._slots[place] < 0
            self._slots[place[free]] = states[free]  # of several for one slot the last stays
            left = self._slots[place] != states
            states, place = states[left], (place[left] + 1) & mask


def _hashes(keys: NDArray[np.unsignedinteger]) -> NDArray[np.uint64]:
    """(n, columns) -> (n,) 64-bit hashes."""
    mixed = np.zeros(len(keys), np.uint64)
    for column in keys.T:
        mixed = (mixed ^ column.astype(np.uint64)) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _grown(array: NDArray[Scalar], rows: int, fill: int) -> NDArray[Scalar]:
    """A copy of `array` with more rows, the new ones filled."""
    grown = np.full((rows, *array.shape[1:]), fill, array.dtype)
    grown[: len(array)] = array
    return grown
