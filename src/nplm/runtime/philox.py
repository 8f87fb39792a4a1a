"""Philox4x64-10 (Salmon et al. 2011) at counters that do not follow one another.

numpy's own counts up from where it is told to begin, and takes longer to begin than Python's own
numbers take for a block of four. Both loops equal it bit for bit (tests/runtime/test_philox.py).
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
ROUNDS = 10
FACTORS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ALL, LOW = 2**64 - 1, 2**32 - 1
HALF = np.uint64(32)


def block_of(seed: int, first: int, second: int) -> tuple[int, int, int, int]:
    """The four words of the key (seed, 0) at the counter (first, second, 0, 0)."""
    (factor, other_factor), (step, other_step) = FACTORS, KEY_STEPS
    a, b, c, d = first, second, 0, 0
    key, other_key = seed, 0
    for _ in range(ROUNDS):
        product, other = factor * a, other_factor * c
        a, b = other >> 64 ^ b ^ key, other & ALL
        c, d = product >> 64 ^ d ^ other_key, product & ALL
        key, other_key = key + step & ALL, other_key + other_step & ALL
    return a, b, c, d


def blocks_of(seed: int, first: Words, second: int, third: Words | None = None) -> Words:
    """(n,) first words, and third ones, of counters that go on as in `block_of` -> (n, 4).

    Fastest with a few thousand of them: a round needs ten arrays as large.
    """
    zero = np.zeros(1, np.uint64)
    a, b, c, d = first, zero + np.uint64(second), zero if third is None else third, zero
    key, other_key = seed, 0
    for _ in range(ROUNDS):
        (high, low), (other_high, other_low) = _products(FACTORS[0], a), _products(FACTORS[1], c)
        a, b = other_high ^ b ^ np.uint64(key), other_low
        c, d = high ^ d ^ np.uint64(other_key), low
        key, other_key = key + KEY_STEPS[0] & ALL, other_key + KEY_STEPS[1] & ALL
    return np.stack([a, b, c, d], axis=1)


def _products(factor: int, words: Words) -> tuple[Words, Words]:
    """The upper and lower 64 bits, by halves of 32, since numpy drops what is above 64."""
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
