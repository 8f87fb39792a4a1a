"""Philox4x64-10 (Salmon et al. 2011) at counters that do not follow one another.

numpy's own counts up from where it is told to begin, and takes longer to begin than a block of four
takes here. One loop of rounds serves numbers and arrays of them; what differs is how 64 bits times
64 are multiplied. Equal to numpy's bit for bit (tests/runtime/test_philox.py).
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Word = TypeVar("Word", int, Words)
ROUNDS = 10
FACTORS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ALL, LOW = 2**64 - 1, 2**32 - 1
HALF = np.uint64(32)


def block_of(seed: int, first: int, second: int) -> tuple[int, int, int, int]:
    """The four words of the key (seed, 0) at the counter (first, second, 0, 0)."""
    return _rounds(seed, (first, second, 0, 0), _product)


def blocks_of(seed: int, first: Words, second: int) -> Words:
    """(n,) first words of counters that go on as in `block_of` -> (n, 4).

    Fastest with a few thousand of them: a round needs ten arrays as large.
    """
    zero = np.zeros(1, np.uint64)
    return np.stack(_rounds(seed, (first, zero + np.uint64(second), zero, zero), _products), axis=1)


def _rounds(
    seed: int,
    counter: tuple[Word, Word, Word, Word],
    product: Callable[[int, Word], tuple[Word, Word]],
) -> tuple[Word, Word, Word, Word]:
    a, b, c, d = counter
    key, other_key = seed, 0
    for _ in range(ROUNDS):
        (a_high, a_low), (c_high, c_low) = product(FACTORS[0], a), product(FACTORS[1], c)
        # numpy keeps words words here, whatever its types say.
        a, c = c_high ^ b ^ key, a_high ^ d ^ other_key  # type: ignore[assignment]
        b, d = c_low, a_low
        key, other_key = (key + KEY_STEPS[0]) & ALL, (other_key + KEY_STEPS[1]) & ALL
    return a, b, c, d


def _product(factor: int, word: int) -> tuple[int, int]:
    """The upper and the lower 64 bits."""
    whole = factor * word
    return whole >> 64, whole & ALL


def _products(factor: int, words: Words) -> tuple[Words, Words]:
    """As `_product`, by halves of 32 bits, since numpy drops what is above 64."""
    factor_low, factor_high = np.uint64(factor & LOW), np.uint64(factor >> 32)
    low, high = words & np.uint64(LOW), words >> HALF
    middle = low * factor_low
    middle >>= HALF
    middle += high * factor_low
    low *= factor_high
    low += middle & np.uint64(LOW)
    low >>= HALF
    high *= factor_high
    high += middle >> HALF
    high += low
    return high, words * np.uint64(factor)
