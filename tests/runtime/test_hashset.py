"""The set of hashes, against Python's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.runtime.hashset import HashSet

# Small ones, which repeat, and ones that begin their search at the last slots.
HASH = st.integers(0, 40) | st.integers(2**64 - 40, 2**64 - 1)


def as_hashes(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.uint64)


@given(st.lists(st.lists(HASH, max_size=30), max_size=8))
def test_against_a_set(calls: list[list[int]]) -> None:
    hashes, known = HashSet(), set[int]()
    for numbers in calls:
        new = []
        for number in (max(number, 1) for number in numbers):  # 0 and 1 are one
            new.append(number not in known)
            known.add(number)
        assert hashes.add(as_hashes(numbers)).tolist() == new
        assert len(hashes) == len(known)


@pytest.mark.parametrize("parts", [1, 7])
def test_many_hashes(parts: int) -> None:
    numbers = np.random.default_rng(0).integers(0, 2**64, 300_000, np.uint64)
    hashes = HashSet()
    for part in np.array_split(numbers, parts):
        assert hashes.add(part).all()
    assert not hashes.add(numbers).any()
    assert len(hashes) == 300_000
    assert hashes.nbytes == 8 << 20  # 600,000 slots, as a power of two


def test_all_of_one_slot() -> None:
    numbers = np.arange(1, 3001, dtype=np.uint64) << np.uint64(32)
    hashes = HashSet()
    assert hashes.add(np.repeat(numbers, 2)).tolist() == [True, False] * 3000
    assert not hashes.add(numbers).any()
