"""What a GPU gives: the suite's GPU tests, then steps and rows per second against the CPU.

python benchmarks/gpu.py [--steps 256]

Where torch sees no CUDA device it says so in one line and is done. A measurement that fails says
why in its cell; then, or where a test fails, the exit code is 1.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nplm.config import DatasetConfig, PresetName, RunConfig
from nplm.counts.tables import table_of
from nplm.errors import NplmError
from nplm.presets import PRESETS, override
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import MAX_ROWS, StepModel
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from nplm.training.captured import DeviceStep, draws_on_device, make_device_sampler
from nplm.training.network import NeuralLM
from nplm.training.optimizer import learning_rate, make_optimizer
from nplm.training.recipe import Recipe
from places import ROOT
from sections import print_table

WARM_UP = 64  # steps; on a GPU the graph is captured in the first of them
ORDER = 5  # of n-grams: choosing one takes longer than all else here
CALLS = 50  # of a model file
NOTHING = "-"  # where there is nothing to measure


def names() -> Dataset:
    path = ROOT / "data" / "names.txt"
    return dataset.build(sources.read_source(path.read_bytes(), path.name), DatasetConfig())


def plan(name: PresetName) -> RunConfig:
    """A preset's settings, with its n-gram's order given and no evaluation before the end."""
    steps = PRESETS[name].train.steps
    return override(PRESETS[name], {"order": ORDER, "eval_every": steps}, "")


def trained(config: RunConfig, data: Dataset, device: str, steps: int) -> float:
    """Steps per second of the trainer: on a GPU it replays a captured step."""
    recipe = Recipe(config, table_of(data, "train", config.block_size), None, device)
    until = WARM_UP
    for _ in recipe.run(lambda: recipe.step >= until):
        pass
    seconds, step, until = recipe.train_seconds, recipe.step, until + steps
    for _ in recipe.run(lambda: recipe.step >= until):
        pass
    return (recipe.step - step) / (recipe.train_seconds - seconds)


def eager(config: RunConfig, data: Dataset, device: str, steps: int) -> float:
    """Steps per second of the step that would be captured, its kernels launched one by one."""
    networks = [
        NeuralLM(config.model, len(data.vocab)).to(device) for _ in range(config.mixture.networks)
    ]
    optimizer = make_optimizer(config.train, [p for n in networks for p in n.parameters()])
    # Smoothed targets are made once and cost a step nothing: without them it is as fast.
    table = table_of(data, "train", config.model.block_size)
    sampler = make_device_sampler(config.train, table, None, torch.device(device))
    step = DeviceStep(networks, sampler, optimizer)
    started = 0.0
    for k in range(WARM_UP + steps):
        if k == WARM_UP:
            float(step.loss)  # waits for the device
            started = time.perf_counter()
        step.aim(k, learning_rate(config.train, k))
        step.run()
    float(step.loss)
    return steps / (time.perf_counter() - started)


def cell(measure: Callable[[], float], failures: list[str]) -> str:
    """A rate as text, or why there is none."""
    try:
        return f"{measure():,.0f}"
    except (NplmError, RuntimeError, ImportError) as error:
        failures.append(str(error).partition("\n")[0])
        return f"failed: {failures[-1]}"


def step_rows(data: Dataset, device: str, steps: int, failures: list[str]) -> list[list[str]]:
    """A row for each preset: captured, eager, on the CPU."""
    rows = []
    for name in PRESETS:
        config = plan(name)
        row = [name, NOTHING, NOTHING, NOTHING]
        if config.steps and draws_on_device(config.train):
            row[1] = cell(partial(trained, config, data, device, steps), failures)
            row[2] = cell(partial(eager, config, data, device, steps), failures)
        if config.steps:
            row[3] = cell(partial(trained, config, data, "cpu", steps), failures)
        rows.append(row)
    return rows


def rows_per_second(model: StepModel, calls: int = CALLS) -> float:
    """Contexts per second in calls as large as generation and evaluation make them."""
    contexts = np.random.default_rng(0).integers(
        0, model.vocab_size, (MAX_ROWS, model.block_size), dtype=np.int64
    )
    for _ in range(3):
        model(contexts)
    started = time.perf_counter()
    for _ in range(calls):
        model(contexts)
    return calls * MAX_ROWS / (time.perf_counter() - started)


def model_file(data: Dataset) -> bytes:
    """A network of the size of `default`, with random weights, as a model file."""
    from nplm.export.onnxfile import to_onnx
    from nplm.runs.facts import RunFacts
    from nplm.runs.opened import LoadedRun

    config = PRESETS["default"]
    card = ModelCard(data.vocab, config.block_size, data.normalize, data.longest, data.sha256)
    facts = RunFacts(config, card, data.name, "", "cpu", 1, torch.__version__)
    module = NeuralLM(config.model, len(data.vocab)).eval()
    return to_onnx(LoadedRun(Path("default"), facts, module, 1), card)


def provider_rows(data: Dataset, failures: list[str]) -> list[list[str]]:
    """A row for each provider that nplm knows and this onnxruntime has."""
    from nplm.runtime.onnxmodel import PROVIDERS, available_providers, open_bytes

    here = [device for device, name in PROVIDERS.items() if name in available_providers()]
    if "cuda" not in here:
        return [["onnxruntime has no CUDA provider", NOTHING]]
    try:
        content = model_file(data)
    except ImportError as error:
        return [[f"not exported: {error}", NOTHING]]
    rows = []
    for device in here:

        def measure(device: str = device) -> float:
            return rows_per_second(open_bytes(content, "default", device))

        rows.append([f"{device}, {MAX_ROWS:,} rows a call", cell(measure, failures)])
    return rows


def run_tests() -> int:
    """The exit code of the GPU tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", str(ROOT / "tests" / "training")]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=256)
    asked = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(f"no GPU: torch {torch.__version__} sees no CUDA device, so nothing was run")
        return 0
    code, failures = run_tests(), list[str]()
    torch.set_num_threads(1)
    data = names()
    gpu = torch.cuda.get_device_name(0)
    print(f"\n{gpu}, torch {torch.__version__}; steps per second, {asked.steps} steps")
    header = ["preset", "captured", "eager", "CPU, one thread"]
    print_table(header, step_rows(data, "cuda:0", asked.steps, failures))
    print("\ncontexts per second of a model file of the size of `default`")
    print_table(["onnxruntime on", "rows/s"], provider_rows(data, failures))
    return 1 if code or failures else 0


if __name__ == "__main__":
    sys.exit(main())
