"""Derivatives of regular expressions (Brzozowski 1964), as sums of partial ones (Antimirov 1996).

The derivative of an expression by a symbol is what may follow that symbol. Expressions are kept in
a canonical form, each once, under a number: those that are equal by the laws applied here have one
number, so that there are few derivatives. A repetition keeps its counts and is never unrolled.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nplm.errors import UsageError
from nplm.runtime.expression import Expression, Kind

MAX_STEPS = 800_000  # parts looked at: about a second
FAR = 32  # parts down which a tail is looked for
Parts = tuple[int, ...]
NOTHING, EMPTY_STRING = 0, 1


class _Node(NamedTuple):
    """As an `Expression`, of numbers; the parts of "symbols" are classes of ids.

    A concatenation has a head, which is none itself, and a rest, or is the empty string.
    """

    kind: Kind
    parts: Parts
    least: int = 1
    most: float = 1


class Algebra:
    """Numbered expressions over classes of ids.

    Args:
        classes: the classes of ids that each set of ids in an expression is made of.

    Raises:
        UsageError: by every method, once `MAX_STEPS` have been taken.
    """

    def __init__(self, classes: dict[frozenset[int] | None, Parts]) -> None:
        self._classes = classes
        self.steps = 0
        self._nodes: list[_Node] = []
        self._numbers: dict[_Node, int] = {}
        self.nullable: list[bool] = []  # of each number, whether the empty string is one of its own
        self._partials: dict[int, dict[int, set[int]]] = {}
        self._derivatives: dict[int, dict[int, int]] = {}
        self._sums: dict[Parts, int] = {}
        self._meets: dict[Parts, int] = {}
        self._number(_Node("symbols", ()))
        self._number(_Node("concatenation", ()))
        used = sorted({k for parts in classes.values() for k in parts})
        self._all = self._repeat(self._number(_Node("symbols", tuple(used))), 0, math.inf)

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise UsageError(
                f"the automaton of `match` takes more than {MAX_STEPS:,} steps to make",
                "give a simpler pattern",
            )

    def number(self, expression: Expression) -> int:
        """The number of an expression."""
        if expression.kind == "symbols":
            return self._number(_Node("symbols", self._classes[expression.ids]))
        parts = [0] * len(expression.parts)
        for k, part in enumerate(expression.parts):  # a comprehension has a frame of its own
            parts[k] = self.number(part)
        number = self._composed(expression, parts)
        self._partials_of(number)  # now, while those of its parts are there: no deep recursion
        return number

    def _composed(self, expression: Expression, parts: Sequence[int]) -> int:
        if expression.kind == "concatenation":
            result = EMPTY_STRING
            for part in reversed(parts):
                result = self._join(part, result)
            return result
        if expression.kind == "repetition":
            return self._repeat(parts[0], expression.least, expression.most)
        return self._sum(parts) if expression.kind == "alternation" else self._meet(parts)

    def derivatives(self, number: int) -> dict[int, int]:
        """By each class of ids that some string begins with."""
        row = self._derivatives.get(number)
        if row is None:
            partials = self._partials_of(number)
            row = {k: self._sum(parts) for k, parts in partials.items()}
            row = self._derivatives[number] = {k: to for k, to in row.items() if to != NOTHING}
            self.spend(1 + len(row))
        return row

    def _number(self, node: _Node) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._nodes)
            self._nodes.append(node)
            self.nullable.append(self._is_nullable(node))
            self.spend(1 + len(node.parts))
        return number

    def _is_nullable(self, node: _Node) -> bool:
        if node.kind == "symbols":
            return False
        if node.kind == "repetition":
            return node.least == 0
        parts = [self.nullable[part] for part in node.parts]
        return any(parts) if node.kind == "alternation" else all(parts)

    def _split(self, number: int) -> tuple[int, int]:
        """Head and rest of what is not the empty string."""
        node = self._nodes[number]
        if node.kind == "concatenation":
            head, rest = node.parts
            return head, rest
        return number, EMPTY_STRING

    def _repeated(self, number: int) -> tuple[int, int, float]:
        """What is repeated, and how often; once, what is no repetition."""
        node = self._nodes[number]
        if node.kind == "repetition":
            return node.parts[0], node.least, node.most
        return number, 1, 1

    def _join(self, first: int, rest: int) -> int:
        """One after the other; where they meet, what is repeated on both sides becomes one.

        a{2}a* is a{2,}.
        """
        if NOTHING in (first, rest):
            return NOTHING
        if EMPTY_STRING in (first, rest):
            return rest if first == EMPTY_STRING else first
        heads = []
        while first != EMPTY_STRING:
            head, first = self._split(first)
            heads.append(head)
        self.spend(2 * len(heads))
        after, remains = self._split(rest)
        (body, least, most), (other, more, most_more) = map(self._repeated, (heads[-1], after))
        if body == other:
            heads[-1], rest = self._repeat(body, least + more, most + most_more), remains
        for head in reversed(heads):
            joined = _Node("concatenation", (head, rest))
            rest = head if rest == EMPTY_STRING else self._number(joined)
        return rest

    def _repeat(self, part: int, least: int, most: float) -> int:
        """part{least,most}; (a{0,3}){2} is a{0,6}, and where a may be empty, a{2,5} is a{0,5}."""
        if most == 0 or part == EMPTY_STRING or (part == NOTHING and least == 0):
            return EMPTY_STRING
        if part == NOTHING:
            return NOTHING
        body, inner, inner_most = self._repeated(part)
        no_gap = inner <= 1 or least == most or least * inner_most + 1 >= (least + 1) * inner
        if body != part and no_gap:
            return self._repeat(body, inner * least, inner_most * most)
        least = 0 if self.nullable[part] else least
        if least == most == 1 or (most == 1 and self.nullable[part]):
            return part
        return self._number(_Node("repetition", (part,), least, most))

    def _sum(self, parts: Iterable[int]) -> int:
        """The alternation of parts: without doubles and those that others hold, in order."""
        distinct = set(parts)
        for part in tuple(distinct):
            if self._nodes[part].kind == "alternation":
                distinct.remove(part)
                distinct.update(self._nodes[part].parts)
        distinct.discard(NOTHING)
        key = tuple(sorted(distinct))
        self.spend(1 + len(key))
        if len(key) < 2:
            return key[0] if key else NOTHING
        if key not in self._sums:
            kept = tuple(sorted(self._without_held(self._merged(key))))
            single = len(kept) == 1
            self._sums[key] = kept[0] if single else self._number(_Node("alternation", kept))
        return self._sums[key]

    def _merged(self, parts: Parts) -> set[int]:
        """Those that differ in the counts of their head alone become one: a{1,3}b|a{2,4}b."""
        groups: dict[tuple[int, int], list[tuple[int, float, int]]] = {}
        kept = set()
        for part in parts:
            if part == EMPTY_STRING:
                continue
            head, rest = self._split(part)
            body, least, most = self._repeated(head)
            groups.setdefault((body, rest), []).append((least, most, part))
        for (body, rest), group in groups.items():
            if len(group) == 1:
                kept.add(group[0][2])
                continue
            counts: list[tuple[int, float]] = []
            for least, most, _ in sorted(group):
                if counts and least <= counts[-1][1] + 1:
                    counts[-1] = counts[-1][0], max(most, counts[-1][1])
                else:
                    counts.append((least, most))
            kept |= {self._join(self._repeat(body, *count), rest) for count in counts}
        if EMPTY_STRING in parts and not any(self.nullable[part] for part in kept):
            kept.add(EMPTY_STRING)
        return kept

    def _without_held(self, parts: set[int]) -> Iterable[int]:
        """Where .*b is one, without all others that end in b."""
        splits = {part: self._split(part) for part in parts if part != EMPTY_STRING}
        tails = {rest for head, rest in splits.values() if head == self._all}
        if EMPTY_STRING in tails:
            return [self._all]
        return [part for part in parts if not tails or not self._ends_in(part, tails)]

    def _ends_in(self, part: int, tails: set[int]) -> bool:
        if part != EMPTY_STRING and self._split(part)[0] == self._all:
            part = self._split(self._split(part)[1])[1]
        for _ in range(FAR):
            self.steps += 1
            if part in tails or part == EMPTY_STRING:
                return part in tails
            part = self._split(part)[1]
        return False

    def _meet(self, parts: Sequence[int]) -> int:
        """The intersection of parts."""
        key = tuple(parts)
        self.spend(1)
        if key not in self._meets:
            self._meets[key] = self._met(key)
        return self._meets[key]

    def _met(self, parts: Parts) -> int:
        distinct: set[int] = set()
        for part in parts:
            node = self._nodes[part]
            distinct.update(node.parts if node.kind == "intersection" else (part,))
        distinct.discard(self._all)
        self.spend(1 + len(distinct))
        if not distinct:
            return self._all
        if NOTHING in distinct:
            return NOTHING
        if EMPTY_STRING in distinct:
            return EMPTY_STRING if all(self.nullable[part] for part in distinct) else NOTHING
        kept = tuple(sorted(distinct))
        return kept[0] if len(kept) == 1 else self._number(_Node("intersection", kept))

    def _partials_of(self, number: int) -> dict[int, set[int]]:
        """By each class, expressions whose alternation is the derivative."""
        node = self._nodes[number]
        if node.kind == "symbols":
            return {k: {EMPTY_STRING} for k in node.parts}
        if node.kind == "alternation":  # most of them are derivatives, of which those are kept
            return self._united(self._partials_of(part) for part in node.parts)
        if number not in self._partials:
            if node.kind == "intersection":
                partials = self._partials_of_meet(node.parts)
            elif node.kind == "repetition":
                rest = self._repeat(node.parts[0], max(node.least - 1, 0), node.most - 1)
                partials = self._before(rest, node.parts[0])
            else:
                partials = self._united(self._partials_of_heads(number))
            self._partials[number] = partials
            self.spend(1 + len(partials))
        return self._partials[number]

    def _partials_of_heads(self, number: int) -> Iterable[dict[int, set[int]]]:
        """Those of the first head, and of each one further as long as all before may be empty."""
        while number != EMPTY_STRING:
            head, number = self._split(number)
            yield self._before(number, head)
            if not self.nullable[head]:
                return

    def _before(self, rest: int, number: int) -> dict[int, set[int]]:
        """The partial derivatives of a number, each with `rest` behind it."""
        partials = self._partials_of(number)
        return {k: {self._join(part, rest) for part in parts} for k, parts in partials.items()}

    def _partials_of_meet(self, parts: Parts) -> dict[int, set[int]]:
        rows = [self.derivatives(part) for part in parts]
        shared = set(rows[0]).intersection(*rows[1:])
        return {k: {self._meet([row[k] for row in rows])} for k in sorted(shared)}

    def _united(self, rows: Iterable[dict[int, set[int]]]) -> dict[int, set[int]]:
        united: dict[int, set[int]] = {}
        for row in rows:
            for k, parts in row.items():
                self.steps += 1 + len(parts) // 8
                united.setdefault(k, set()).update(parts)
            self.spend(1)
        return united
