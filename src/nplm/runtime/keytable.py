"""A hash table of arrays: rows of small integers, numbered in the order in which they came.

Open addressing with linear probing, all rows of a call side by side. It knows nothing of models.
"""

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.growth import grown

Keys = NDArray[np.unsignedinteger]  # (n, columns)
Numbers = NDArray[np.int64]  # (n,)
FIRST_SLOTS = 1 << 12
_MIX = np.uint64(0x9E3779B97F4A7C15)


class KeyTable:
    """Keys with the numbers 0, 1, 2, ... of their arrival.

    Whatever line an exception strikes at, the table holds what it held before or the whole
    addition: the number of keys is what publishes them, and it is written last. What an unfinished
    addition left behind in the slots is a number not yet given, or given later to another key,
    which a look-up passes by; it only takes up room, so slots are counted as used before they are.

    Args:
        columns: of a key.
        dtype: unsigned, of a key's entries.
    """

    def __init__(self, columns: int, dtype: np.dtype[np.unsignedinteger]) -> None:
        self._keys: Keys = np.empty((0, columns), dtype)
        self._size = 0
        self._slots = np.full(FIRST_SLOTS, -1, np.int32)
        self._used = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        return self._keys.nbytes + self._slots.nbytes

    def __getitem__(self, numbers: Numbers) -> Keys:
        """(n,) numbers -> (n, columns) keys, a copy."""
        return self._keys[numbers]

    def find(self, keys: Keys) -> Numbers:
        """(n, columns) keys -> (n,) numbers, -1 for those not in the table."""
        numbers = np.full(len(keys), -1, np.int64)
        mask = len(self._slots) - 1
        place = (hashes(keys) & np.uint64(mask)).astype(np.int64)
        pending = np.arange(len(keys))
        while len(pending):
            entries = self._slots[place[pending]]
            pending, entries = pending[entries >= 0], entries[entries >= 0]
            same = (self._keys[entries] == keys[pending]).all(axis=1) & (entries < self._size)
            numbers[pending[same]] = entries[same]
            pending = pending[~same]
            place[pending] = (place[pending] + 1) & mask
        return numbers

    def add(self, keys: Keys) -> None:
        """Add (n, columns) distinct keys that are not in the table."""
        start, size = self._size, self._size + len(keys)
        if size > len(self._keys):
            self._keys = grown(self._keys, max(2 * start, size), start)
        self._keys[start:size] = keys
        if 2 * (self._used + len(keys)) > len(self._slots):
            slots = np.full(1 << (4 * size - 1).bit_length(), -1, np.int32)
            _insert(slots, self._keys[:start], 0)
            self._slots = slots
            self._used = start
        self._used += len(keys)
        _insert(self._slots, keys, start)
        self._size = size

    def clear(self) -> None:
        """Forget all keys."""
        slots = np.full(FIRST_SLOTS, -1, np.int32)
        self._size = 0
        self._slots = slots
        self._used = 0


def _insert(slots: NDArray[np.int32], keys: Keys, first: int) -> None:
    """Put the numbers first, first + 1, ... of (n, columns) keys into slots."""
    mask = len(slots) - 1
    numbers = np.arange(first, first + len(keys))
    place = (hashes(keys) & np.uint64(mask)).astype(np.int64)
    while len(numbers):
        free = slots[place] < 0
        slots[place[free]] = numbers[free]  # of several for one slot the last stays
        rest = slots[place] != numbers
        numbers, place = numbers[rest], (place[rest] + 1) & mask


def distinct(keys: Keys) -> tuple[Keys, Numbers]:
    """(n, columns) keys -> the distinct ones, and for each key (n,) which of those it is."""
    _, first, inverse = np.unique(hashes(keys), return_index=True, return_inverse=True)
    if (keys != keys[first[inverse]]).any():  # two keys with one 64-bit hash
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return keys[first], inverse.ravel()


def all_differ(keys: Keys) -> bool:
    """Whether no two of (n, columns) keys have the same hash, for which they must differ."""
    ordered = np.sort(hashes(keys))
    return bool((ordered[1:] != ordered[:-1]).all())


def hashes(keys: Keys) -> NDArray[np.uint64]:
    """(n, columns) -> (n,) 64-bit hashes."""
    mixed = np.zeros(len(keys), np.uint64)
    for column in keys.T:
        mixed = (mixed ^ column.astype(np.uint64)) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed
