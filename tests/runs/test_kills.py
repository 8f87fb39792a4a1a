"""SIGKILL at random moments: every checkpoint is whole, and the end is the uninterrupted run's.

NPLM_KILLS=50 makes it the long one; the run is made long enough to be killed that often.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from nplm.config import RunConfig
from nplm.presets import override
from nplm.runs import run
from nplm.runs.layout import LOSSES
from nplm.runs.metrics import metrics
from nplm.runs.opened import load_run
from nplm.text.dataset import Dataset

KILLS = int(os.environ.get("NPLM_KILLS", "4"))
STEPS_PER_KILL = 1000
# Saving far more often than every two seconds makes most kills fall into a save or just after one.
COMMAND = (
    "from nplm.runs import run; run.SAVE_SECONDS = 0.02\nfrom nplm.cli.main import main; main()"
)


def life(arguments: list[str], lasting: float) -> tuple[bool, int]:
    """Train until killed after `lasting` seconds of training: (finished by itself, from step)."""
    command = [sys.executable, "-c", COMMAND, "train", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert "parameters" in first, first + process.stderr.read()
        time.sleep(lasting)
        killed = process.poll() is None
        process.kill()
    found = re.search(r"from step ([\d,]+)", first)
    return not killed, int(found[1].replace(",", "")) if found else 0


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(
    small: Dataset,
    small_folder: Path,
    tiny_config: RunConfig,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    steps = STEPS_PER_KILL * KILLS
    settings = {"dropout": 0.1, "steps": steps, "eval_every": 500, "patience": 0}
    config = override(tiny_config, settings, "")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    list(run.train(whole, config, small, small_folder))

    lines = [f"{k} = {v!r}".replace("False", "false") for k, v in vars(config.model).items()]
    for part in ("train", "mixture"):
        values = vars(getattr(config, part))
        lines += [
            f"[{part}]",
            *(f"{k} = {v!r}".replace("False", "false") for k, v in values.items()),
        ]
    file = tmp_path / "config.toml"
    file.write_text("\n".join(["[model]", *lines]).replace("'", '"'), encoding="utf-8")
    arguments = [str(small_folder), "--out", str(killed), "--device", "cpu"]
    moments = random.Random(0)
    finished, _ = life([*arguments, "--config", str(file)], moments.uniform(0, 0.6))
    resumed_from = []
    for _ in range(KILLS - 1):
        assert not finished, "the run is too short to be killed this often"
        finished, step = life([*arguments, "--resume"], moments.uniform(0, 0.6))
        resumed_from.append(step)
    assert not finished, "the run is too short to be killed this often"
    rest = list(run.train(killed, config, small, small_folder, resume=True))
    resumed_from.append(rest[0].step)
    after_a_save = sum(step > 0 for step in resumed_from)
    record_property("kills", f"{KILLS}, {after_a_save} resumed from a step above 0")

    assert after_a_save >= 0.8 * KILLS
    assert resumed_from == sorted(resumed_from)  # no save takes a run back
    assert len(set(resumed_from)) > KILLS // 2  # most lives take it further
    assert resumed_from[-1] < steps
    one, two = load_run(whole).module.state_dict(), load_run(killed).module.state_dict()
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    assert (whole / LOSSES).read_bytes() == (killed / LOSSES).read_bytes()
    shown = [(e.step, e.val_nats_per_symbol) for e in metrics(whole)]
    assert [step for step, _ in shown] == list(range(500, steps + 1, 500))
    assert shown == [(e.step, e.val_nats_per_symbol) for e in metrics(killed)]
