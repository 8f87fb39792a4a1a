"""What whole strings must be, as options say it."""

from typing import Annotated

import typer

from nplm.errors import UsageError
from nplm.generation import Condition
from nplm.stored import shorten

MAX_DIGITS = 12
Match = Annotated[str | None, typer.Option(help="A regular expression that whole strings match.")]
EndsWith = Annotated[str, typer.Option(help="Every string ends with it.")]
Contains = Annotated[
    list[str] | None, typer.Option(help="Every string has it somewhere; may be repeated.")
]
Length = Annotated[
    str | None, typer.Option(metavar="M-N", help="Symbols of a string: 4-12, 4-, -12 or 8.")
]


def condition_of(
    match: str | None,
    ends_with: str,
    contains: list[str] | None,
    length: str | None,
    budget: int = Condition.budget,
    tolerance: float = Condition.tolerance,
    attempts: int = Condition.attempts,
) -> Condition | None:
    """What the options ask of whole strings; None where they ask nothing."""
    condition = Condition(
        match,
        ends_with,
        tuple(contains or ()),
        Condition.length if length is None else read_lengths(length),
        budget,
        tolerance,
        attempts,
    )
    return condition if condition.asks else None


def read_lengths(text: str) -> tuple[int, int]:
    """`4-12`, `4-`, `-12` or `8`: the least and the greatest.

    Raises:
        UsageError: it is none of these.
    """
    least, dash, most = text.partition("-")
    numbers = [least, most] if dash else [least, least]
    if not any(numbers) or not all(map(_is_number, filter(None, numbers))):
        raise UsageError(f"`length` is {shorten(repr(text))}", "give 4-12, 4-, -12 or 8")
    bounds = zip(numbers, Condition.length, strict=True)
    least_number, most_number = (int(n) if n else bound for n, bound in bounds)
    return least_number, most_number


def _is_number(text: str) -> bool:
    """Whether it is one that is no larger than any string could be."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
