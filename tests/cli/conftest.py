"""The command in-process, in a temporary folder; and that folder filled as a user would fill it."""

import gc
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nplm.cli.main import main
from nplm.cli.signals import WORDS
from nplm.config import RunConfig
from nplm.text.dataset import Dataset

TINY = (
    *("--block-size", "3", "--embedding-size", "4", "--hidden-size", "16", "--steps", "60"),
    *("--batch-size", "64", "--eval-every", "20", "--device", "cpu"),
)


@dataclass(frozen=True)
class Result:
    """What a command left behind: exit code, stdout, stderr."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        """Strings on stdout, one a line; every line is ended."""
        *lines, rest = self.out.decode("utf-8").split("\n")
        assert rest == ""
        return lines

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Nplm:
    """`nplm ARGS` in the folder `cwd`.

    Attributes:
        tiny: options of a run that trains in well under a second.
    """

    cwd: Path
    monkeypatch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[bytes]
    tiny: tuple[str, ...] = TINY

    def __call__(self, *args: str | Path, stdin: bytes = b"") -> Result:
        self.monkeypatch.chdir(self.cwd)
        self.monkeypatch.setattr(sys, "argv", ["nplm", *map(str, args)])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self.capture.readouterr()
        code = 0
        try:
            main()
        except SystemExit as done:
            code = int(done.code or 0)
        captured = self.capture.readouterr()
        return Result(code, captured.out, captured.err.decode("utf-8"))

    def ok(self, *args: str | Path, stdin: bytes = b"") -> Result:
        done = self(*args, stdin=stdin)
        assert done.code == 0, done.err
        return done

    def train(self, *args: str | Path) -> Result:
        """A tiny run; options in `args` win, as the last one given does."""
        return self("train", *self.tiny, *args)

    def refuses(
        self, code: int, *args: str | Path, says: tuple[str, ...] = (), stdin: bytes = b""
    ) -> str:
        """The one line on stderr of a command that fails with `code` and changes nothing on disk.

        The line that names what was taken for a missing argument does not count.
        """
        before = snapshot(self.cwd)
        done = self(*args, stdin=stdin)
        assert done.code == code, done.err
        assert done.out == b""
        lines = [line for line in done.err.splitlines() if not line.startswith("using ")]
        assert len(lines) == 1, done.err
        assert lines[0].startswith("nplm: ")
        for part in says:
            assert part in lines[0]
        assert snapshot(self.cwd) == before
        return lines[0]

    def pasted(self, text: str) -> list[list[str]]:
        """The arguments of each `nplm` in `text`, as a shell takes them."""
        script = f'nplm() {{ printf "%s\\0" "$@"; printf "\\0"; }}\n{text}\n'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.cwd, stdout=subprocess.PIPE, check=True
        )
        *commands, rest = done.stdout.decode("utf-8").split("\0\0")
        assert rest == ""
        return [command.split("\0") for command in commands]


@pytest.fixture(autouse=True)
def process_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The process of the tests keeps its own handlers, and its way with garbage."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # what the command sets goes afterwards
    handlers, threshold = {number: signal.getsignal(number) for number in WORDS}, gc.get_threshold()
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.set_threshold(*threshold)
    gc.unfreeze()


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path below `folder` with its content (None for folders)."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def nplm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Nplm:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return Nplm(tmp_path, monkeypatch, capfdbinary)


@pytest.fixture
def home(tmp_path: Path, names_file: Path, small_folder: Path, signed_model: Path) -> Path:
    """The working folder after `dataset build` and an export: list, data set, model. No torch."""
    shutil.copytree(small_folder, tmp_path / "data" / "names")
    shutil.copyfile(names_file, tmp_path / "data" / "names.txt")
    (tmp_path / "exports").mkdir()
    shutil.copyfile(signed_model, tmp_path / "exports" / "names.onnx")
    return tmp_path


@pytest.fixture(scope="session")
def finished(
    small: Dataset,
    small_folder: Path,
    tiny_config: RunConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with data/names and the run checkpoints/names, which know each other."""
    torch = pytest.importorskip("torch")
    from nplm.runs import run

    folder = tmp_path_factory.mktemp("finished")
    data = folder / "data" / "names"
    shutil.copytree(small_folder, data)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    list(run.train(folder / "checkpoints" / "names", tiny_config, small, data))
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def trained(home: Path, finished: Path) -> Path:
    """`home` with a finished run in checkpoints/names; the model in exports/ is of another run."""
    shutil.copytree(finished / "checkpoints", home / "checkpoints")
    return home


@pytest.fixture
def same_weights() -> Callable[[Path, Path], bool]:
    """Of two runs; their files also hold a hash of the settings, in which a run is named."""

    def same(one: Path, two: Path) -> bool:
        from nplm.runs.opened import load_run

        a, b = (load_run(folder).module.state_dict() for folder in (one, two))
        return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)

    return same


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost a tiny network more than all the rest."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def process_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """For real processes of the command."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return dict(os.environ)
