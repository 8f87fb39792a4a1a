"""A few strings, one at a time and in plain Python, over what a lazy automaton knows already.

Arrays of a few entries take twenty times as long as numbers. Nothing is made here: where a walk
comes to a state that is not known, all are walked side by side instead (`walk`, `score`), to the
same result bit for bit.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nplm.generation import SamplingConfig
from nplm.runtime.automaton import Automaton
from nplm.runtime.lazy import UNKNOWN, Lazy
from nplm.runtime.sampling import LANES, few_uniforms
from nplm.text.strings import Strings
from nplm.text.vocab import BOUNDARY

FEW = 32  # strings, from which on side by side is sooner
Drawn = tuple[Strings, NDArray[np.bool_], NDArray[np.float64] | None]


class _UnknownStateError(Exception):
    """A walk has come to what is not known."""


class _Walk:
    """One string over the rows of an automaton, which must not change meanwhile."""

    def __init__(self, automaton: Lazy) -> None:
        self._cdf, self._log, self._next = automaton.flat_rows()
        self._width, self._vocab_size = automaton.width, automaton.vocab_size
        self._start = automaton.start
        self.begin()

    def begin(self) -> None:
        self._state = self._start
        if self._state == UNKNOWN:
            raise _UnknownStateError

    def draw(self, u: float) -> int:
        """The first id whose cumulative probability passes u."""
        first = self._state * self._width
        return bisect_right(self._cdf, u, first, first + self._width) - first

    def log_probability(self, symbol: int) -> float:
        number: float = self._log[self._state * self._vocab_size + symbol]
        return number

    def step(self, symbol: int) -> None:
        self._state = self._next[self._state * self._vocab_size + symbol]
        if self._state == UNKNOWN:
            raise _UnknownStateError


def draw_few(
    automaton: Automaton,
    sampling: SamplingConfig,
    prefix: list[int],
    seed: int,
    first: int,
    rows: int,
) -> Drawn | None:
    """Strings `first` to `first + rows`; None where they are many or lead to what is not known.

    Returns:
        what was drawn up to the greatest length, (rows,) whether each ended, (rows,) nats.
    """
    if rows > FEW or not isinstance(automaton, Lazy):
        return None
    ids: list[int] = []
    offsets, complete, nats = [0], [], []
    stream = _Uniforms(seed, first, rows)
    try:
        walk = _Walk(automaton)
        for row in range(rows):
            ended, number = _draw(
                walk, automaton.logs, sampling.max_length, prefix, stream, row, ids
            )
            offsets.append(len(ids))
            complete.append(ended)
            nats.append(number)
    except _UnknownStateError:
        return None
    dtype = np.min_scalar_type(automaton.vocab_size)
    strings = Strings(np.array(ids, dtype), np.array(offsets, np.int64))
    return strings, np.array(complete, np.bool_), np.array(nats) if automaton.logs else None


class _Uniforms:
    """Those of `rows` strings from `first` on, as numbers, made when they are asked for."""

    def __init__(self, seed: int, first: int, rows: int) -> None:
        self._key = seed, first, rows
        self._blocks: list[list[list[float]]] = []

    def block(self, number: int, row: int) -> list[float]:
        """Draws LANES * number and on of a row."""
        if number == len(self._blocks):
            self._blocks.append(few_uniforms(*self._key, number))
        return self._blocks[number][row]


def _draw(
    walk: _Walk,
    logs: bool,
    longest: int,
    prefix: list[int],
    stream: _Uniforms,
    row: int,
    ids: list[int],
) -> tuple[bool, float]:
    """Append a string to `ids`, up to `longest`; whether it ended, and its nats, of what counts."""
    walk.begin()
    nats, u = 0.0, [0.0]
    for place in range(longest + 1):
        t = place - len(prefix)
        if t >= 0 and t % LANES == 0:
            u = stream.block(t // LANES, row)
        symbol = prefix[place] if t < 0 else walk.draw(u[t % LANES])
        if symbol == BOUNDARY or place == longest:
            break
        if logs:
            nats -= walk.log_probability(symbol)
        ids.append(symbol)
        walk.step(symbol)
    ids.append(BOUNDARY)
    ended = symbol == BOUNDARY
    return ended, nats - walk.log_probability(BOUNDARY) if logs and ended else nats


def score_few(automaton: Automaton, strings: Strings) -> NDArray[np.float64] | None:
    """(N,) nats of all symbols and ends; None where they are many or lead to what is not known."""
    if len(strings) > FEW or not isinstance(automaton, Lazy):
        return None
    try:
        walk = _Walk(automaton)
        nats = [number for ids in strings for number in _score(walk, ids.tolist())]
    except _UnknownStateError:
        return None
    return np.array(nats)


def _score(walk: _Walk, symbols: Sequence[int]) -> list[float]:
    walk.begin()
    nats = []
    for symbol in symbols:
        nats.append(0.0 - walk.log_probability(symbol))
        if symbol != BOUNDARY:
            walk.step(symbol)
    return nats
