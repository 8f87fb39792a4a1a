"""Runs whose files are signed anew but hold something else: refused before torch works on them."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nplm.config import RunConfig
from nplm.errors import DamagedError
from nplm.presets import override, preset
from nplm.runs.checkpoint import hashes_of_facts
from nplm.runs.header import is_finished, numbers_of, read_header, step_of
from nplm.runs.layout import BEST, LAST, LOSSES, METRICS, NGRAM
from nplm.runs.metrics import batch_losses, metrics
from nplm.runs.opened import load_run
from nplm.runs.run import train
from nplm.runs.tensorfile import read_tensors, write_tensors
from nplm.text.dataset import Dataset
from nplm.training.sparsengram import NAMES

COMPAT = Path(__file__).parents[1] / "compat" / "0.1.0" / "checkpoints"


@dataclass
class Content:
    """Of a file of tensors."""

    numbers: dict[str, float]
    tensors: dict[str, Tensor]


Change = Callable[[Content], object]


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


def rewrite(path: Path, change: Change) -> None:
    """Change a file of tensors and sign it anew."""
    hashes = hashes_of_facts(path.parent)
    header, tensors = read_tensors(path, hashes)
    texts = {key: text for key, text in header.items() if "sha256" not in key and key != "format"}
    numbers = {key: float(text) if "." in text else int(text) for key, text in texts.items()}
    content = Content(numbers, tensors)
    change(content)
    write_tensors(path, content.numbers, hashes, content.tensors)


def resume(folder: Path, config: RunConfig, data: Dataset) -> None:
    list(train(folder, config, data, folder.parent, resume=True))


CHANGES: dict[str, Change] = {
    "a step beyond the last": lambda f: f.numbers.update(step=61),
    "a negative step": lambda f: f.numbers.update(step=-1),
    "half a step": lambda f: f.numbers.update(step=1.5),
    "no step": lambda f: f.numbers.pop("step"),
    "a best step beyond its step": lambda f: f.numbers.update(best_step=61),
    "no time": lambda f: f.numbers.update(train_seconds=math.nan),
    "a best loss that is none": lambda f: f.numbers.update(best_nats=math.nan),
    "no weights": lambda f: f.tensors.pop("weights.embedding.weight"),
    "a foreign tensor": lambda f: f.tensors.update(other=torch.zeros(1)),
    "moments of another shape": lambda f: f.tensors.update({"optimizer.0.exp_avg": torch.zeros(1)}),
    "moments of another type": lambda f: f.tensors.update(
        {"optimizer.0.exp_avg": f.tensors["optimizer.0.exp_avg"].double()}
    ),
    "moments of no parameter": lambda f: f.tensors.update({"optimizer.99.step": torch.zeros(())}),
    "no moments": lambda f: [f.tensors.pop(k) for k in [*f.tensors] if k.startswith("optimizer.")],
    "no random state": lambda f: f.tensors.pop("rng.cpu"),
    "a short random state": lambda f: f.tensors.update({"rng.cpu": f.tensors["rng.cpu"][:-1]}),
    "another random state": lambda f: f.tensors["rng.cpu"].fill_(255),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_that_does_not_fit_is_not_gone_on_with(
    folder: Path, tiny_config: RunConfig, small: Dataset, change: str
) -> None:
    rewrite(folder / LAST, CHANGES[change])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(DamagedError, match=LAST):
        resume(folder, tiny_config, small)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_state_that_fits_is(folder: Path, tiny_config: RunConfig, small: Dataset) -> None:
    rewrite(folder / LAST, lambda f: f.numbers.update(train_seconds=7.0))
    resume(folder, tiny_config, small)
    assert is_finished(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.numbers.update(step=-1),
        lambda f: f.tensors.pop("embedding.weight"),
        lambda f: f.tensors.update(other=torch.zeros(1)),
        lambda f: f.tensors.update({"embedding.weight": f.tensors["embedding.weight"][:-1]}),
        lambda f: f.tensors.update({"embedding.weight": f.tensors["embedding.weight"].half()}),
    ],
)
def test_weights_that_do_not_fit_are_not_opened(folder: Path, change: Change) -> None:
    rewrite(folder / BEST, change)
    with pytest.raises(DamagedError, match=BEST):
        load_run(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.tensors.pop("rows"),
        lambda f: f.tensors.update(rows=f.tensors["rows"][:5]),
        lambda f: f.tensors.update(rows=f.tensors["rows"].double()),
        lambda f: f.tensors.update(rows=f.tensors["rows"].flatten()),
        lambda f: f.tensors.update(transitions=torch.tensor(3, dtype=torch.int32)),
        lambda f: f.tensors.update(transitions=f.tensors["transitions"][:-1]),
        lambda f: f.tensors.update(transitions=f.tensors["transitions"].new_zeros(0)),
        lambda f: f.tensors["transitions"].fill_(-1),
        lambda f: f.tensors["transitions"].fill_(len(f.tensors["rows"])),
    ],
)
def test_tables_that_a_look_up_would_leave_are_not_opened(tmp_path: Path, change: Change) -> None:
    folder = Path(shutil.copytree(COMPAT / "ngram", tmp_path / "ngram"))
    load_run(folder)
    rewrite(folder / NGRAM, change)
    with pytest.raises(DamagedError, match=NGRAM):
        load_run(folder)


def _set(name: str, place: int, value: int) -> Change:
    """A table with another number at a place."""

    def change(content: Content) -> None:
        content.tensors[name][place] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.tensors.pop("gains"),
        *(lambda f, name=name: f.tensors.update({name: f.tensors[name][:-1]}) for name in NAMES),
        lambda f: f.tensors.update(left=f.tensors["left"].half()),
        lambda f: f.tensors.update(symbols=f.tensors["symbols"].long()),
        lambda f: f.tensors.update(longer=f.tensors["longer"].new_zeros(0)),
        *(_set(name, 3, -1) for name in ("longer", "symbols", "offsets", "targets")),
        *(_set(name, -1, 10**9) for name in ("longer", "symbols", "offsets", "targets")),
        _set("longer", 1, 2),
    ],
)
def test_sparse_tables_that_a_look_up_would_leave_are_not_opened(
    tmp_path: Path, small: Dataset, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr("nplm.training.ngrammodule.MAX_DENSE_BYTES", 0)
    config = override(preset("ngram"), {"order": 4}, "")
    folder = tmp_path / "run"
    list(train(folder, config, small, tmp_path))
    assert load_run(folder).kind == "n-gram"
    rewrite(folder / NGRAM, change)
    with pytest.raises(DamagedError, match=NGRAM):
        load_run(folder)


def test_a_damaged_line_of_the_log_stops_no_run(
    folder: Path, tiny_config: RunConfig, small: Dataset
) -> None:
    """Nothing is computed from it: it is left out. What draws the log names it."""
    whole = (folder / METRICS).read_bytes().splitlines(keepends=True)
    for bad in (b"\0" * 9, b"{", b"[]", b'{"step": "x"}', b"[" * 50_000):
        (folder / METRICS).write_bytes(b"".join([whole[0], bad + b"\n", *whole[1:]]))
        with pytest.raises(DamagedError, match=rf"{METRICS}, line 2,.*--resume"):
            metrics(folder)
        resume(folder, tiny_config, small)
        assert (folder / METRICS).read_bytes() == b"".join(whole)


def test_batch_losses_that_are_lost_leave_the_others_at_their_steps(
    folder: Path, tiny_config: RunConfig, small: Dataset
) -> None:
    whole = batch_losses(folder)
    for content in (b"", whole.tobytes()[:41]):
        (folder / LOSSES).write_bytes(content)
        resume(folder, tiny_config, small)
        found, kept = batch_losses(folder), len(content) // 4
        np.testing.assert_array_equal(found[:kept], whole[:kept])
        assert (len(found), np.isnan(found[kept:]).all()) == (60, True)
    (folder / LOSSES).unlink()
    resume(folder, tiny_config, small)
    assert len(batch_losses(folder)) == 60


@pytest.mark.parametrize(
    "header",
    [
        {"__metadata__": {"step": None}},
        {"__metadata__": {"step": "6" * 5000}},
        {"__metadata__": {"step": "-1"}},
        {"__metadata__": {}},
        {"__metadata__": []},
        {"a": {}},
        [],
    ],
)
def test_a_header_that_says_no_step(tmp_path: Path, header: object) -> None:
    text = json.dumps(header).encode()
    (tmp_path / LAST).write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(DamagedError, match=f"{LAST}.* is damaged"):
        step_of(tmp_path / LAST)


def test_a_header_without_an_end_is_not_read_beyond_its_limit(tmp_path: Path) -> None:
    with (tmp_path / LAST).open("wb") as file:
        file.write(b"\xff" * 8)
        file.truncate(1 << 31)
    with pytest.raises(DamagedError, match="its header is not valid JSON"):
        read_header(tmp_path / LAST)


def test_numbers_of_metadata() -> None:
    record = numbers_of(Path("f"), {"step": "60", "x": "1e-05", "format": "1", "hash": "ab"})
    assert (record.integer("step"), record.number("x"), record.text("hash")) == (60, 1e-05, "ab")
