"""Whole strings within a threshold, by all beginnings within it, level after level.

A string's nats only grow with its symbols, so what begins beyond the threshold is left.

Letters: n beginnings on one level, V vocabulary size, N strings.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nplm.errors import ConstraintError
from nplm.runtime.automaton import Automaton, States
from nplm.text.strings import Strings
from nplm.text.vocab import BOUNDARY

if TYPE_CHECKING:
    from nplm.runtime.reach import Reach

# How far a search goes, in beginnings; a level counts as some, for it takes the time of them.
WORK, WORK_PER_STRING, WORK_PER_LEVEL = 2_000_000, 200, 100
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Symbols = NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class Level:
    """Beginnings of one length that are within the threshold.

    Attributes:
        parents: (n,) which of the level before each goes on from.
        symbols: (n,) its last symbol.
    """

    parents: NDArray[np.int32]
    symbols: Symbols


@dataclass(frozen=True, eq=False)
class Found:
    """Whole strings within a threshold, shorter ones first, then by their ids.

    Attributes:
        levels: the beginnings.
        level, place: (N,) of each string.
        nats: (N,).
    """

    levels: list[Level]
    level: NDArray[np.int32]
    place: NDArray[np.int32]
    nats: Floats


class Search:
    """All whole strings within thresholds.

    Attributes:
        reach: of a condition, where there is one.

    Args:
        width: symbols that may be drawn, whose ids are 1 to `width`.
        prefix: ids that every string begins with.
    """

    def __init__(self, automaton: Automaton, width: int, prefix: list[int], longest: int) -> None:
        self._automaton, self._width = automaton, width
        self._prefix, self._longest = prefix, longest
        self._start, self._work = 0.0, 0
        self._left_out = False  # whether anything that could be was beyond the last threshold
        self.reach: Reach | None = None

    def most_probable(self, count: int, start: float, threshold: float | None) -> Found:
        """Within a threshold that has at least `count` strings, or all there are.

        Args:
            start: nats of the prefix, the least that a string may have.
        """
        self._start = start
        within = start + 2.0 if threshold is None else threshold
        while True:
            self._work = WORK + WORK_PER_STRING * count
            found = self._within(within)
            certain = len(found.nats)
            if certain >= count or not self._left_out:
                return found
            within += min(4.0, max(0.5, math.log(count / max(1, certain))))

    def _within(self, threshold: float) -> Found:
        """The strings within a threshold."""
        states, nats = self._automaton.after(self._prefix), np.array([self._start])
        reached = self.reach.after(self._prefix) if self.reach else None
        levels: list[Level] = []
        ends: list[tuple[Numbers, Floats]] = []
        self._left_out = False
        for length in range(len(self._prefix), self._longest + 1):
            following = self._follow(states, nats, threshold, ends_only=length == self._longest)
            ends.append((following.ends, following.end_nats))
            count = len(following.parents)
            self._work -= count + WORK_PER_LEVEL
            if not count:
                break
            if self._work <= 0:
                raise ConstraintError(
                    "as far as a search goes, which strings are the most probable is not certain",
                    "ask for fewer, or give a smaller `max_length` or a longer `prefix`",
                )
            parents, symbols, nats = following.parents, following.symbols, following.nats
            if self.reach and reached is not None:
                reached = self.reach.step(reached[parents], symbols.astype(np.int64))
                kept = np.flatnonzero(self.reach.within(reached, self._longest - length - 1))
                parents, symbols, nats = parents[kept], symbols[kept], nats[kept]
                reached = reached[kept]
                if not len(kept):
                    break
            levels.append(Level(parents.astype(np.int32), symbols))
            states = self._automaton.step(states[parents], symbols.astype(np.int64))
        level = np.repeat(np.arange(len(ends), dtype=np.int32), [len(place) for place, _ in ends])
        places = np.concatenate([place for place, _ in ends]).astype(np.int32)
        return Found(levels, level, places, np.concatenate([x for _, x in ends]))

    def _follow(
        self, states: States, nats: Floats, threshold: float, *, ends_only: bool
    ) -> "_Following":
        """What follows n beginnings, of which `nats` are those, within the threshold."""
        chunks = [
            self._follow_some(which, nats[which], rows, threshold, ends_only=ends_only)
            for which, rows in self._automaton.log_chunks(states)
        ]
        parents = np.concatenate([chunk.parents for chunk in chunks])
        ends = np.concatenate([chunk.ends for chunk in chunks])
        order, end_order = _ascending(parents), _ascending(ends)
        return _Following(
            parents[order],
            np.concatenate([chunk.symbols for chunk in chunks])[order],
            np.concatenate([chunk.nats for chunk in chunks])[order],
            ends[end_order],
            np.concatenate([chunk.end_nats for chunk in chunks])[end_order],
        )

    def _follow_some(
        self, which: Numbers, nats: Floats, rows: Floats, threshold: float, *, ends_only: bool
    ) -> "_Following":
        """What follows some of the beginnings, whose rows (m, V or more) these are."""
        costs = nats[:, None] - rows[:, : self._width + 1]
        if ends_only:
            costs[:, BOUNDARY + 1 :] = np.inf
        within = costs <= threshold
        ends = np.flatnonzero(within[:, BOUNDARY])
        self._left_out = self._left_out or bool((~within & np.isfinite(costs)).any())
        within[:, BOUNDARY] = False
        places = np.flatnonzero(within)
        parents = places // costs.shape[1]
        symbols = places - costs.shape[1] * parents  # sooner than divmod
        return _Following(
            which[parents],
            symbols.astype(np.min_scalar_type(self._width)),
            np.take(costs, places),
            which[ends],
            costs[ends, BOUNDARY],
        )


@dataclass(frozen=True)
class _Following:
    """What follows beginnings within the threshold.

    Attributes:
        parents, symbols, nats: (m,) which of them goes on, the symbol, the nats then.
        ends, end_nats: (e,) which of them ends, and the nats of the string.
    """

    parents: Numbers
    symbols: Symbols
    nats: Floats
    ends: Numbers
    end_nats: Floats


def _ascending(numbers: Numbers) -> Numbers | slice:
    """What puts them in order, those that are equal as they came; nothing where they are."""
    in_order = bool((numbers[1:] >= numbers[:-1]).all())
    return slice(None) if in_order else np.argsort(numbers, kind="stable")


def spell(
    found: Found, which: Numbers, prefix: list[int], dtype: np.dtype[np.unsignedinteger]
) -> Strings:
    """The ids of some of the strings, from their last symbol back."""
    level, place = found.level[which], found.place[which].astype(np.int64)
    lengths = len(prefix) + level.astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
    ids = np.full(offsets[-1], BOUNDARY, dtype)
    for t, symbol in enumerate(prefix):
        ids[offsets[:-1] + t] = symbol
    for k in reversed(range(int(level.max(initial=0)))):
        here = np.flatnonzero(level > k)
        at = place[here]
        ids[offsets[here] + len(prefix) + k] = found.levels[k].symbols[at]
        place[here] = found.levels[k].parents[at]
    return Strings(ids, offsets)
