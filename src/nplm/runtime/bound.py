"""A bound of the chance that a string is accepted, solved from above on states that were expanded.

Letters: E expanded states, V vocabulary size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.keytable import KeyTable

LOOSE = 0.2  # h(start)
MAX_SWEEPS = 1000
# What h has above what it was solved to, so that none vanishes which is not 0: as much for every
# state that may be accepted from, so that h stays at or above its mean after a step.
LEAST = 1e-150
DEAD, OPEN = -1, -2  # what is no expanded state: h is 0, or 1
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bound:
    """h, as far as it was solved.

    Attributes:
        table: keys (T + 2 columns) of the expanded states.
        next: (E, V) int32, where a symbol leads: an expanded state, DEAD or OPEN.
        h: (E + 2,), of the expanded states, of OPEN and of DEAD, which its last index is.
        start: h of the state that strings start from.
        complete: whether every state that can be reached and is not sure of its end was expanded.
    """

    table: KeyTable
    next: NDArray[np.int32]
    h: Floats
    start: float
    complete: bool

    @property
    def nbytes(self) -> int:
        return self.table.nbytes + self.next.nbytes + self.h.nbytes

    @property
    def is_loose(self) -> bool:
        """Whether it hardly says more than that a string may be accepted.

        Then rows of the model alone, each good for every state of the pattern, and a look at whole
        strings are sooner (docs/log.md).
        """
        return not self.complete and self.start > LOOSE


@dataclass(frozen=True, eq=False)
class Expansion:
    """The states that h is solved on, level after level.

    Attributes:
        edges: level i is states edges[i] to edges[i + 1].
        p: (E, V) their probabilities.
        ends: (E,) the chance to end there, accepted.
    """

    table: KeyTable
    edges: list[int]
    next: NDArray[np.int32]
    p: Floats
    ends: Floats
    complete: bool


def solve(expansion: Expansion, tolerance: float) -> Floats:
    """(E + 2,) h from above: a sweep from the last level to the first, until it hardly falls.

    A sweep keeps h at or above the mean of h after a step, since it only takes h down to it.
    """
    count, reaches = expansion.edges[-1], _reaches(expansion)
    h = np.concatenate([reaches, [1.0, 0.0]])
    if not count:
        return h
    levels = [slice(*edges) for edges in zip(expansion.edges, expansion.edges[1:], strict=False)]
    for _ in range(MAX_SWEEPS):
        before = h[0], h[:count].sum()
        for level in reversed(levels):
            mean = np.einsum("ij,ij->i", expansion.p[level], h[expansion.next[level]])
            h[level] = np.minimum(h[level], mean + expansion.ends[level])
        after = h[0], h[:count].sum()
        if all(old - new <= tolerance * new for old, new in zip(before, after, strict=True)):
            break
    h[:count] += LEAST * reaches
    return h


def _reaches(expansion: Expansion) -> Floats:
    """(E,) 1.0 where a string may be accepted, or may leave what was expanded, else 0.0.

    Falling from above alone keeps a loop without an end at 1.
    """
    count = expansion.edges[-1]
    reaches = np.zeros(count + 2, np.bool_)
    reaches[OPEN] = True
    reaches[:count] = expansion.ends > 0
    levels = [slice(*edges) for edges in zip(expansion.edges, expansion.edges[1:], strict=False)]
    before = -1
    while (now := int(reaches.sum())) > before:
        before = now
        for level in reversed(levels):
            reaches[level] |= reaches[expansion.next[level]].any(axis=1)
    return reaches[:count].astype(np.float64)
