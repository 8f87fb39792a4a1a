"""What a command says to type next, pasted into a shell: in a folder whose names hold spaces."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = pytest.mark.usefixtures("home")
ODD = ["my data", "it's", "two  spaces", "-n", "$HOME", "Zoë"]


def after(label: str, err: str) -> str:
    """The one place of stderr that `label` introduces, to the end of its line."""
    (found,) = [line.partition(label)[2] for line in err.splitlines() if label in line]
    return found


@contextmanager
def stopped_at_once() -> Iterator[Callable[[], bool]]:
    yield lambda: True


@pytest.fixture
def there(nplm: "Nplm", home: Path) -> "Nplm":
    """The command in a folder with a space in its name, with a list in one of its folders."""
    folder = home / "my folder"
    (folder / "my lists").mkdir(parents=True)
    os.link(home / "data" / "names.txt", folder / "my lists" / "names.txt")
    return replace(nplm, cwd=folder)


@pytest.mark.parametrize("name", ODD)
def test_a_data_set(there: "Nplm", name: str) -> None:
    done = there.ok("dataset", "build", "my lists/names.txt", "--out", f"./{name}")
    (words,) = there.pasted(after("next: ", done.err))
    assert (words[0], len(words)) == ("train", 2)
    there.ok("dataset", "info", words[1])


@pytest.mark.training
@pytest.mark.usefixtures("one_thread")
class TestTraining:
    """A run, its picture, its export."""

    @pytest.mark.parametrize("name", ODD)
    def test_a_run_and_its_export(self, there: "Nplm", name: str) -> None:
        options = ("--preset", "ngram", "--order", "2", "--out", f"./{name}")
        done = there.train("my lists/names.txt", *options)
        assert [Path(word) for word in shlex.split(after("run: ", done.err))] == [Path(name)]
        (words,) = there.pasted(after("next: ", done.err))
        assert words[:2] == ["export", "onnx"]
        done = there.ok(*words, "--out", "my exports/my model.onnx")
        (words,) = there.pasted(after("next: ", done.err))
        assert len(there.ok(*words, "-n", "3").lines) == 3

    @pytest.mark.parametrize("name", ODD)
    def test_a_run_that_was_stopped(
        self, there: "Nplm", name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("nplm.cli.train.stop_on_signal", stopped_at_once)
            done = there.train("my lists/names.txt", "--out", f"./{name}")
        assert done.code == 130
        (words,) = there.pasted(after("go on: ", done.err))
        assert "nothing left to do" not in there.ok(*words).err
        assert "nothing left to do" in there.ok(*words).err

    def test_a_run_that_has_logged_nothing(
        self, there: "Nplm", monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("nplm.cli.train.stop_on_signal", stopped_at_once)
            there.train("my lists/names.txt", "--out", "my run")
        for name in ("metrics.jsonl", "batch_loss.f32"):
            (there.cwd / "my run" / name).unlink(missing_ok=True)
        done = there("plot", "loss", "my run")
        assert done.code == 3
        (words,) = there.pasted(after("go on: ", done.err))
        assert words == ["train", "data/names", "--out", "my run", "--resume"]

    def test_a_list_whose_data_set_is_of_another(self, there: "Nplm") -> None:
        there.ok("dataset", "build", "my lists/names.txt", "--seed", "1")
        done = there.train("my lists/names.txt")
        (words,) = there.pasted(after("build again: ", done.err))
        there.ok(*words)
        assert there.train("my lists/names.txt", "--preset", "ngram", "--order", "2").code == 0

    @pytest.mark.usefixtures("serial")
    def test_a_sweep(self, there: "Nplm") -> None:
        there.ok("dataset", "build", "my lists/names.txt", "--out", "./-data")
        grid = ("--preset", "ngram", "--grid", "order=2,3", "--out", "my sweep")
        done = there.ok("sweep", "./-data", *grid, "--pick")
        (words,) = there.pasted(after("trained already: ", done.err))
        assert there.ok(*words, "--json").json["split"] == "val"
        (words,) = there.pasted(done.out.decode())
        there.ok(*words, "--out", "the winner")
