"""Runs in a folder: kept whole, resumed bit for bit, refused when they would lose something."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from nplm.config import DatasetConfig, RunConfig
from nplm.counts.evaluate import evaluate
from nplm.counts.ngram import best_order
from nplm.counts.tables import table_of
from nplm.errors import DamagedError, DataError, DivergedError
from nplm.presets import override, preset
from nplm.runs import checkpoint, run
from nplm.runs.checkpoint import locked
from nplm.runs.facts import read_facts
from nplm.runs.header import is_finished, read_header, step_of
from nplm.runs.layout import BEST, CONFIG, LAST, LOSSES, METRICS, NGRAM, VOCAB
from nplm.runs.metrics import metrics
from nplm.runs.opened import load_run
from nplm.runs.order import settle_order
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from nplm.training.events import Stepped


def train(folder: Path, config: RunConfig, small: Dataset, **options: object) -> list[object]:
    return list(run.train(folder, config, small, folder.parent / "data", **options))


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_run(folder).module.state_dict()


def assert_same_weights(a: Path, b: Path) -> None:
    one, two = weights(a), weights(b)
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def steps_of(events: list[object]) -> list[int]:
    """The step a run starts after, then every one that it takes: none twice, none again."""
    return [event.step for event in events if isinstance(event, run.Started | Stepped)]


def stop_after(calls: int):
    """A stop function that says so when it has been asked `calls` times."""
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def test_a_finished_run_is_complete(run_folder: Path, tiny_config: RunConfig) -> None:
    names = {path.name for path in run_folder.iterdir()} - {".lock"}
    assert names == {CONFIG, VOCAB, BEST, LAST, METRICS, LOSSES}
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
    assert steps_of(train(folder, tiny_config, small, resume=True)) == [30, *range(31, 61)]
    assert_same_weights(run_folder, folder)
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
    assert steps_of(train(folder, tiny_config, small, resume=True))[0] == 30
    assert (folder / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()
    assert [e.step for e in metrics(folder)] == [20, 40, 60]


def test_a_run_is_not_overwritten(run_folder: Path, tiny_config: RunConfig, small: Dataset) -> None:
    before = (run_folder / LAST).read_bytes()
    with pytest.raises(DataError, match="`force=True`"):
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
    before, names = (folder / LAST).read_bytes(), inside(folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        train(folder, tiny_config, small, resume=True)
    monkeypatch.undo()
    assert (folder / LAST).read_bytes() == before
    assert inside(folder) == names
    assert steps_of(train(folder, tiny_config, small, resume=True))[0] == 30
    assert_same_weights(run_folder, folder)


def test_no_write_leaves_a_state_whose_best_weights_are_not_there(
    tiny_config: RunConfig, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the process killed after any of them; what is ahead of the state is found again."""
    folder, real, seen = tmp_path / "run", checkpoint.write_tensors, []

    def write_and_look(*arguments: Any) -> None:
        real(*arguments)
        if (folder / LAST).exists():
            best = int(read_header(folder / LAST)["best_step"])
            seen.append(best)
            assert not best or step_of(folder / BEST) >= best

    monkeypatch.setattr(checkpoint, "write_tensors", write_and_look)
    monkeypatch.setattr(run, "SAVE_SECONDS", 0.0)
    train(folder, tiny_config, small)
    assert {20, 40, 60} <= set(seen)


