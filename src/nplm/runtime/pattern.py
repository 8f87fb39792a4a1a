"""Conditions on whole strings, as `re.fullmatch` has them, made the smallest automaton.

An expression is a state, its derivatives are where it leads; then states that no continuation tells
apart become one. States and classes are numbered by how they are reached, so that equal conditions
have equal automata, however they are written. Only `patternsyntax` knows characters.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.errors import UsageError
from nplm.runtime.derivatives import Algebra, Parts
from nplm.runtime.expression import Expression
from nplm.runtime.minimization import DEAD, blocks
from nplm.text.strings import Strings
from nplm.text.vocab import BOUNDARY

MAX_STATES = 10_000
MAX_TRANSITIONS = 1 << 24  # states times classes


@dataclass(frozen=True, eq=False)
class Pattern:
    """A minimal deterministic automaton; S states, C classes of ids that it treats alike.

    The boundary, which is part of no string, leads to state 0, from which nothing is accepted.

    Attributes:
        classes: (V,) the class of each id.
        next: (S, C) the state that each class leads to.
        accepting: (S,) whether the string may end in each state.
        live: (S,) whether acceptance can still be reached.
        universal: (S,) whether every continuation is accepted; there is at most one such state.
        start: the state before the first symbol.
    """

    classes: NDArray[np.int64]
    next: NDArray[np.int32]
    accepting: NDArray[np.bool_]
    live: NDArray[np.bool_]
    universal: NDArray[np.bool_]
    start: int

    def step(self, states: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) states and ids -> (n,) the states they lead to."""
        return self.next[states, self.classes[ids]].astype(np.int64)

    def after(self, ids: Sequence[int]) -> int:
        """The state after the ids of one string."""
        state = self.start
        for k in ids:
            state = int(self.next[state, self.classes[k]])
        return state

    def accepts(self, strings: Strings) -> NDArray[np.bool_]:
        """(n,) for each string whether it is accepted."""
        order = np.argsort(-strings.lengths, kind="stable")  # those that go on are the first ones
        starts, lengths = strings.offsets[:-1][order], strings.lengths[order]
        ids = strings.ids.astype(np.int64)
        states = np.full(len(order), self.start)
        for t in range(int(lengths.max(initial=0))):
            going = int(np.searchsorted(-lengths, -t, side="left"))
            states[:going] = self.step(states[:going], ids[starts[:going] + t])
        accepted = np.empty(len(order), np.bool_)
        accepted[order] = self.accepting[states]
        return accepted


def compile_expression(
    expression: Expression,
    vocab_size: int,
    max_states: int = MAX_STATES,
    *,
    unknown: int | None = None,
) -> Pattern:
    """The automaton of an expression.

    Args:
        vocab_size: V.
        max_states: how many states it may have before it is made smaller.
        unknown: the id of the unknown symbol, where it cannot be drawn: `anything` does not hold
            it, and a state is `universal` without it.

    Raises:
        UsageError: it needs more states, or more steps to make, than there may be.
    """
    ids = np.arange(vocab_size)
    listed = np.asarray((ids != BOUNDARY) & (ids != unknown))
    classes, held = _classes(expression, listed)
    algebra = Algebra(held)
    rows, accepting = _explored(algebra, algebra.number(expression), max_states)
    table, accepts, start = _merged(rows, accepting, classes)
    classes, table = _fewest_classes(classes, table)
    order = _reached(table, start)
    numbers = np.zeros(len(order), np.int32)
    numbers[order] = np.arange(len(order))
    table, accepts = numbers[table[order]], accepts[order]
    states = np.arange(len(order))
    loops = (table[:, classes[listed]] == states[:, None]).all(1)
    return Pattern(classes, table, accepts, states != DEAD, accepts & loops, int(numbers[start]))


def _classes(
    expression: Expression, listed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], dict[frozenset[int] | None, Parts]]:
    """(V,) a class for each id, and the classes that each set of ids in an expression holds."""
    members = {None: np.flatnonzero(listed)} | {
        ids: np.array(sorted(ids), np.int64) for ids in _sets(expression) if ids is not None
    }
    classes = np.zeros(len(listed), np.int64)
    named = 1
    for ids in members.values():  # those of each class that are in the set become a new one
        olds, which = np.unique(classes[ids], return_inverse=True)
        classes[ids] = named + which
        named += len(olds)
    classes = np.unique(classes, return_inverse=True)[1]
    return classes, {key: tuple(np.unique(classes[ids]).tolist()) for key, ids in members.items()}


def _sets(expression: Expression) -> Iterator[frozenset[int] | None]:
    if expression.kind == "symbols":
        yield expression.ids
    for part in expression.parts:
        yield from _sets(part)


def _explored(algebra: Algebra, start: int, most: int) -> tuple[list[dict[int, int]], list[bool]]:
    """Where each expression leads that can be reached from the first, and which accept."""
    states = {start: 0}
    order = [start]
    rows: list[dict[int, int]] = []
    for number in order:  # which grows meanwhile
        row = algebra.derivatives(number)
        for to in row.values():
            if to not in states:
                states[to] = len(order)
                order.append(to)
        if len(order) > most:
            raise UsageError(f"`match` needs more than {most:,} states", "give a simpler pattern")
        rows.append({k: states[to] for k, to in row.items()})
    return rows, [algebra.nullable[number] for number in order]


def _merged(
    rows: list[dict[int, int]], accepting: list[bool], classes: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.bool_], int]:
    """(S, C) where each block leads, (S,) whether it accepts, and the first one."""
    names = blocks(rows, accepting)
    shape = 1 + max(names), 1 + int(classes.max())
    if math.prod(shape) > MAX_TRANSITIONS:
        raise UsageError(
            f"`match` needs {shape[0]:,} states for {shape[1]:,} classes of symbols",
            f"states times classes may be {MAX_TRANSITIONS:,} at most: give a simpler pattern",
        )
    table = np.zeros(shape, np.int32)
    accepts = np.zeros(shape[0], np.bool_)
    for name, row, accepted in zip(names, rows, accepting, strict=True):
        if name != DEAD:
            accepts[name] = accepted
            table[name, list(row)] = [names[to] for to in row.values()]
    return table, accepts, names[0]


def _fewest_classes(
    classes: NDArray[np.int64], table: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Classes that lead to the same states everywhere become one, in the order of the ids."""
    columns: dict[bytes, int] = {}
    used, firsts = np.unique(classes, return_index=True)
    numbers = np.zeros(len(used), np.int64)
    kept: list[int] = []
    for k in used[np.argsort(firsts)].tolist():
        numbers[k] = columns.setdefault(table[:, k].tobytes(), len(columns))
        if numbers[k] == len(kept):
            kept.append(k)
    return numbers[classes], np.ascontiguousarray(table[:, kept])


def _reached(table: NDArray[np.int32], start: int) -> list[int]:
    """The dead state, then all others breadth first, in the order of the classes."""
    order = list(dict.fromkeys([DEAD, start]))
    reached = set(order)
    for state in order:  # which grows meanwhile
        row = table[state]
        for to in row[row != DEAD].tolist():
            if to not in reached:
                reached.add(to)
                order.append(to)
    return order
