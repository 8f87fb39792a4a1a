"""A set of 64-bit hashes as one array, filled many at a time: 8 bytes a slot, up to half filled.

Open addressing with linear probing, as in `keytable`, but that nothing is kept beside the hashes.
"""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]  # (n,)
FIRST_SLOTS = 1 << 12
_FREE = np.uint64(0)  # a slot without a hash; the hash 0 is kept as 1


class HashSet:
    """Hashes that have been added, from which none is taken out. Their bits must be spread."""

    def __init__(self) -> None:
        self._slots = np.zeros(FIRST_SLOTS, np.uint64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        return self._slots.nbytes

    def add(self, hashes: Hashes) -> NDArray[np.bool_]:
        """(n,) hashes -> (n,) whether each is new: in the set not, nor among those before it."""
        hashes = np.maximum(hashes, np.uint64(1))
        absent = np.flatnonzero(~self._contains(hashes))
        firsts = absent[_first_places(hashes[absent])]
        self._reserve(self._size + len(firsts))
        _insert(self._slots, hashes[firsts])
        self._size += len(firsts)
        new = np.zeros(len(hashes), np.bool_)
        new[firsts] = True
        return new

    def _contains(self, hashes: Hashes) -> NDArray[np.bool_]:
        contained = np.zeros(len(hashes), np.bool_)
        pending, place = np.arange(len(hashes)), _home(hashes, len(self._slots))
        while len(pending):
            entries = self._slots[place]
            same = entries == hashes[pending]
            contained[pending[same]] = True
            further = ~same & (entries != _FREE)
            pending, place = pending[further], (place[further] + 1) % len(self._slots)
        return contained

    def _reserve(self, size: int) -> None:
        """Have slots for `size` hashes, of which at most half will be filled."""
        if 2 * size <= len(self._slots):
            return
        slots = np.zeros(1 << (2 * size - 1).bit_length(), np.uint64)
        for part in np.array_split(self._slots, max(1, len(self._slots) >> 16)):
            _insert(slots, part[part != _FREE])  # in parts: what is worked with stays small
        self._slots = slots


def _insert(slots: Hashes, hashes: Hashes) -> None:
    """Put (n,) distinct hashes that are not there into slots."""
    place = _home(hashes, len(slots))
    while len(hashes):
        free = slots[place] == _FREE
        slots[place[free]] = hashes[free]  # of several for one slot the last stays
        rest = slots[place] != hashes
        hashes, place = hashes[rest], (place[rest] + 1) % len(slots)


def _home(hashes: Hashes, slots: int) -> NDArray[np.int64]:
    """(n,) the slot at which the search for each begins."""
    return (hashes & np.uint64(slots - 1)).astype(np.int64)


def _first_places(hashes: Hashes) -> NDArray[np.int64]:
    """Where each distinct one of (n,) hashes stands first, in no order."""
    if not len(hashes):
        return np.zeros(0, np.int64)
    order = np.argsort(hashes)  # not stable, which would take five times as long
    ordered = hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return np.minimum.reduceat(order, starts)
