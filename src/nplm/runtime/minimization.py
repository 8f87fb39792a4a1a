"""The smallest automaton: states that no continuation tells apart share a block (Hopcroft 1971).

Transitions may be missing; a state from which nothing is accepted counts as missing itself.
"""

from collections.abc import Mapping, Sequence

DEAD = 0  # the block of all states from which nothing is accepted

Rows = Sequence[Mapping[int, int]]  # of each state: by class, where it leads
Sources = list[list[tuple[int, int]]]  # of each state: which others lead there, by which class


def blocks(rows: Rows, accepting: Sequence[bool]) -> list[int]:
    """The block of each state, from 1 on; `DEAD` where nothing is accepted."""
    sources: Sources = [[] for _ in rows]
    for state, row in enumerate(rows):
        for k, to in row.items():
            sources[to].append((state, k))
    live = _live(sources, accepting)
    kinds = {
        state: (accepting[state], tuple(sorted(k for k, to in rows[state].items() if live[to])))
        for state in range(len(rows))
        if live[state]
    }
    return _Partition(len(rows), sources).refined(kinds)


def _live(sources: Sources, accepting: Sequence[bool]) -> list[bool]:
    live = list(accepting)
    pending = [state for state, accepts in enumerate(accepting) if accepts]
    while pending:
        for state, _ in sources[pending.pop()]:
            if not live[state]:
                live[state] = True
                pending.append(state)
    return live


class _Partition:
    """Blocks that are split until all states of each lead to the same blocks.

    Of a block that is split the largest part keeps its name, so that the states whose block has a
    new one are few: only what leads to those can be told apart now. A state is renamed at most
    log2 of their number times.
    """

    def __init__(self, size: int, sources: Sources) -> None:
        self._sources = sources
        self._blocks = [DEAD] * size
        self._members: list[set[int]] = [set()]

    def refined(self, kinds: Mapping[int, object]) -> list[int]:
        """By the kinds of those states that are not dead, then by where they lead."""
        self._members.append(set(kinds))
        for state in kinds:
            self._blocks[state] = 1
        renamed = self._split(1, _grouped(kinds))
        while renamed:
            renamed = self._refine(renamed)
        return self._blocks

    def _refine(self, renamed: list[int]) -> list[int]:
        signatures: dict[int, list[int]] = {}
        names = len(self._members)
        for to in renamed:
            name = self._blocks[to]
            for state, k in self._sources[to]:
                signatures.setdefault(state, []).append(k * names + name)
        touched: dict[int, dict[int, object]] = {}
        for state, edges in signatures.items():
            touched.setdefault(self._blocks[state], {})[state] = tuple(sorted(edges))
        return [
            state
            for block, marks in touched.items()
            for state in self._split(block, _grouped(marks))
        ]

    def _split(self, block: int, groups: list[list[int]]) -> list[int]:
        """Split groups of states off a block, all but the largest part; the states renamed."""
        rest = len(self._members[block]) - sum(map(len, groups))
        largest = max(range(len(groups)), key=lambda k: len(groups[k]), default=0)
        if groups and rest < len(groups[largest]):
            others = self._members[block].difference(*groups)
            groups = groups[:largest] + groups[largest + 1 :] + ([sorted(others)] if others else [])
        for group in groups:
            self._members[block].difference_update(group)
            for state in group:
                self._blocks[state] = len(self._members)
            self._members.append(set(group))
        return [state for group in groups for state in group]


def _grouped(marks: Mapping[int, object]) -> list[list[int]]:
    """States of equal marks together."""
    groups: dict[object, list[int]] = {}
    for state, mark in marks.items():
        groups.setdefault(mark, []).append(state)
    return list(groups.values())
