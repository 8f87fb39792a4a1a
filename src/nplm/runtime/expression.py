"""Regular expressions over ids, and what they are built of.

An expression says nothing of characters: `patternsyntax` reads those. Several conditions on one
string are an `intersection`, so that `pattern` makes one automaton of them all.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["symbols", "concatenation", "alternation", "intersection", "repetition"]


@dataclass(frozen=True)
class Expression:
    """A set of strings of ids.

    Attributes:
        kind: what it is made of its parts.
        parts: none of "symbols", one of a "repetition".
        ids: of "symbols", those that are one of its strings; None for all that a string may have.
        least: of a "repetition", how often its part stands at least.
        most: how often at most; `math.inf` for no bound.
    """

    kind: Kind
    parts: tuple["Expression", ...] = ()
    ids: frozenset[int] | None = frozenset()
    least: int = 1
    most: float = 1


def one_of(ids: Iterable[int] | None) -> Expression:
    """One symbol of these ids, none of them the boundary; of all where `ids` is None."""
    return Expression("symbols", ids=None if ids is None else frozenset(ids))


def concatenation(parts: Iterable[Expression]) -> Expression:
    """One after the other; of no parts the empty string."""
    return _joined("concatenation", tuple(parts))


def alternation(parts: Iterable[Expression]) -> Expression:
    """One of them; of no parts no string at all."""
    return _joined("alternation", tuple(parts))


def intersection(parts: Iterable[Expression]) -> Expression:
    """All of them at once; of no parts every string."""
    parts = tuple(parts)
    return _joined("intersection", parts) if parts else anything()


def repetition(part: Expression, least: int, most: float = math.inf) -> Expression:
    """`part` from `least` to `most` times."""
    return Expression("repetition", (part,), least=least, most=most)


def anything() -> Expression:
    """Every string."""
    return length(0, math.inf)


def length(least: int, most: float) -> Expression:
    """Every string of `least` to `most` symbols; no bound where `most` is `math.inf`."""
    return repetition(one_of(None), least, most)


def _joined(kind: Kind, parts: tuple[Expression, ...]) -> Expression:
    return parts[0] if len(parts) == 1 else Expression(kind, parts)
