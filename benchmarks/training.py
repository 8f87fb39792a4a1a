"""Training from counts against the lesson's loop, in one run.

python benchmarks/training.py [--seeds 5] [--plain-steps 200000] [--only classic|default]
"""

import argparse
from statistics import mean

import torch
from common import LEAK_FREE, LESSON, names, names_file, spread
from plain import nats, train, windows

from nplm.config import override, preset
from nplm.corpus.dataset import Dataset
from nplm.training.loop import Evaluated, Trainer

LESSON_VAL = 2.1665  # where the lesson's 200,000 steps end


def ours(data: Dataset, name: str, seed: int) -> list[Evaluated]:
    """The evaluations of a preset's run."""
    config = override(preset(name), {"seed": seed}, "")
    block_size = config.model.block_size
    trainer = Trainer(config, data.table("train", block_size), data.table("val", block_size))
    return [event for event in trainer.run() if isinstance(event, Evaluated)]


def best(events: list[Evaluated]) -> float:
    return min(e.val_nats_per_symbol or 0.0 for e in events)


def classic(data: Dataset, seeds: int, plain_steps: int) -> None:
    ids = {symbol: k for k, symbol in enumerate(data.vocab.symbols, start=1)}
    splits = {name: windows(data.lines(name).split(), ids) for name in ("train", "val")}
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plain-steps", type=int, default=200_000)
    parser.add_argument("--only", choices=["classic", "default"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{names_file().name}, one thread, val in nats per symbol: mean (lowest to highest)")
    if asked.only != "default":
        classic(names(LESSON), asked.seeds, asked.plain_steps)
    if asked.only != "classic":
        default(names(LESSON), asked.seeds, "line")
        default(names(LEAK_FREE), asked.seeds, "string")


if __name__ == "__main__":
    main()
