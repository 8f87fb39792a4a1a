"""A command that is given no argument takes the newest whole one, whatever lies beside it."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Nplm

COMPAT = Path(__file__).parents[1] / "compat" / "0.1.0"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def deep(path: Path) -> None:
    path.write_bytes(b"[" * 100_000 + b"\n")


def larger_than_memory(path: Path) -> None:
    """Each setting is within its bounds; all together are not."""
    text = path.read_text("utf-8")
    for name in ("embedding_size", "hidden_size"):
        text = re.sub(rf"{name} = \d+", f"{name} = 1048576", text)
    path.write_text(text, "utf-8")


DAMAGE = [cut, empty, pipe, folder, link_to_nothing, device, deep]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What 0.1.0 made, each with an older copy of itself; the copies are whole."""
    for old, new in (
        ("data/names", "data/older"),
        ("checkpoints/names", "checkpoints/older"),
        ("checkpoints/names-sweep", "checkpoints/older-sweep"),
    ):
        shutil.copytree(COMPAT / old, tmp_path / old)
        shutil.copytree(COMPAT / old, tmp_path / new)
    (tmp_path / "exports").mkdir()
    for name in ("names", "older"):
        shutil.copyfile(COMPAT / "exports" / "names.onnx", tmp_path / "exports" / f"{name}.onnx")
    for path in tmp_path.rglob("older*"):
        for file in [path, *path.rglob("*")]:
            os.utime(file, (1e9, 1e9))
    return tmp_path


CASES = [
    ("dataset info", "data/names/dataset.json", "data/older"),
    ("dataset info", "data/names/train.npy", "data/older"),
    ("generate -n 1", "exports/names.onnx", "exports/older.onnx"),
    ("plot loss --out a.png", "checkpoints/names/last.safetensors", "checkpoints/older"),
    ("plot loss --out a.png", "checkpoints/names/config.toml", "checkpoints/older"),
    ("plot loss --out a.png", "checkpoints/names/vocab.json", "checkpoints/older"),
    ("plot sweep --out a.png", "checkpoints/names-sweep/sweep.jsonl", "checkpoints/older-sweep"),
]
WHOLE = {  # how far a run has come stands at the start; a sweep may have no trial that has ended
    ("checkpoints/names/last.safetensors", cut),
    ("checkpoints/names-sweep/sweep.jsonl", empty),
}


@pytest.mark.parametrize(
    ("command", "file", "takes", "damage"),
    [
        pytest.param(
            *case,
            damage,
            marks=[pytest.mark.training] * case[0].startswith("plot"),
            id=f"{case[1]}-{damage.__name__}",
        )
        for case in CASES
        for damage in DAMAGE
        if (case[1], damage) not in WHOLE
    ],
)
def test_a_damaged_neighbour_is_passed_over(
    nplm: "Nplm",
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    file: str,
    takes: str,
    damage: Callable[[Path], None],
) -> None:
    if "plot" in command:  # what is drawn does not matter here
        figures = pytest.importorskip("nplm.report.figures")
        for name in ("loss_figure", "save", "save_sweep"):
            monkeypatch.setattr(figures, name, lambda *_, **__: None)
    path = made / file
    damage(path)
    done = nplm.ok(*command.split())
    assert f"using {takes}\n" in done.err
    if damage is not link_to_nothing:  # no file at all, where one is looked for by its name
        assert done.err.startswith("passed over: ")
        assert str(path.parent.relative_to(made)) in done.err


@pytest.mark.training
def test_settings_that_no_machine_takes_are_passed_over(nplm: "Nplm", made: Path) -> None:
    larger_than_memory(made / "checkpoints" / "names" / "config.toml")
    err = nplm.ok("plot", "loss", "--out", "a.png").err
    assert err.startswith("passed over: checkpoints/names/config.toml is damaged: networks=1 of ")


def test_what_a_kill_left_is_not_the_newest(nplm: "Nplm", made: Path) -> None:
    (made / "data" / "names").rename(made / "data" / ".names.0123abcd-4711-0123abcd.tmp")
    (made / "exports" / "names.onnx").rename(made / "exports" / ".x.0123abcd-4711-0123abcd.tmp")
    assert "using data/older\n" in nplm.ok("dataset", "info").err
    for suffix in (".tmp", ".old"):
        left = made / "data" / f".older.0123abcd-4711-0123abcd{suffix}"
        (made / "data" / "older").rename(left)
        done = nplm("eval", "exports/older.onnx")
        assert (done.code, "is not under data/" in done.err) == (3, True)
        left.rename(made / "data" / "older")
    assert "using data/older\n" in nplm.ok("dataset", "info").err


@pytest.mark.parametrize("damage", [cut, empty, pipe, folder, device, deep])
def test_where_there_is_nothing_else_its_damage_is_told(
    nplm: "Nplm", made: Path, damage: Callable[[Path], None]
) -> None:
    shutil.rmtree(made / "data" / "older")
    (made / "exports" / "older.onnx").unlink()
    damage(made / "data" / "names" / "dataset.json")
    damage(made / "exports" / "names.onnx")
    assert nplm("dataset", "info").err.splitlines()[0] == "using data/names"
    assert nplm("dataset", "info").code == nplm("generate").code == 3
    assert "exports/names.onnx" in nplm("generate").err.splitlines()[-1]
