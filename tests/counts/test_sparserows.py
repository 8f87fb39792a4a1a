"""Pairs of compressed rows against slices."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nplm.counts.sparserows import pairs_of


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_pairs_of_rows_are_their_slices(lengths: list[int], data: st.DataObject) -> None:
    """Rows may be empty, come in any order and several times."""
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=10))
    offsets = np.cumsum([0, *lengths])
    places, of_rows = pairs_of(offsets, np.array(rows, np.int64))
    slices = [range(offsets[row], offsets[row + 1]) for row in rows]
    assert places.tolist() == [place for one in slices for place in one]
    assert of_rows.tolist() == [k for k, one in enumerate(slices) for _ in one]
