"""Philox at scattered counters, against numpy's own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nplm.runtime.philox import block_of, blocks_of

WORD = st.integers(0, 2**64 - 1)


def from_numpy(seed: int, first: int, second: int) -> list[int]:
    counter = np.array([first - 1, second, 0, 0], np.uint64)  # it counts up before the first block
    return np.random.Philox(key=seed, counter=counter).random_raw(4).tolist()


@given(WORD, st.lists(st.integers(1, 2**64 - 1), max_size=9), WORD)
def test_against_numpy(seed: int, firsts: list[int], second: int) -> None:
    expected = [from_numpy(seed, first, second) for first in firsts]
    assert [list(block_of(seed, first, second)) for first in firsts] == expected
    assert blocks_of(seed, np.array(firsts, np.uint64), second).tolist() == expected


def test_extremes() -> None:
    largest = 2**64 - 1
    firsts = [1, 2, 2**32 - 1, 2**32, 2**63 - 1, 2**63, largest]
    for seed in (0, 1, largest):
        for second in (0, 1, largest):
            expected = [from_numpy(seed, first, second) for first in firsts]
            assert blocks_of(seed, np.array(firsts, np.uint64), second).tolist() == expected
