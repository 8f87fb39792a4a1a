"""Generating and scoring from a model file, against plain loops, in one run.

python benchmarks/generation.py [--names 1000000] [--many 10000000] [--models FOLDER]
    [--only classic default best]

Whole processes are timed from outside; the plain loops are timed on fewer names, per name.
"""

import argparse
import tempfile
import time
from pathlib import Path

from models import Models
from places import ROOT, names_file
from processes import Side
from sections import print_table, section

PLAIN_NAMES = 2000
BATCHED_NAMES = 20_000
PRESETS = ["classic", "default", "best"]
Cells = dict[str, str]


def whole_process(models: Models, preset: str, count: int) -> tuple[Cells, float]:
    """`nplm generate` of a model it has not walked yet; and its names per second."""
    command = ["generate", str(models.file(preset)), "-n", str(count)]
    usage = models.side.nplm(*command, "--out", "generated.txt", "--force")
    label = f"`nplm generate -n {count}`, whole process"
    rate = count / usage.seconds
    cells = {
        f"{label}, seconds": f"{usage.seconds:.2f}",
        f"{label}, names/s": f"{rate:,.0f}",
        f"{label}, peak memory, MB": f"{usage.peak_mb:,.0f}",
    }
    return cells, rate


def plain_loops(models: Models, preset: str, rate: float) -> Cells:
    """The loops, and how many times as fast `rate` names a second are."""
    import torch

    from nplm.runs.opened import load_run
    from nplm.runtime.onnxmodel import open_model
    from plain import generate, generate_in_batches

    torch.set_num_threads(1)
    opened = load_run(models.run(preset))
    card = opened.card
    started = time.perf_counter()
    generate(opened.module, card.block_size, card.vocab.symbols, PLAIN_NAMES)
    plain = PLAIN_NAMES / (time.perf_counter() - started)
    model = open_model(models.file(preset))
    started = time.perf_counter()
    generate_in_batches(model, model.block_size, card.vocab.symbols, BATCHED_NAMES)
    batched = BATCHED_NAMES / (time.perf_counter() - started)
    return {
        "plain torch loop, one name after the other, names/s": f"{plain:,.0f}",
        "plain batched onnxruntime loop, names/s": f"{batched:,.0f}",
        "`nplm generate` against plain torch": f"{rate / plain:,.0f} times",
        "`nplm generate` against plain batched onnxruntime": f"{rate / batched:,.0f} times",
    }


def walks(file: Path, count: int) -> Cells:
    """The walk alone, without a process around it: first over a model not yet walked."""
    import nplm

    model, cells = nplm.load(file), Cells()
    for temper in ("cold", "warm"):
        started = time.perf_counter()
        for _ in model.sample_arrays(count, max_length=30, cut=True):
            pass
        rate = count / (time.perf_counter() - started)
        cells[f"walk alone, {count:,} names, {temper}, names/s"] = f"{rate:,.0f}"
    return cells


def scores(models: Models, preset: str) -> Cells:
    """Scoring the whole list, warm; and how near its sum is to an exact evaluation."""
    import nplm
    from nplm.counts.evaluate import evaluate
    from nplm.counts.tables import table_of
    from nplm.runtime.onnxmodel import open_model
    from nplm.text.datafolder import load

    data, file = load(models.data), models.file(preset)
    model, raw = nplm.load(file), open_model(file)
    strings = names_file().read_text("utf-8").splitlines()
    model.score_arrays(strings)
    started = time.perf_counter()
    model.score_arrays(strings)
    rate = len(strings) / (time.perf_counter() - started)
    exact = evaluate(raw, table_of(data, "val", raw.block_size)).total
    total = model.score_arrays(data.texts("val")).nats.sum()
    difference = abs(total / exact - 1)
    return {
        f"scoring {len(strings):,} names, warm, names/s": f"{rate:,.0f}",
        "their val split: sum of scores against `nplm eval`, relative": f"{difference:.1e}",
    }


def parity(models: Models, preset: str) -> Cells:
    """Torch against onnxruntime on every context of val."""
    import numpy as np

    from nplm.counts.tables import table_of
    from nplm.runs.opened import load_run
    from nplm.runtime.onnxmodel import open_model
    from nplm.stepmodel import all_logits, log_softmax
    from nplm.text.datafolder import load

    opened, file = load_run(models.run(preset)), models.file(preset)
    contexts = table_of(load(models.data), "val", opened.card.block_size).contexts
    logs = [log_softmax(all_logits(model, contexts)) for model in (opened.model, open_model(file))]
    difference = np.abs(logs[0] - logs[1]).max()
    return {
        "model file, MB": f"{file.stat().st_size / 1e6:.2f}",
        "contexts of val": f"{len(contexts):,}",
        "torch against onnxruntime there, log-probability": f"{difference:.1e}",
    }


def columns(models: Models, asked: argparse.Namespace) -> list[Cells]:
    """All figures of each model.

    Whole processes come first: whoever starts one must not hold torch, see `processes`.
    """
    timed = [whole_process(models, preset, asked.names) for preset in asked.only]
    if "classic" in asked.only:
        timed[asked.only.index("classic")][0].update(
            whole_process(models, "classic", asked.many)[0]
        )
    return [
        {
            **parity(models, preset),
            **cells,
            **plain_loops(models, preset, rate),
            **walks(models.file(preset), asked.names),
            **scores(models, preset),
        }
        for preset, (cells, rate) in zip(asked.only, timed, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--many", type=int, default=10_000_000, help="names of classic")
    parser.add_argument("--only", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--models", type=Path)
    asked = parser.parse_args()
    with section("Generating and scoring", "python benchmarks/generation.py"):
        with tempfile.TemporaryDirectory() as scratch:
            cells = columns(Models.of(asked.models, Side(ROOT / "src", Path(scratch))), asked)
        labels = list(dict.fromkeys(label for column in cells for label in column))
        header = ["", *(f"`{preset}`" for preset in asked.only)]
        print_table(header, ([label, *(c.get(label, "") for c in cells)] for label in labels))


if __name__ == "__main__":
    main()
