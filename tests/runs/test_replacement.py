"""A run that replaces another one is trained beside it, and takes its place when it is whole."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import nplm
from nplm.config import DatasetConfig, RunConfig
from nplm.errors import DamagedError, DataError, DivergedError, ExistsError, PathError
from nplm.presets import override
from nplm.runs import replacement, run
from nplm.runs.facts import read_facts
from nplm.runs.layout import BEST, CONFIG, DATASET, LAST, MARK, VOCAB
from nplm.runs.opened import load_run
from nplm.runs.runplace import work_folder
from nplm.temporaries import temporary_for
from nplm.text import datafolder, dataset, sources
from nplm.text.dataset import Dataset

Train = Callable[..., list[object]]
DIVERGING = {"optimizer": "sgd", "learning_rate": 300, "activation": "relu", "eval_every": 1}


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    """A finished run, with all that is drawn of it."""
    shutil.copytree(run_folder, tmp_path / "run")
    for name in ("loss.png", "report.html", "test_looks.jsonl"):
        (tmp_path / "run" / name).write_bytes(b"old")
    return tmp_path / "run"


@pytest.fixture
def train(folder: Path, tiny_config: RunConfig, small: Dataset, small_folder: Path) -> Train:
    def train(place: Path = folder, **options: object) -> list[object]:
        values = options.pop("values", {"seed": 5})
        config, data = override(tiny_config, values, ""), options.pop("data", small)
        where = options.pop("where", small_folder)
        return list(run.train(place, config, data, where, **options))

    return train


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stop_after(calls: int) -> Callable[[], bool]:
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def test_a_stopped_force_leaves_the_old_run_and_goes_on_beside_it(
    train: Train, folder: Path, tmp_path: Path
) -> None:
    """And at the end nothing of the old one is left: no picture, no page, no record of looks."""
    old = contents(folder)
    train(force=True, stop=stop_after(30))
    assert contents(folder) == old
    assert work_folder(folder, force=True) == tmp_path / "run.new"
    assert replacement.destination(tmp_path / "run.new") == folder
    (started, *_) = train(tmp_path / "run.new", resume=True)
    assert started.step == 30
    assert inside(tmp_path) == ["run"]
    assert set(contents(folder)) == set(old) - {"loss.png", "report.html", "test_looks.jsonl"}
    assert read_facts(folder).config.train.seed == 5
    train(tmp_path / "whole")
    one, two = (load_run(path).module.state_dict() for path in (folder, tmp_path / "whole"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_another_force_begins_anew(train: Train, folder: Path, tmp_path: Path) -> None:
    train(force=True, stop=stop_after(30))
    train(force=True, values={"seed": 6})
    assert read_facts(folder).config.train.seed == 6
    assert inside(tmp_path) == ["run"]


def test_a_diverged_force_leaves_the_old_run(train: Train, folder: Path, tmp_path: Path) -> None:
    old = contents(folder)
    with pytest.raises(DivergedError, match=r"run is as it was, the new run is in .*run\.new"):
        train(force=True, values=DIVERGING)
    assert contents(folder) == old
    assert load_run(tmp_path / "run.new").best_step > 0


def test_a_refused_force_leaves_nothing(train: Train, folder: Path, tmp_path: Path) -> None:
    old = contents(folder)
    with pytest.raises(DataError, match="order 60 is larger"):
        train(force=True, values={"ngram": True, "order": 60})
    assert contents(folder) == old
    assert inside(tmp_path) == ["run"]


@pytest.mark.parametrize(
    "name", ["note.txt", "run.new/note.txt", "dataset/x", "model.safetensors/x"]
)
def test_what_is_not_of_a_run_is_not_replaced(
    train: Train, folder: Path, tmp_path: Path, name: str
) -> None:
    """Also where it came while the new one was trained: that is whole beside it."""
    file = folder / name

    def put() -> bool:
        if "model" in name and (folder / BEST).is_file():
            (folder / BEST).unlink()
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"mine")
        return False

    with pytest.raises(ExistsError, match=r"the new one is whole in .*run\.new"):
        train(force=True, stop=put)
    assert file.read_bytes() == b"mine"
    assert load_run(tmp_path / "run.new").facts.config.train.seed == 5
    before = contents(tmp_path)
    with pytest.raises(ExistsError, match="not"):
        train(force=True)
    assert contents(tmp_path) == before


def test_a_start_that_a_kill_cut_short_is_not_in_the_way(
    train: Train, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.new").mkdir()
    temporary_for(tmp_path / "run.new" / MARK).touch()
    train(force=True)
    assert read_facts(folder).config.train.seed == 5
    assert inside(tmp_path) == ["run"]
    (tmp_path / "other").mkdir()
    temporary_for(tmp_path / "other" / CONFIG).touch()
    train(tmp_path / "other")
    assert load_run(tmp_path / "other")


def test_a_run_that_only_has_such_a_name_is_not_replaced(
    train: Train, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "run.new")
    with pytest.raises(ExistsError, match=r"run\.new already exists, and was not to replace"):
        train(force=True)
    assert contents(tmp_path / "run.new") == contents(folder)
    train(tmp_path / "run.new", values={}, resume=True)  # and it stays where it is
    assert inside(tmp_path) == ["run", "run.new"]


def test_a_mark_is_as_long_as_a_name(train: Train, folder: Path) -> None:
    with (folder / MARK).open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(DamagedError, match=f"{MARK} has .* bytes"):
        train(resume=True)


def test_the_pictures_of_a_run_go_with_it(train: Train, folder: Path) -> None:
    for name in ("loss.svg", "embedding.svg"):
        (folder / name).write_bytes(b"old")
    train(force=True)
    assert not list(folder.glob("*.svg"))


@pytest.mark.parametrize("cut", ["discard_folder", "remove_file"])
def test_a_kill_after_the_exchange_is_made_good_by_the_next_run(
    train: Train, folder: Path, tmp_path: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(replacement, cut, killed)
        with pytest.raises(KeyboardInterrupt):
            train(force=True)
    assert (folder / MARK).exists()
    assert read_facts(folder).config.train.seed == 5
    train(resume=True)
    assert inside(tmp_path) == ["run"]
    assert not (folder / MARK).exists()


def test_a_failed_exchange_leaves_both(
    train: Train, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = contents(folder)

    def full(*_: Path) -> None:
        raise PathError(folder, "full")

    with monkeypatch.context() as patch:
        patch.setattr(replacement, "replace_folder", full)
        with pytest.raises(PathError, match="full"):
            train(force=True)
    assert contents(folder) == old
    train(tmp_path / "run.new", resume=True)
    assert read_facts(folder).config.train.seed == 5
    assert inside(tmp_path) == ["run"]


def test_a_start_that_was_cut_short_leaves_no_settings_of_two_runs(
    train: Train, tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without a checkpoint is begun anew where it stands: its old vocabulary goes first."""
    place = tmp_path / "begun"
    train(place, stop=lambda: True)
    (place / LAST).unlink()
    few = dataset.build(
        sources.Source("few", [n.translate({97: 228}) for n in names], 0), DatasetConfig()
    )
    replaced = Path.replace

    def killed(source: Path, target: Path) -> Path:
        if target.name == VOCAB:
            raise SystemExit
        return replaced(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(SystemExit):
            train(place, data=few, force=True)
    assert not {CONFIG, VOCAB} & set(inside(place))
    train(place, data=few, force=True)
    assert load_run(place).card.vocab == few.vocab


def test_what_a_kill_left_in_a_run_goes_and_nothing_else(train: Train, tmp_path: Path) -> None:
    """Files that belong together are written in a folder of their own; a name may look like one."""
    place = tmp_path / "begun"
    train(place, stop=lambda: True)
    (place / LAST).unlink()
    other = temporary_for(place / CONFIG).name.rpartition("-")[0].rpartition("-")[0]
    for kind in ("tmp", "put", "add"):
        (place / f"{other}-{dead_process()}-0123abcd.{kind}").mkdir()
    (place / f"{other}-{dead_process()}-0123abce.tmp").touch()
    (place / ".notes.tmp").write_bytes(b"mine")
    train(place, resume=True)
    assert {name for name in inside(place) if name.startswith(".")} == {".lock", ".notes.tmp"}
    assert load_run(place)


def dead_process() -> int:
    """The number of a process that has ended."""
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    return int(done.stdout)


def test_a_data_set_in_the_run_goes_with_it(train: Train, folder: Path, small: Dataset) -> None:
    datafolder.save(small, folder / DATASET)
    own = datafolder.load(folder / DATASET)
    train(force=True, data=own, where=folder / DATASET)
    assert read_facts(folder).dataset_folder(folder) == folder / DATASET
    assert datafolder.load(folder / DATASET).sha256 == small.sha256
    assert nplm.open_run(folder).evaluate()


def test_a_link_to_a_run_stays(train: Train, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "latest"
    link.symlink_to(folder)
    train(link, force=True)
    assert link.is_symlink()
    assert read_facts(folder).config.train.seed == 5
    assert (inside(tmp_path), inside(tmp_path / "links")) == (["links", "run"], ["latest"])
