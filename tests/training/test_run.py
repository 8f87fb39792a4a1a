"""Runs in a folder: kept whole, resumed bit for bit, refused when they would lose something."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nplm.config import RunConfig, override
from nplm.corpus.dataset import Dataset
from nplm.errors import DataError, DivergedError
from nplm.training import run
from nplm.training.checkpoint import (
    BEST,
    CONFIG,
    LAST,
    LOSSES,
    METRICS,
    VOCAB,
    is_finished,
    load_run,
    locked,
    metrics,
    read_facts,
)


def train(folder: Path, config: RunConfig, small: Dataset, **options: object) -> list[object]:
    return list(run.train(folder, config, small, folder.parent / "data", **options))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_run(folder).network.state_dict()


def stop_after(calls: int):
    """A stop function that says so when it has been asked `calls` times."""
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def test_a_finished_run_is_complete(run_folder: Path, tiny_config: RunConfig) -> None:
    assert {p.name for p in run_folder.iterdir()} >= {CONFIG, VOCAB, BEST, LAST, METRICS, LOSSES}
    assert read_facts(run_folder).config == tiny_config
    assert is_finished(run_folder)
    assert [e.step for e in metrics(run_folder)] == [20, 40, 60]
    assert np.fromfile(run_folder / LOSSES, np.float32).size == 60


def test_resume_equals_the_uninterrupted_run(
    run_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    train(folder, tiny_config, small, stop=stop_after(30))
    assert not is_finished(folder)
    train(folder, tiny_config, small, resume=True)
    one, two = weights(run_folder), weights(folder)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert (folder / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()
    assert [e.step for e in metrics(folder)] == [20, 40, 60]


def test_logs_that_ran_ahead_are_cut_back(
    run_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    train(folder, tiny_config, small, stop=stop_after(30))
    with (folder / LOSSES).open("ab") as file:
        file.write(b"\0" * 22)
    with (folder / METRICS).open("ab") as file:
        file.write((run_folder / METRICS).read_bytes().splitlines(keepends=True)[-1] + b'{"st')
    train(folder, tiny_config, small, resume=True)
    assert (folder / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()
    assert [e.step for e in metrics(folder)] == [20, 40, 60]


def test_a_run_is_not_overwritten(run_folder: Path, tiny_config: RunConfig, small: Dataset) -> None:
    before = (run_folder / LAST).read_bytes()
    with pytest.raises(DataError, match="--force"):
        train(run_folder, tiny_config, small)
    assert (run_folder / LAST).read_bytes() == before


def test_force_starts_anew(
    run_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    other = override(tiny_config, {"hidden_size": 8, "steps": 10}, "")
    train(folder, other, small, force=True)
    assert load_run(folder).facts.config == other
    assert [e.step for e in metrics(folder)] == [10]


def test_resume_refuses_other_settings_and_other_data(
    run_folder: Path, tiny_config: RunConfig, small: Dataset
) -> None:
    other = override(tiny_config, {"hidden_size": 99}, "")
    with pytest.raises(DataError, match="hidden_size 16, not 99"):
        train(run_folder, other, small, resume=True)
    with pytest.raises(DataError, match="another data set"):
        train(run_folder, tiny_config, replace(small, sha256="0"), resume=True)


def test_a_run_in_use_is_refused(run_folder: Path, tiny_config: RunConfig, small: Dataset) -> None:
    with locked(run_folder), pytest.raises(DataError, match="in use by another process"):
        train(run_folder, tiny_config, small, resume=True)


@pytest.mark.parametrize("name", [BEST, LAST])
def test_one_flipped_byte_is_found(
    run_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path, name: str
) -> None:
    content = (run_folder / name).read_bytes()
    for place in [3, 20, 200, len(content) // 2, len(content) - 1]:
        folder = tmp_path / str(place)
        shutil.copytree(run_folder, folder)
        damaged = bytearray(content)
        damaged[place] ^= 4
        (folder / name).write_bytes(damaged)
        with pytest.raises(DataError, match=name):
            load_run(folder) if name == BEST else train(folder, tiny_config, small, resume=True)


def test_a_changed_vocabulary_is_found(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    text = (folder / VOCAB).read_text(encoding="utf-8")
    (folder / VOCAB).write_text(text.replace('"a"', '"A"'), encoding="utf-8")
    with pytest.raises(DataError, match=r"vocab\.json is not the one"):
        load_run(folder)


def test_a_full_disk_leaves_the_old_checkpoint(
    run_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path, monkeypatch
) -> None:
    folder = tmp_path / "run"
    train(folder, tiny_config, small, stop=stop_after(30))
    before = (folder / LAST).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        train(folder, tiny_config, small, resume=True)
    monkeypatch.undo()
    assert (folder / LAST).read_bytes() == before
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))
    train(folder, tiny_config, small, resume=True)
    one, two = weights(run_folder), weights(folder)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_divergence_keeps_the_best(tiny_config: RunConfig, small: Dataset, tmp_path: Path) -> None:
    config = override(tiny_config, {"optimizer": "sgd", "learning_rate": 1e38}, "")
    with pytest.raises(DivergedError):
        train(tmp_path / "run", config, small)
    network = load_run(tmp_path / "run").network
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())


def test_a_missing_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nplm train"):
        load_run(tmp_path)


def test_every_save_can_be_gone_on_from(
    tiny_config: RunConfig, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one right at a step that is evaluated: nothing is lost or done twice."""
    monkeypatch.setattr(run, "SAVE_SECONDS", 0.0)
    folder = tmp_path / "run"
    copies = []
    for event in run.train(folder, tiny_config, small, tmp_path / "data"):
        if isinstance(event, run.Saved) and event.step % 20 in {0, 1, 19}:
            copies.append(tmp_path / f"{len(copies)} at {event.step}")
            shutil.copytree(folder, copies[-1])
    assert len(copies) >= 6
    shown = [(e.step, e.val_nats_per_symbol) for e in metrics(folder)]
    for copy in copies:
        train(copy, tiny_config, small, resume=True)
        assert [(e.step, e.val_nats_per_symbol) for e in metrics(copy)] == shown
        one, two = weights(folder), weights(copy)
        assert all(torch.equal(one[name], two[name]) for name in one)
