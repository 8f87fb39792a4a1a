"""Figures of two sides over several rounds, as rows of a table.

The machine's speed may change from minute to minute. So a ratio is of two figures of one round,
measured one after the other, and what stands in the table is the median of the rounds' ratios.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal

Unit = Literal["s", "µs", "MB", "of import torch", "nats", "hash"]
Pair = tuple[float, float]  # the commit's figure, the working tree's
DIGITS: dict[Unit, int] = {"s": 3, "µs": 0, "MB": 0, "of import torch": 2, "nats": 4}
NOTHING = "-"


@dataclass(frozen=True)
class Figure:
    """What is measured. A "hash" is a number that stands for a file's content."""

    name: str
    unit: Unit


Results = dict[Figure, list[Pair]]


def collect(rounds: Iterable[dict[Figure, Pair]]) -> Results:
    """The rounds of one measurement, figure by figure."""
    results: Results = {}
    for measured in rounds:
        for figure, pair in measured.items():
            results.setdefault(figure, []).append(pair)
    return results


def header(commit: str) -> list[str]:
    return ["measurement", "figure", commit, "working tree", f"working tree / {commit}"]


def rows(measurement: str, results: Results) -> list[list[str]]:
    """A row for each figure: its name, the medians of both sides, and how they compare."""
    table = []
    for figure, pairs in results.items():
        before, after = (median(side) for side in zip(*pairs, strict=True))
        label = figure.name if figure.unit == "hash" else f"{figure.name}, {figure.unit}"
        cells = [shown(value, figure.unit) for value in (before, after)]
        table.append([measurement, label, *cells, relation(figure.unit, pairs)])
    return table


def shown(value: float, unit: Unit) -> str:
    if math.isinf(value):
        return "never"
    return f"{int(value):08x}" if unit == "hash" else f"{value:,.{DIGITS[unit]}f}"


def relation(unit: Unit, pairs: list[Pair]) -> str:
    """How the second side stands to the first: equal or not, a difference, or a ratio."""
    if unit == "hash":
        return "equal" if all(before == after for before, after in pairs) else "different"
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        return NOTHING
    if unit == "nats":
        return f"{median(after - before for before, after in pairs):+.4f}"
    ratios = [after / before for before, after in pairs]
    middle = f"{median(ratios):.2f}"
    return middle if len(pairs) == 1 else f"{middle} ({min(ratios):.2f} to {max(ratios):.2f})"
