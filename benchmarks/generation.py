"""Generating and scoring from a model file against plain loops, in one run.

    python benchmarks/generation.py [--names 1000000] [--deep]

Whole processes are timed from outside; the plain loops are timed on fewer names, per name.
`--deep` adds the model of block size 8, embedding 24, hidden 256 and one residual layer.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import nplm
from common import names
from nplm.config import RunConfig
from nplm.counts.evaluate import evaluate
from nplm.counts.tables import table_of
from nplm.export.onnxfile import export
from nplm.presets import override, preset
from nplm.runs import run
from nplm.runs.opened import load_run
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.stepmodel import all_logits, log_softmax
from nplm.text import datafolder
from nplm.training.network import NeuralLM

PLAIN_NAMES = 3000
BATCHED_NAMES = 20_000


def plain_torch(network: NeuralLM, symbols: tuple[str, ...]) -> float:
    """The lesson's loop, one name after the other: names per second."""
    generator = torch.Generator().manual_seed(0)
    started = time.perf_counter()
    with torch.no_grad():
        for _ in range(PLAIN_NAMES):
            context, text = [0] * network.config.block_size, []
            while True:
                probabilities = F.softmax(network(torch.tensor([context])), dim=1)
                k = int(torch.multinomial(probabilities, 1, generator=generator).item())
                if k == 0:
                    break
                context = [*context[1:], k]
                text.append(symbols[k - 1])
            "".join(text)
    return PLAIN_NAMES / (time.perf_counter() - started)


def plain_batched(model: OnnxModel) -> float:
    """A batched onnxruntime loop without any memory of contexts: names per second."""
    generator = np.random.default_rng(0)
    symbols = ("", *model.card.vocab.symbols)
    started = time.perf_counter()
    for _ in range(BATCHED_NAMES // 1000):
        contexts = np.zeros((1000, model.block_size), np.int64)
        texts = [""] * 1000
        alive = np.arange(1000)
        while len(alive):
            logits = model(contexts[alive]).astype(np.float64)
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            cdf = np.cumsum(p, axis=1)
            drawn = (cdf > generator.random((len(alive), 1)) * cdf[:, -1:]).argmax(axis=1)
            contexts[alive] = np.column_stack([contexts[alive, 1:], drawn])
            for row, k in zip(alive.tolist(), drawn.tolist(), strict=True):
                texts[row] += symbols[k]
            alive = alive[drawn > 0]
    return BATCHED_NAMES / (time.perf_counter() - started)


def whole_process(file: Path, count: int) -> float:
    """Seconds of `nplm generate -n COUNT --out FILE`, the whole process."""
    out = file.with_suffix(".txt")
    main = "from nplm.cli.main import main; main()"
    command = [sys.executable, "-c", main, "generate", str(file), "-n", str(count)]
    started = time.perf_counter()
    subprocess.run([*command, "--out", str(out), "--force"], check=True)
    return time.perf_counter() - started


def model_of(config: RunConfig, scratch: Path) -> tuple[Path, NeuralLM]:
    """A trained and exported model."""
    data, file = names(), scratch / f"{config.preset}.onnx"
    datafolder.save(data, scratch / "data")
    list(run.train(scratch / config.preset, config, data, scratch / "data", force=True))
    opened = load_run(scratch / config.preset)
    export(opened, data, file, force=True)
    assert isinstance(opened.module, NeuralLM)
    return file, opened.module


def generating(file: Path, network: NeuralLM, counts: list[int]) -> None:
    plain = plain_torch(network, open_model(file).card.vocab.symbols)
    batched = plain_batched(open_model(file))
    print(f"plain torch loop: {plain:,.0f} names/s; plain batched onnxruntime: {batched:,.0f}")
    for count in counts:
        seconds = whole_process(file, count)
        print(f"nplm generate -n {count:,}, whole process: {seconds:.2f} s, ", end="")
        print(
            f"{count / seconds:,.0f} names/s, {count / seconds / plain:,.0f} times plain torch, ",
            end="",
        )
        print(f"{count / seconds / batched:,.0f} times plain onnxruntime")


def cold_and_warm(file: Path, count: int) -> None:
    model = nplm.load(file)
    for temper in ("cold", "warm"):
        started = time.perf_counter()
        for _ in model.sample_arrays(count, max_length=30, cut=True):
            pass
        seconds = time.perf_counter() - started
        print(f"{temper}: {count:,} names, {count / seconds:,.0f}/s")


def scoring(file: Path) -> None:
    data, model = names(), nplm.load(file)
    strings = [line for split in ("train", "val", "test") for line in data.texts(split)]
    model.score_arrays(strings)
    started = time.perf_counter()
    model.score_arrays(strings)
    seconds = time.perf_counter() - started
    print(f"score, warm: {len(strings) / seconds:,.0f} strings/s")
    raw = open_model(file)
    exact = evaluate(raw, table_of(data, "val", raw.block_size)).total
    total = model.score_arrays(data.texts("val")).nats.sum()
    print(f"score against eval of the file: {abs(total / exact - 1):.1e} relative")


def mixture(scratch: Path) -> None:
    """The `best` preset: parity on val, and a million names from a cold start."""
    data = names()
    run_folder, file = scratch / "best", scratch / "best.onnx"
    datafolder.save(data, scratch / "data")
    list(run.train(run_folder, preset("best"), data, scratch / "data", force=True))
    opened = load_run(run_folder)
    export(opened, data, file, force=True)
    contexts = table_of(data, "val", opened.card.block_size).contexts
    logs = [log_softmax(all_logits(model, contexts)) for model in (opened.model, open_model(file))]
    print(f"best: {file.stat().st_size / 1e6:.1f} MB; {len(contexts):,} val contexts, torch and")
    print(f"onnxruntime within {np.abs(logs[0] - logs[1]).max():.1e} in log-probability")
    for count in (1_000_000, 2_000_000):
        seconds = whole_process(file, count)
        print(f"nplm generate -n {count:,}: {seconds:.2f} s, {count / seconds:,.0f} names/s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--deep", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        file, network = model_of(preset("classic"), Path(scratch))
        print("classic (block size 3)")
        generating(file, network, [asked.names, 10 * asked.names])
        cold_and_warm(file, asked.names)
        scoring(file)
        if asked.deep:
            settings = {"block_size": 8, "steps": 1500}
            file, network = model_of(override(preset("default"), settings, ""), Path(scratch))
            print("block size 8, embedding 24, hidden 256, one residual layer")
            generating(file, network, [asked.names])
            cold_and_warm(file, asked.names)
            mixture(Path(scratch))


if __name__ == "__main__":
    main()