def test_weights_without_their_hash_are_refused(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    metadata = read_header(folder / BEST)
    del metadata["sha256"]
    tensors = safetensors.torch.load_file(folder / BEST)
    safetensors.torch.save_file(tensors, folder / BEST, metadata)
    with pytest.raises(DamagedError, match="does not match its hash"):
        load_run(folder)


@pytest.mark.parametrize("line", [b"{", b"[1]", b"\xff", b'{"step": "x"}', b"[" * 100_000])
def test_a_damaged_line_of_the_log_is_not_worth_the_run(
    run_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path, line: bytes
) -> None:
    folder = tmp_path / "run"
    train(folder, tiny_config, small, stop=stop_after(30))
    logged = (folder / METRICS).read_bytes()
    (folder / METRICS).write_bytes(line + b"\n" + logged)
    train(folder, tiny_config, small, resume=True)
    assert [e.step for e in metrics(folder)] == [20, 40, 60]
    assert_same_weights(run_folder, folder)


def test_divergence_keeps_the_best(tiny_config: RunConfig, small: Dataset, tmp_path: Path) -> None:
    values = {"optimizer": "sgd", "learning_rate": 300, "activation": "relu", "eval_every": 1}
    config = override(tiny_config, values, "")
    with pytest.raises(DivergedError):
        train(tmp_path / "run", config, small)
    opened = load_run(tmp_path / "run")
    vals = {e.step: e.val_nats_per_symbol for e in metrics(tmp_path / "run")}
    assert evaluate(opened.model, table_of(small, "val", 3)).per_symbol == min(vals.values())
    assert vals[opened.best_step] == min(vals.values())


def test_a_missing_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nplm train"):
        load_run(tmp_path)


def test_every_save_can_be_gone_on_from(
    tiny_config: RunConfig, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one right at a step that is evaluated: nothing is lost or done twice."""
    monkeypatch.setattr(run, "SAVE_SECONDS", 0.0)
    folder = tmp_path / "run"
    copies: dict[Path, int] = {}
    for event in run.train(folder, tiny_config, small, tmp_path / "data"):
        if isinstance(event, run.Saved) and event.step % 20 in {0, 1, 19}:
            copy = tmp_path / f"{len(copies)} at {event.step}"
            shutil.copytree(folder, copy)
            copies[copy] = event.step
    # The last is saved twice: when its time has come, and at the end.
    assert list(copies.values()) == [1, 19, 20, 21, 39, 40, 41, 59, 60, 60]
    shown = [(e.step, e.val_nats_per_symbol) for e in metrics(folder)]
    for copy, step in copies.items():
        assert steps_of(train(copy, tiny_config, small, resume=True))[0] == step
        assert [(e.step, e.val_nats_per_symbol) for e in metrics(copy)] == shown
        assert_same_weights(folder, copy)


@pytest.fixture(scope="module")
def ngram_folder(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the preset `ngram`."""
    folder = tmp_path_factory.mktemp("ngrams") / "run"
    train(folder, preset("ngram"), small)
    return folder


@pytest.fixture(scope="module")
def mixed_config(tiny_config: RunConfig) -> RunConfig:
    """Two tiny networks and an n-gram that sees further back than they do."""
    values = {"networks": 2, "ngram": True, "order": 5, "dropout": 0.3}
    return override(tiny_config, values, "")


@pytest.fixture(scope="module")
def mixed_folder(
    mixed_config: RunConfig, small: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("mixed") / "run"
    train(folder, mixed_config, small)
    return folder


def assert_same_tables(a: Path, b: Path) -> None:
    modules = (load_run(folder).module for folder in (a, b))
    one, two = (getattr(module, "ngram", module) for module in modules)
    assert torch.equal(one.rows, two.rows)
    assert torch.equal(one.transitions, two.transitions)


def test_an_n_gram_is_a_finished_run_of_no_steps(ngram_folder: Path, small: Dataset) -> None:
    order = best_order(table_of(small, "train", 7), table_of(small, "val", 7))
    facts = read_facts(ngram_folder)
    assert is_finished(ngram_folder)
    assert facts.config.mixture.order == order
    assert facts.card.block_size == order - 1
    assert (ngram_folder / NGRAM).exists()
    assert (ngram_folder / LOSSES).read_bytes() == b""
    (only,) = metrics(ngram_folder)
    assert (only.step, only.learning_rate) == (0, 0)
    ngram = load_run(ngram_folder)
    assert (ngram.kind, ngram.best_step, ngram.parts()) == ("n-gram", 0, {})
    assert ngram.model.block_size == order - 1


def test_what_a_run_is_made_of(run_folder: Path, mixed_folder: Path) -> None:
    assert (load_run(run_folder).kind, load_run(run_folder).parts()) == ("network", {})
    mixed = load_run(mixed_folder)
    assert mixed.kind == "mixture"
    blocks = {name: part.block_size for name, part in mixed.parts().items()}
    assert blocks == {"n-gram": 4, "network 1": 3, "network 2": 3}
    assert mixed.model.block_size == mixed.card.block_size == 4
    assert not (run_folder / NGRAM).exists()  # it is in the targets, not in the model


def test_resuming_an_n_gram_changes_nothing(
    ngram_folder: Path, small: Dataset, tmp_path: Path
) -> None:
    """Asked for with order 0, as the preset has it: what was settled for it is accepted."""
    folder = tmp_path / "run"
    shutil.copytree(ngram_folder, folder)
    events = train(folder, preset("ngram"), small, resume=True)
    assert [type(event) for event in events] == [run.Started, run.Saved]
    for name in (CONFIG, VOCAB, METRICS, LOSSES):
        assert (folder / name).read_bytes() == (ngram_folder / name).read_bytes()
    assert_same_tables(folder, ngram_folder)
    assert is_finished(folder)


def test_resuming_with_order_0_accepts_the_settled_order_and_no_other(
    tiny_config: RunConfig, small: Dataset, tmp_path: Path
) -> None:
    folder, asked = tmp_path / "run", override(tiny_config, {"order": 0, "steps": 20}, "")
    train(folder, asked, small, stop=stop_after(10))
    settled = read_facts(folder).config.mixture.order
    assert settled >= 2
    train(folder, asked, small, resume=True)
    assert is_finished(folder)
    other = override(asked, {"order": settled + 1}, "")
    with pytest.raises(DataError, match=f"order {settled}, not {settled + 1}"):
        train(folder, other, small, resume=True)


def test_a_resumed_mixture_equals_the_uninterrupted_one(
    mixed_config: RunConfig, mixed_folder: Path, small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    taken: list[int] = []
    for calls in (1, 19, 30):  # also before the first evaluation and right at one
        stop = stop_after(calls)
        events = train(folder, mixed_config, small, resume=folder.exists(), stop=stop)
        taken += steps_of(events)[1:]
        assert not is_finished(folder)
    taken += steps_of(train(folder, mixed_config, small, resume=True))[1:]
    assert taken == list(range(1, 61))
    assert "log_weights" in weights(folder)
    assert_same_weights(mixed_folder, folder)
    assert_same_tables(folder, mixed_folder)
    assert (folder / LOSSES).read_bytes() == (mixed_folder / LOSSES).read_bytes()
    shown = [(e.step, e.val_nats_per_symbol) for e in metrics(mixed_folder)]
    assert [(e.step, e.val_nats_per_symbol) for e in metrics(folder)] == shown


def test_one_flipped_byte_of_the_n_gram_is_found(ngram_folder: Path, tmp_path: Path) -> None:
    content = (ngram_folder / NGRAM).read_bytes()
    folder = tmp_path / "run"
    shutil.copytree(ngram_folder, folder)
    for place in [3, 20, 200, len(content) // 2, len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= 4
        (folder / NGRAM).write_bytes(damaged)
        with pytest.raises(DataError, match=NGRAM):
            load_run(folder)
    (folder / NGRAM).unlink()
    with pytest.raises(DataError, match=NGRAM):
        load_run(folder)


def test_the_n_gram_of_another_run_is_refused(
    ngram_folder: Path, mixed_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ngram_folder, folder)
    shutil.copyfile(mixed_folder / NGRAM, folder / NGRAM)
    with pytest.raises(DataError, match=f"not the one {NGRAM} was saved with"):
        load_run(folder)


def test_force_leaves_no_n_gram_of_the_run_before(
    ngram_folder: Path, tiny_config: RunConfig, small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(ngram_folder, folder)
    train(folder, override(tiny_config, {"steps": 2}, ""), small, force=True)
    assert not (folder / NGRAM).exists()
    assert load_run(folder).kind == "network"


def test_a_run_that_ends_early_is_finished_and_takes_its_place(
    tiny_config: RunConfig, small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    train(folder, override(tiny_config, {"steps": 2}, ""), small)
    values = {"learning_rate": 1e-30, "eval_every": 10, "patience": 2}
    train(folder, override(tiny_config, values, ""), small, force=True)
    assert is_finished(folder)
    assert (step_of(folder / LAST), step_of(folder / BEST)) == (20, 1)
    assert not folder.with_name("run.new").exists()


def test_an_order_larger_than_any_string_is_refused(small: Dataset, tmp_path: Path) -> None:
    """The longest context there is: the boundary and all of a string, before its end."""
    largest = small.longest + 2
    fits = settle_order(override(preset("ngram"), {"order": largest}, ""), small)
    assert fits.mixture.order == largest
    config = override(preset("ngram"), {"order": largest + 1}, "")
    with pytest.raises(DataError, match=f"larger than any string.*`order={largest}` or less"):
        train(tmp_path / "run", config, small)
    assert not (tmp_path / "run").exists()


def test_tables_that_are_too_large_leave_nothing_in_the_way(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = override(preset("ngram"), {"order": 4}, "")
    monkeypatch.setattr("nplm.training.ngrammodule.MAX_DENSE_BYTES", 1000)
    monkeypatch.setattr("nplm.training.ngrammodule.MAX_BYTES", 1000)
    with pytest.raises(DataError, match="the n-gram would take"):
        train(tmp_path / "run", config, small)
    monkeypatch.undo()
    train(tmp_path / "run", config, small)


@pytest.mark.parametrize("split", [("1", "0", "0"), ("0.5", "0.5", "0")])
@pytest.mark.parametrize("name", ["default", "ngram", "best"])
def test_a_settled_order_fits_the_shortest_strings(name: str, split: tuple[str, ...]) -> None:
    """What one run has settled, the next may be asked for: it is in its config.toml."""
    source = sources.Source("x", ["a", "b", "c", "a", "b", "c"], 0)
    short = dataset.build(source, DatasetConfig(split, split_by="line"))
    settled = settle_order(preset(name), short)
    assert 2 <= settled.mixture.order <= 3
    assert settle_order(settled, short) == settled


def test_settings_without_an_n_gram_are_left_alone(small: Dataset) -> None:
    for name in ("classic", "notebook"):
        assert settle_order(preset(name), small) == preset(name)


def test_a_run_on_another_device_leaves_the_run_where_it_is(
    run_folder: Path, mixed_folder: Path, ngram_folder: Path, small: Dataset
) -> None:
    """The device `meta` computes nothing, but it is another one."""
    for folder in (run_folder, mixed_folder, ngram_folder):
        opened = load_run(folder)
        model = opened.model
        contexts = table_of(small, "train", model.block_size).contexts[:4].astype(np.int64)
        before = model(contexts)
        elsewhere = opened.on("meta").module
        tensors = [*elsewhere.parameters(), *elsewhere.buffers()]
        assert {tensor.device.type for tensor in tensors} == {"meta"}
        assert np.array_equal(model(contexts), before)
        assert np.array_equal(opened.model(contexts), before)
