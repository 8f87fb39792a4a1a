"""Which beginnings of strings can still be accepted within a length."""

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.condition import shortest
from nplm.runtime.pattern import Pattern

Numbers = NDArray[np.int64]


class Reach:
    """What of a condition's automaton says which beginnings can still become a string in time."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern, self._shortest = pattern, shortest(pattern)

    def after(self, prefix: list[int]) -> Numbers:
        """(1,) the state after a prefix."""
        return np.array([self._pattern.after(prefix)])

    def step(self, states: Numbers, symbols: Numbers) -> Numbers:
        """(n,) states and symbols -> (n,) the states they lead to."""
        return self._pattern.step(states, symbols)

    def within(self, states: Numbers, symbols: int) -> NDArray[np.bool_]:
        """(n,) whether a string is accepted at most so many symbols behind each state."""
        return np.asarray(self._shortest[states] <= symbols)
