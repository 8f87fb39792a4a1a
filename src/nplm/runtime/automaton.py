"""The automaton of a finite-context model: what a walk needs of it, and one that keeps nothing.

A state is a distinct context. `lazy` has the automaton that keeps its states; where rows are so
wide that few would fit, `Passing` makes the rows of a step and drops them. Which of the two an
automaton is, a walk need not know.

Letters: n strings walked side by side, T block size, V vocabulary size.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.keytable import Keys, Numbers, all_differ, distinct
from nplm.runtime.rows import Maker, search

MOST_WALKS = 1 << 16
States = NDArray[Any]  # (n, ...) of integers: numbers or keys
Logs = NDArray[np.float64]


class Automaton(Protocol):
    """What a walk needs; of states it knows only that they are n along the first axis."""

    @property
    def most(self) -> int:
        """How many strings may be walked side by side."""
        ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def logs(self) -> bool:
        """Whether it gives log-probabilities."""
        ...

    @property
    def rejects(self) -> bool:
        """Whether `draw` may give `vocab_size`, which ends a string that does not count."""
        ...

    @property
    def accepted_at_most(self) -> float:
        """A bound of the share of all strings that count."""
        ...

    def after(self, symbols: Sequence[int], count: int = 1) -> States:
        """(count,) times the state after the symbols of one string; the first one after none.

        It may forget all states: begin a walk with it.
        """
        ...

    def draw(self, states: States, u: NDArray[np.float64]) -> tuple[Numbers, Logs | None]:
        """(n,) states and uniforms -> (n,) the first id whose cumulative probability passes u.

        And, where the automaton has `logs`, the (n,) log-probabilities of those ids.
        """
        ...

    def log_probabilities(self, states: States, symbols: Numbers) -> Logs:
        """(n,) states and symbols -> (n,) the model's own log-probabilities."""
        ...

    def log_rows(self, states: States) -> Logs:
        """(n,) states -> (n, V) the model's own log-probabilities."""
        ...

    def log_chunks(self, states: States) -> Iterator[tuple[Numbers, Logs]]:
        """As `log_rows`, by and by: which of the states, in any order, and their (m, V) rows."""
        ...

    def step(self, states: States, symbols: Numbers) -> States:
        """(n,) states and symbols other than the end -> (n,) the states they lead to.

        Those given are only good for this one call.
        """
        ...


class Passing:
    """An automaton that keeps nothing: its states are keys, its rows are made for the step.

    For models so wide that hardly any row fits.
    """

    most = MOST_WALKS

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.logs, self.rejects = maker.logs, maker.rejects

    @property
    def vocab_size(self) -> int:
        return self.maker.vocab_size

    @property
    def accepted_at_most(self) -> float:
        return self.maker.accepted_at_most

    def after(self, symbols: Sequence[int], count: int = 1) -> Keys:
        return np.repeat(self.maker.key_after(symbols), count, axis=0)

    def draw(self, states: States, u: NDArray[np.float64]) -> tuple[Numbers, Logs | None]:
        keys, which = distinct(states)
        symbols = np.empty(len(states), np.int64)
        logs = np.empty(len(states)) if self.logs else None
        for walks, rows, cdf, log in self._chunks(keys, which):
            symbols[walks] = search(cdf, self.maker.levels, rows, u[walks])
            if logs is not None:
                logs[walks] = log[rows, symbols[walks]]
        return symbols, logs

    def log_probabilities(self, states: States, symbols: Numbers) -> Logs:
        keys, which = distinct(states)
        logs = np.empty(len(states))
        for walks, rows, _, log in self._chunks(keys, which):
            logs[walks] = log[rows, symbols[walks]]
        return logs

    def log_rows(self, states: States) -> Logs:
        return np.concatenate([log for _, _, log in self.maker.make(states)])

    def log_chunks(self, states: States) -> Iterator[tuple[Numbers, Logs]]:
        if all_differ(states):
            for chunk, _, log in self.maker.make(states):
                yield np.arange(chunk.start, chunk.stop), log
            return
        keys, which = distinct(states)
        for walks, rows, _, log in self._chunks(keys, which):
            yield walks, log[rows]

    def step(self, states: States, symbols: Numbers) -> Keys:
        return self.maker.keys_after(states.copy(), symbols)

    def _chunks(self, keys: Keys, which: Numbers) -> Iterator[tuple[Numbers, Numbers, Logs, Logs]]:
        """Chunks of the rows of `keys`: which walks stand on them, on which row each, the rows."""
        order = np.argsort(which, kind="stable")
        ordered = which[order]
        for chunk, cdf, log in self.maker.make(keys):
            walks = order[slice(*np.searchsorted(ordered, [chunk.start, chunk.stop]))]
            yield walks, which[walks] - chunk.start, cdf, log
