"""Strings as ids, side by side: one flat array of ids and one of offsets (Arrow's layout).

Nothing here knows what an id stands for but that 0, the boundary, ends a string.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nplm.text.vocab import BOUNDARY

Ids = NDArray[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class Strings:
    """n strings of N ids in all.

    Attributes:
        ids: (N,) the symbols of each string and the boundary that ends it, one string after the
            other: all that a model has to predict.
        offsets: (n + 1,) int64; string i is ids[offsets[i]:offsets[i + 1]].
    """

    ids: Ids
    offsets: NDArray[np.int64]

    @classmethod
    def of_ids(cls, ids: Ids) -> "Strings":
        """The strings of a flat array, as a data set holds it, in which boundaries end them."""
        ends = np.flatnonzero(ids == BOUNDARY)
        return cls(ids, np.concatenate([[0], ends + 1]))

    @classmethod
    def of_symbols(cls, symbols: Ids, lengths: NDArray[np.int64]) -> "Strings":
        """Strings of (n,) lengths, of their symbols alone, one string after the other."""
        offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
        ids = np.full(offsets[-1], BOUNDARY, symbols.dtype)
        inside = np.ones(len(ids), np.bool_)
        inside[offsets[1:] - 1] = False
        ids[inside] = symbols
        return cls(ids, offsets)

    @classmethod
    def join(cls, parts: Sequence["Strings"]) -> "Strings":
        """The strings of all parts, of which there is at least one, one after the other."""
        sizes = np.concatenate([np.diff(part.offsets) for part in parts])
        ids = np.concatenate([part.ids for part in parts])
        return cls(ids, np.concatenate([[0], np.cumsum(sizes)]))

    def __len__(self) -> int:
        """How many strings: n."""
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[Ids]:
        """The ids of each string, its end among them."""
        edges = self.offsets.tolist()
        return (self.ids[start:end] for start, end in pairwise(edges))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) symbols of each string, without its end."""
        return np.diff(self.offsets) - 1

    @property
    def longest(self) -> int:
        """Symbols of the longest string, 0 where there is none."""
        return int(self.lengths.max(initial=0))

    def places(self, start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
        """(stop - start,) for each of these ids how many of its own string stand before it."""
        stop = len(self.ids) if stop is None else stop
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        last = int(np.searchsorted(self.offsets, stop, side="left"))
        edges = self.offsets[first : last + 1].clip(start, stop)
        return np.arange(start, stop) - np.repeat(self.offsets[first:last], np.diff(edges))

    def keep(self, chosen: NDArray[np.bool_]) -> "Strings":
        """Only the strings where `chosen` (n,) is true."""
        sizes = np.diff(self.offsets)
        offsets = np.concatenate([[0], np.cumsum(sizes[chosen])])
        return Strings(self.ids[np.repeat(chosen, sizes)], offsets)

    def take(self, order: NDArray[np.int64]) -> "Strings":
        """The strings at (m,) places, in that order."""
        sizes = np.diff(self.offsets)[order]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        places = np.repeat(self.offsets[order] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Strings(self.ids[places], offsets)
