"""The constraint on what is drawn, against counting symbols one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nplm.runtime.constraint import Constraint


@given(st.integers(0, 300), st.integers(0, 305))
def test_a_string_may_end_once_it_is_long_enough(min_length: int, length: int) -> None:
    constraint = Constraint(3, min_length)
    state = np.array([constraint.start], np.uint16)
    for _ in range(length):
        state = constraint.step(state)
    assert state.tolist() == [constraint.after(length)]
    assert constraint.accepting(state).tolist() == [length >= min_length]


def test_what_is_allowed() -> None:
    constraint = Constraint(3, 2)
    assert constraint.allowed(accepting=True) is None
    allowed = constraint.allowed(accepting=False)
    assert allowed is not None
    assert allowed.tolist() == [False, True, True]
