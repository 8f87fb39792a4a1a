"""The evaluations of a run, as its metrics.jsonl has them.

Read here and not by `nplm`: the file of a run is the same in all versions, the modules are not.
"""

import json
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Evaluation:
    """Nats per symbol of the val split, after so many seconds of steps."""

    train_seconds: float
    val: float


def read_curve(text: str) -> list[Evaluation]:
    records = [json.loads(line) for line in text.splitlines()]
    return [Evaluation(r["train_seconds"], r["val_nats_per_symbol"]) for r in records]


def best_val(curve: list[Evaluation]) -> float:
    return min(evaluation.val for evaluation in curve)


def seconds_until(curve: list[Evaluation], val: float) -> float:
    """Seconds of steps until an evaluation is at `val` or below; infinite where none is."""
    return next((e.train_seconds for e in curve if e.val <= val), math.inf)
