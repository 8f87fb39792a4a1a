"""A small filter that knows every string of the list, carried in the model's metadata.

It holds the sorted 32-bit hashes of n distinct strings: 4 bytes each. A string of the list is
always known; another one is taken for one of them with probability n / 2^32 (7e-6 for 30,000).
The metadata say of which splits they are (`ModelCard.novelty_splits`): in 0.1.0, of train alone.
"""

import base64

import numpy as np
from numpy.typing import NDArray

from nplm.text.strings import Strings

FEW_SYMBOLS = 64  # that are hashed one by one
_MULTIPLIER, _ALL = 0xD6E8FEB86659FD93, 2**64 - 1


class NoveltyFilter:
    """The strings of a list.

    Args:
        hashes: distinct 32-bit hashes in ascending order.
    """

    def __init__(self, hashes: NDArray[np.uint32]) -> None:
        self.hashes = hashes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoveltyFilter) and np.array_equal(self.hashes, other.hashes)

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, strings: Strings) -> "NoveltyFilter":
        """The filter that knows these strings."""
        return cls(np.unique(_short(hash_strings(strings))))

    @property
    def false_positive_rate(self) -> float:
        """How often a new string is taken for one of the list."""
        return len(self.hashes) / 2**32

    def seen(self, strings: Strings) -> NDArray[np.bool_]:
        """(n,) for each string whether it is (almost surely) of the list."""
        return self.holds(hash_strings(strings))

    def holds(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """As `seen`, for what `hash_strings` makes of the strings."""
        short = _short(hashes)
        if not len(self.hashes):
            return np.zeros(len(short), np.bool_)
        places = np.minimum(np.searchsorted(self.hashes, short), len(self.hashes) - 1)
        return np.asarray(self.hashes[places] == short)

    def to_text(self) -> str:
        """For metadata: base64 of little-endian 32-bit numbers."""
        return base64.b64encode(self.hashes.astype("<u4").tobytes()).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> "NoveltyFilter":
        """What `to_text` wrote; ValueError when it is not that."""
        hashes = np.frombuffer(base64.b64decode(text, validate=True), "<u4").astype(np.uint32)
        if (hashes[1:] <= hashes[:-1]).any():
            raise ValueError("its hashes do not ascend")
        return cls(hashes)


def hash_strings(strings: Strings) -> NDArray[np.uint64]:
    """(n,) a 64-bit hash of every string.

    Each symbol is mixed with its place and the results are added up, so that no loop over strings
    or places is needed; a handful of strings takes one all the same, for it is over sooner.
    """
    if len(strings.ids) <= FEW_SYMBOLS:
        return np.array([_hash_one(ids.tolist()) for ids in strings], np.uint64)
    places = strings.places().astype(np.uint64)
    mixed = _mix(strings.ids.astype(np.uint64) + (places << np.uint64(32)))
    sums = np.add.reduceat(mixed, strings.offsets[:-1])
    return _mix(sums)


def _short(hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Hashes as the filter holds them."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection of 64-bit numbers that spreads every bit."""
    for _ in range(2):
        x = (x ^ (x >> np.uint64(32))) * np.uint64(_MULTIPLIER)
    return x ^ (x >> np.uint64(32))


def _hash_one(ids: list[int]) -> int:
    """As `hash_strings` of one string, in numbers without bounds."""
    total = sum(_mix_one(symbol + (place << 32)) for place, symbol in enumerate(ids))
    return _mix_one(total & _ALL)


def _mix_one(x: int) -> int:
    for _ in range(2):
        x = (x ^ (x >> 32)) * _MULTIPLIER & _ALL
    return x ^ (x >> 32)
