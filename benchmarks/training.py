"""Training from counts against the lesson's loop, in one run.

python benchmarks/training.py [--seeds 5] [--plain-steps 200000] [--only classic|default|best]
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import torch

from common import LEAK_FREE, LESSON, best, names, ours, spread
from nplm.text import datafolder
from nplm.text.dataset import Dataset
from places import names_file
from plain import nats, train, windows

LESSON_VAL = 2.1665  # where the lesson's 200,000 steps end


def classic(data: Dataset, seeds: int, plain_steps: int) -> None:
    ids = {symbol: k for k, symbol in enumerate(data.vocab.symbols, start=1)}
    splits = {name: windows(data.texts(name), ids) for name in ("train", "val")}
    reached, finals, seconds = [], [], []
    for seed in range(seeds):
        events = ours(data, "classic", seed)
        hits = [e for e in events if (e.val_nats_per_symbol or 9.0) <= LESSON_VAL]
        reached.append(hits[0].train_seconds)
        finals.append(best(events))
        seconds.append(events[-1].train_seconds)
    parameters, plain_seconds = train(splits["train"], len(data.vocab), plain_steps, seed=0)
    print(f"plain loop, {plain_steps:,} steps: {plain_seconds:.1f} s", end=", ")
    print(f"val {nats(parameters, splits['val']):.4f}")
    print(f"classic, {seeds} seeds: val {spread(finals)} after {spread(seconds, 2)} s")
    print(f"classic to val {LESSON_VAL}: {spread(reached, 3)} s", end=", ")
    print(f"{plain_seconds / mean(reached):.0f} times sooner than the end of the plain loop")


def default(data: Dataset, seeds: int, split: str) -> None:
    runs = [ours(data, "default", seed) for seed in range(seeds)]
    finals, seconds = [best(run) for run in runs], [run[-1].train_seconds for run in runs]
    print(f"default, split by {split}, {seeds} seeds: val {spread(finals)}", end=" ")
    print(f"after {spread(seconds, 1)} train_seconds")


def whole_commands(data: Dataset, seeds: int, split: str) -> None:
    """`nplm train --preset ngram` and `best` as whole processes, with test: for reporting only."""
    with TemporaryDirectory() as scratch:
        datafolder.save(data, Path(scratch) / "data" / "names")
        for name in ("ngram", "best"):
            runs = seeds if name == "best" else 1
            results = [whole_command(Path(scratch), name, seed) for seed in range(runs)]
            val, test, seconds = map(list, zip(*results, strict=True))
            print(f"{name}, split by {split}, {runs} seeds: val {spread(val)}, test", end=" ")
            print(f"{spread(test)}, whole command {spread(seconds, 1)} s")


def whole_command(scratch: Path, name: str, seed: int) -> tuple[float, float, float]:
    """Val, test, and the seconds of the process that trained."""
    nplm = [str(Path(sys.executable).with_name("nplm"))]
    run = ["train", "data/names", "--preset", name, "--seed", str(seed), "--out", "run", "--force"]
    started = time.perf_counter()
    subprocess.run([*nplm, *run], cwd=scratch, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    asked = [*nplm, "eval", "run", "--split", "val", "--split", "test", "--json"]
    lines = subprocess.run(asked, cwd=scratch, check=True, capture_output=True).stdout.splitlines()
    val, test = (json.loads(line)["nats_per_symbol"] for line in lines)
    return val, test, seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plain-steps", type=int, default=200_000)
    parser.add_argument("--only", choices=["classic", "default", "best"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{names_file().name}, one thread, val in nats per symbol: mean (lowest to highest)")
    splits = {"line": names(LESSON), "string": names(LEAK_FREE)}
    if asked.only in {None, "classic"}:
        classic(splits["line"], asked.seeds, asked.plain_steps)
    for split, data in splits.items():
        if asked.only in {None, "default"}:
            default(data, asked.seeds, split)
        if asked.only in {None, "best"}:
            whole_commands(data, asked.seeds, split)


if __name__ == "__main__":
    main()
