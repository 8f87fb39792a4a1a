"""What may be drawn where: a small automaton that walks beside the model's own.

A state is the number of symbols that must still come before the string may end. It says nothing of
probabilities: those of what is allowed are scaled up in `sampling`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nplm.text.vocab import BOUNDARY

States = NDArray[Any]  # (n,) unsigned integers


@dataclass(frozen=True)
class Constraint:
    """Strings of at least so many symbols, none of them an unknown one.

    Attributes:
        vocab_size: V.
        min_length: how many symbols must come before the end may be drawn.
        unknown: the id that may not be drawn; None where all may.
    """

    vocab_size: int
    min_length: int = 0
    unknown: int | None = None

    @property
    def start(self) -> int:
        """The state before the first symbol, which is the largest number of any state."""
        return self.min_length

    def after(self, symbols: int) -> int:
        """The state after so many symbols."""
        return max(0, self.start - symbols)

    def step(self, states: States) -> States:
        """(n,) states -> (n,) those after one more symbol."""
        return np.asarray(states - (states > 0))

    def accepting(self, states: States) -> NDArray[np.bool_]:
        """(n,) whether the string may end in each state."""
        return np.asarray(states == 0)

    def allowed(self, *, accepting: bool) -> NDArray[np.bool_] | None:
        """(V,) what may be drawn in a state that is accepting or is not; None where all may."""
        return self._allowed[accepting]

    @cached_property
    def _allowed(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
        """What `allowed` gives where the state is not accepting (0), and where it is (1)."""
        ids = np.arange(self.vocab_size)
        if self.unknown is None:
            return np.asarray(ids != BOUNDARY), None
        listed = np.asarray(ids != self.unknown)
        return listed & (ids != BOUNDARY), listed
