"""Training from counts against the lesson's loop, and every preset as a whole command.

python benchmarks/training.py [--seeds 1] [--classic-seeds 5] [--plain-steps 20000]
    [--only classic ngram default best] [--models FOLDER]

The loop's seconds are those of 200,000 steps: of fewer, times as much; it has a val only where it
takes them all. --models keeps the runs of the lesson's split and of seed 0 for other benchmarks.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from statistics import mean

from common import names
from curve import best_val, seconds_until
from models import Models
from places import ROOT, names_file
from processes import Side, Training
from sections import print_table, section, spread

LESSON_STEPS = 200_000
LESSON_VAL = 2.1665  # where they end
HEADER = ["", "split by", "seeds", "val", "test", "train_seconds", "whole command, s"]
PRESETS = ["classic", "ngram", "default", "best"]
NOTHING = ""


def lesson(models: Models, seeds: int, plain_steps: int) -> tuple[list[list[str]], float]:
    """The rows of `classic` and of the lesson's loop, and how much sooner the first is there."""
    runs = [train(models, models.data, "line", "classic", seed)[0] for seed in range(seeds)]
    until = [seconds_until(run.curve, LESSON_VAL) for run in runs]
    label = f"`classic` until val {LESSON_VAL}"
    about = ["line", str(seeds)]
    loop, loop_seconds = plain_loop(plain_steps)
    lines = [
        loop,
        row("`classic`", about, runs, []),
        [label, *about, str(LESSON_VAL), NOTHING, spread(until, 3), NOTHING],
    ]
    return lines, loop_seconds / mean(until)


def plain_loop(steps: int) -> tuple[list[str], float]:
    """The row of the lesson's loop, and the seconds of all its steps."""
    import torch

    from plain import nats, train, windows

    torch.set_num_threads(1)
    data = names()
    ids = {symbol: k for k, symbol in enumerate(data.vocab.symbols, start=1)}
    parameters, seconds = train(windows(data.texts("train"), ids), len(data.vocab), steps, seed=0)
    times = LESSON_STEPS / steps
    label, val = f"the lesson's loop, {LESSON_STEPS:,} steps of 32 positions", NOTHING
    if times == 1:
        val = f"{nats(parameters, windows(data.texts('val'), ids)):.4f}"
    else:
        label += f" ({steps:,} timed, times {times:g})"
    return [label, "line", "1", val, NOTHING, f"{seconds * times:.1f}", NOTHING], seconds * times


def train(models: Models, data: Path, split: str, preset: str, seed: int) -> tuple[Training, str]:
    """A run, and its folder: that of the models where others ask for the same run."""
    out = str(models.folder / preset) if split == "line" and seed == 0 else "run"
    return models.side.train(data, preset, seed, out), out


def preset_rows(models: Models, presets: list[str], seeds: int) -> Iterator[list[str]]:
    """A row for each preset and split, with test: for reporting only."""
    by_string = models.side.folder / "by-string"
    models.side.build(names_file(), by_string, "string")
    for split, data in (("line", models.data), ("string", by_string)):
        for preset in presets:
            runs, tests = [], []
            for seed in range(1 if preset == "ngram" else seeds):
                run, out = train(models, data, split, preset, seed)
                runs.append(run)
                tests.append(models.side.test_nats(out))
            yield row(f"`{preset}`", [split, str(len(runs))], runs, tests)


def row(label: str, about: list[str], runs: list[Training], tests: list[float]) -> list[str]:
    return [
        label,
        *about,
        spread([best_val(run.curve) for run in runs]),
        spread(tests) if tests else NOTHING,
        spread([run.train_seconds for run in runs], 2),
        spread([run.usage.seconds for run in runs], 1),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1, help="of default and best")
    parser.add_argument("--classic-seeds", type=int, default=5)
    parser.add_argument("--plain-steps", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--models", type=Path)
    asked = parser.parse_args()
    others = [preset for preset in asked.only if preset != "classic"]
    title = ("Training", "python benchmarks/training.py")
    with section(*title), tempfile.TemporaryDirectory() as scratch:
        print(f"{names_file().name}; val and test in nats per symbol, mean (lowest to highest).\n")
        models = Models.of(asked.models, Side(ROOT / "src", Path(scratch)))
        lines, closing = list[list[str]](), ""
        if "classic" in asked.only:
            lines, ratio = lesson(models, asked.classic_seeds, asked.plain_steps)
            closing = (
                f"`classic` is at val {LESSON_VAL} {ratio:.0f} times sooner than the loop ends."
            )
        print_table(HEADER, chain(lines, preset_rows(models, others, asked.seeds)))
        if closing:
            print(f"\n{closing}")


if __name__ == "__main__":
    main()
