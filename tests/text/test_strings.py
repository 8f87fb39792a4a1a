"""Strings side by side against lists of lists."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nplm.text.strings import Strings

LISTS = st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=8)


def side_by_side(lists: list[list[int]]) -> Strings:
    return Strings.of_ids(np.array([k for ids in lists for k in [*ids, 0]], np.uint8))


def apart(strings: Strings) -> list[list[int]]:
    return [ids.tolist() for ids in strings]


@given(LISTS)
def test_strings_of_ids(lists: list[list[int]]) -> None:
    strings = side_by_side(lists)
    assert len(strings) == len(lists)
    assert apart(strings) == [[*ids, 0] for ids in lists]
    assert strings.lengths.tolist() == [len(ids) for ids in lists]
    assert strings.longest == max(map(len, lists), default=0)


@given(LISTS, st.integers(0, 60), st.integers(0, 60))
def test_places_of_any_part(lists: list[list[int]], start: int, stop: int) -> None:
    strings = side_by_side(lists)
    every = [place for ids in lists for place in range(len(ids) + 1)]
    assert strings.places().tolist() == every
    start, stop = sorted(min(edge, len(every)) for edge in (start, stop))
    assert strings.places(start, stop).tolist() == every[start:stop]


@given(LISTS, st.data())
def test_what_is_kept(lists: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.booleans(), min_size=len(lists), max_size=len(lists)))
    kept = side_by_side(lists).keep(np.array(chosen, np.bool_))
    assert apart(kept) == [[*ids, 0] for ids, keep in zip(lists, chosen, strict=True) if keep]


@given(LISTS, st.data())
def test_what_is_taken(lists: list[list[int]], data: st.DataObject) -> None:
    places = st.sampled_from(range(len(lists))) if lists else st.nothing()
    order = data.draw(st.lists(places))
    taken = side_by_side(lists).take(np.array(order, np.int64))
    assert apart(taken) == [[*lists[place], 0] for place in order]


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_parts_are_joined(parts: list[list[list[int]]]) -> None:
    joined = Strings.join([side_by_side(part) for part in parts])
    assert apart(joined) == [[*ids, 0] for part in parts for ids in part]
