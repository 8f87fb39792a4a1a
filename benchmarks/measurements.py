"""What `compare.py` measures, each in rounds of one process a side."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from comparison import Figure, Pair
from curve import best_val, seconds_until
from models import Models
from places import names_file
from processes import Side, Training, Usage

T = TypeVar("T")
LESSON_VAL = 2.1665  # where the lesson's 200,000 steps end
NEAR = 0.0001  # nats by which two runs of the same settings may part, from rounding alone
LENGTH = 256  # beyond every string: versions treat strings that are too long differently
CALLS, LAPS = 100, 7
ONE_CALL = f"""
import sys, time
from statistics import median
import nplm
model = nplm.load(sys.argv[1])
laps = []
for lap in range({LAPS}):
    started = time.perf_counter()
    for _ in range({CALLS}):
        list(CALL)
    laps.append((time.perf_counter() - started) / {CALLS} * 1e6)
print(median(laps))
"""


@dataclass
class Bench:
    """Two sides, and the models that both are given.

    Attributes:
        sides: the commit and the working tree.
        models: made by the commit, since both can read what that makes.
        trained: the runs of a round, so that two measurements share them.
    """

    sides: tuple[Side, Side]
    models: Models
    names: int
    unique: int
    trained: dict[tuple[str, int], tuple[Training, Training]] = field(default_factory=dict)

    def both(self, turn: int, measure: Callable[[Side], T]) -> tuple[T, T]:
        """One side after the other; which is first changes from round to round."""
        first = turn % 2
        results = {side: measure(self.sides[side]) for side in (first, 1 - first)}
        return results[0], results[1]


def of_processes(usages: tuple[Usage, Usage], name: str = "whole command") -> dict[Figure, Pair]:
    before, after = usages
    return {
        Figure(name, "s"): (before.seconds, after.seconds),
        Figure(f"{name}, user and system", "s"): (before.cpu_seconds, after.cpu_seconds),
        Figure(f"{name}, peak", "MB"): (before.peak_mb, after.peak_mb),
    }


def content_hash(side: Side, out: str) -> float:
    with (side.folder / out).open("rb") as file:
        return int(hashlib.file_digest(file, "sha256").hexdigest()[:8], 16)


def trained(preset: str, bench: Bench, turn: int) -> tuple[Training, Training]:
    """The runs of a round, each round with a seed of its own."""
    if (preset, turn) not in bench.trained:
        bench.trained[preset, turn] = bench.both(
            turn, lambda side: side.train(bench.models.data, preset, turn)
        )
    return bench.trained[preset, turn]


def train(preset: str, bench: Bench, turn: int) -> dict[Figure, Pair]:
    before, after = trained(preset, bench, turn)
    best, goal = best_val(before.curve), best_val(before.curve) + NEAR
    return {
        **of_processes((before.usage, after.usage)),
        Figure("train_seconds", "s"): (before.train_seconds, after.train_seconds),
        Figure("best val", "nats"): (best, best_val(after.curve)),
        Figure(f"train_seconds until {NEAR} from the commit's best val", "s"): (
            seconds_until(before.curve, goal),
            seconds_until(after.curve, goal),
        ),
    }


def until_lesson(bench: Bench, turn: int) -> dict[Figure, Pair]:
    before, after = trained("classic", bench, turn)
    seconds = (seconds_until(before.curve, LESSON_VAL), seconds_until(after.curve, LESSON_VAL))
    return {Figure(f"train_seconds until val {LESSON_VAL}", "s"): seconds}


def export(bench: Bench, turn: int) -> dict[Figure, Pair]:
    run, data = bench.models.run("classic"), bench.models.data

    def measure(side: Side) -> Usage:
        return side.export(run, data, side.folder / "exported.onnx")

    return of_processes(bench.both(turn, measure))


def start(bench: Bench, turn: int) -> dict[Figure, Pair]:
    file = str(bench.models.file("classic"))
    torch = bench.both(turn, lambda side: side.python("-c", "import torch"))
    generate = bench.both(turn, lambda side: side.nplm("generate", file, "-n", "20"))
    helping = bench.both(turn, lambda side: side.nplm("--help"))
    results = of_processes(torch, "`import torch`")
    for name, usages in (("`generate -n 20`", generate), ("`--help`", helping)):
        shares = [usage.seconds / base.seconds for usage, base in zip(usages, torch, strict=True)]
        results |= of_processes(usages, name)
        results[Figure(name, "of import torch")] = (shares[0], shares[1])
    return results


def generate(preset: str, bench: Bench, turn: int, *options: str) -> dict[Figure, Pair]:
    file, out = str(bench.models.file(preset)), "generated.txt"
    options = options or ("-n", str(bench.names), "--max-length", str(LENGTH))

    def measure(side: Side) -> Usage:
        return side.nplm("generate", file, *options, "--out", out, "--force")

    results = of_processes(bench.both(turn, measure))
    before, after = (content_hash(side, out) for side in bench.sides)
    return {**results, Figure("the output's hash", "hash"): (before, after)}


def unique(bench: Bench, turn: int) -> dict[Figure, Pair]:
    options = ["-n", str(bench.unique), "--unique", "--format", "jsonl"]
    return generate("classic", bench, turn, *options, "--max-length", str(LENGTH))


def score(bench: Bench, turn: int) -> dict[Figure, Pair]:
    words = [
        "score",
        str(bench.models.file("classic")),
        str(names_file()),
        "--out",
        "scores.txt",
        "--force",
    ]
    results = of_processes(bench.both(turn, lambda side: side.nplm(*words)))
    before, after = (content_hash(side, "scores.txt") for side in bench.sides)
    return {**results, Figure("the output's hash", "hash"): (before, after)}


def one_call(call: str, bench: Bench, turn: int) -> dict[Figure, Pair]:
    """A warm call from Python, in a process that has loaded the model."""
    script, file = ONE_CALL.replace("CALL", call), str(bench.models.file("classic"))
    before, after = bench.both(turn, lambda side: side.python("-c", script, file))
    return {Figure(f"`{call}`", "µs"): (float(before.printed), float(after.printed))}


Measurement = Callable[[Bench, int], dict[Figure, Pair]]
MEASUREMENTS: dict[str, Measurement] = {
    "start": start,
    "train-classic": partial(train, "classic"),
    "classic-2.1665": until_lesson,
    "export": export,
    "score": score,
    "score-1": partial(one_call, 'model.score(["emma"])'),
    "sample-1": partial(one_call, "model.sample(1)"),
    "cold-classic": partial(generate, "classic"),
    "cold-default": partial(generate, "default"),
    "train-default": partial(train, "default"),
    "train-best": partial(train, "best"),
    "cold-best": partial(generate, "best"),
    "unique": unique,
}
LONG = ("train-default", "train-best", "cold-best", "unique")
