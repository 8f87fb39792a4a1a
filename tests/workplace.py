"""Every command that writes, in a folder where its output exists already; each run is a fork.

The parent imports everything once and never computes: a fork of it starts in no time, and may be
failed, killed or run beside another one. Used by faults.py, kills.py and races.py.
"""

import argparse
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from conftest import NAMES, Serial
from nplm.cli.main import main
from nplm.temporaries import is_temporary

TINY = (
    *("--block-size", "2", "--embedding-size", "3", "--hidden-size", "8", "--layers", "1"),
    *("--batch-size", "32", "--steps", "20", "--eval-every", "10"),
)
# What the commands import in their bodies.
HEAVY = {
    "build": ("nplm.text.dataset", "nplm.text.sources"),
    "train": ("nplm.runs.run", "nplm.runs.opened", "nplm.api.progressbar", "nplm.runtime.generate"),
    "sweep": ("nplm.report.figures", "rich.progress", "rich.table"),
    "export": ("nplm.export.onnxfile", "torch.onnx._internal.exporter._core", "torch.export"),
    "arpa": ("nplm.export.arpa",),
    "words": ("nplm.text.dataset", "nplm.text.sources"),
    "generate": ("onnxruntime", "nplm.runtime.onnxmodel", "nplm.runtime.generate"),
    "score": ("onnxruntime", "nplm.runtime.onnxmodel", "nplm.runtime.score"),
    "top": ("nplm.runtime.top", "nplm.runtime.onnxmodel"),
    "report": ("nplm.report.content", "nplm.report.page"),
    "plot": ("nplm.report.figures",),
}
NEED_RUNS = {"export", "report", "plot"}
GOLDEN = Path(__file__).parent / "golden" / "tiny.onnx"
UNTIMED = {"metrics.jsonl", "sweep.jsonl"}  # lines with seconds in them
UNCOMPARED = {"last.safetensors", "sweep.png", ".lock", ".replaces"}


@dataclass(frozen=True)
class Command:
    """A command line, of which `K` is 1 or 2, and what it writes; --force comes by itself."""

    name: str
    words: str
    output: str

    def line(self, variant: int, *, force: bool = True) -> list[str]:
        words = [word.replace("K", str(variant)) for word in self.words.split()]
        tiny = TINY if self.name in {"train", "sweep"} else ()
        return [*words, *tiny, *(["--force"] if force else [])]


COMMANDS = {
    command.name: command
    for command in (
        Command("build", "dataset build listK.txt --out data/names", "data/names"),
        Command(
            "train", "train data/listK --device cpu --out checkpoints/names", "checkpoints/names"
        ),
        Command(
            "sweep",
            "sweep data/listK --grid learning-rate=0.01,0.1 --out checkpoints/sweep",
            "checkpoints/sweep",
        ),
        Command(
            "export", "export onnx checkpoints/runK --out exports/out.onnx", "exports/out.onnx"
        ),
        Command("arpa", "export arpa checkpoints/countsK --out out.arpa", "out.arpa"),
        Command(
            "words",
            "dataset build --train listK.txt --val list1.txt --level word --min-count 1 "
            "--document stream --out data/words",
            "data/words",
        ),
        Command("generate", "generate model.onnx -n 5000 --seed K --out out.txt", "out.txt"),
        Command("top", "top model.onnx -n 300K --out top.txt", "top.txt"),
        Command("score", "score model.onnx listK.txt --out scores.txt", "scores.txt"),
        Command("report", "report checkpoints/runK --out page.html", "page.html"),
        Command("plot", "plot loss checkpoints/runK --out loss.png", "loss.png"),
    )
}


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (or minus a signal), and what it said."""

    code: int
    said: str


class Process:
    """A fork that runs a command in a folder; `before` is called in it first."""

    def __init__(
        self, folder: Path, words: list[str], before: Callable[[], object] = lambda: None
    ) -> None:
        self._said = folder.parent / f"{folder.name}.{time.monotonic_ns()}.said"
        self._said.touch()  # a kill may come before anything is said
        self.number = os.fork()
        if not self.number:
            _run(folder, words, self._said, before)

    def kill(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.number, number)

    def wait(self) -> Ended:
        _, status = os.waitpid(self.number, 0)
        said = self._said.read_text(encoding="utf-8", errors="replace")
        self._said.unlink()
        return Ended(os.waitstatus_to_exitcode(status), said)


def options_of(
    arguments: list[str], description: str, count: str, default: int | None
) -> argparse.Namespace:
    """What an attack was asked for: `count` (of its own name), `seed` and `commands`."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(f"--{count}", dest="count", type=int, default=default)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("commands", nargs="*", default=[*COMMANDS])
    return parser.parse_args(arguments)


def _run(folder: Path, words: list[str], said: Path, before: Callable[[], object]) -> NoReturn:
    """In the fork: as a shell would start it, but for the imports."""
    code = 1
    try:
        os.chdir(folder)
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(out, stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["nplm", *words]
        before()
        main()
        code = 0
    except KeyboardInterrupt:  # before the command could catch it
        code = 128 + signal.SIGINT
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def run(folder: Path, words: list[str], before: Callable[[], object] = lambda: None) -> Ended:
    return Process(folder, words, before).wait()


def warm_up(commands: Iterable[str]) -> None:
    """Import what forks need; sweeps run their trials in their own process."""
    import torch

    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as nplm does before it imports it
    importlib.import_module("numpy.random")
    torch.set_num_threads(1)
    for command in commands:
        for name in HEAVY[command]:
            importlib.import_module(name)
    sweeps = importlib.import_module("nplm.runs.sweep")

    def start(reports: object, stopping: object) -> None:
        sweeps._worker.update(reports=reports, stopping=stopping)

    sweeps.ProcessPoolExecutor, sweeps._start_worker = Serial, start


class Workplace:
    """A prepared folder, in memory where the system has a place for that, and copies of it.

    Attributes:
        known: what each variant of a command writes, as a digest; and the seconds that takes.
    """

    def __init__(self, commands: list[str]) -> None:
        memory = Path("/dev/shm")
        self._scratch = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.folder = Path(self._scratch.name)
        self.known: dict[str, dict[int, str]] = {}
        self.seconds: dict[str, float] = {}
        warm_up(commands)
        prepare(self.folder / "source", commands)
        for name in commands:
            self._learn(COMMANDS[name])

    def _learn(self, command: Command) -> None:
        with self.copied() as folder:
            output = folder / command.output
            digests = {1: digest(output)}
            started = time.monotonic()
            do(folder, command.line(2))
            self.seconds[command.name] = time.monotonic() - started
            self.known[command.name] = digests | {2: digest(output)}
        assert digests[1] != self.known[command.name][2]

    @contextmanager
    def copied(self) -> Iterator[Path]:
        """A copy of the folder, for as long as it is used."""
        folder = self.folder / "copy"
        shutil.copytree(self.folder / "source", folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def prepare(folder: Path, commands: list[str]) -> None:
    """Lists, data sets, runs and a model; then the output of variant 1 of some commands."""
    folder.mkdir(parents=True)
    names = NAMES.read_text(encoding="utf-8").split()
    for k in (1, 2):
        (folder / f"list{k}.txt").write_text("\n".join(names[k::60]) + "\n", encoding="utf-8")
        if {"train", "sweep", "arpa", *NEED_RUNS} & {*commands}:
            do(folder, ["dataset", "build", f"list{k}.txt"])
        if "arpa" in commands:
            counted = ["train", f"data/list{k}", "--preset", "ngram", "--order", "3"]
            do(folder, [*counted, "--out", f"checkpoints/counts{k}"])
        if NEED_RUNS & {*commands}:
            do(folder, [*COMMANDS["train"].line(k, force=False), "--out", f"checkpoints/run{k}"])
    shutil.copyfile(GOLDEN, folder / "model.onnx")
    for name in commands:
        do(folder, COMMANDS[name].line(1, force=False))


def do(folder: Path, words: list[str]) -> None:
    ended = run(folder, words)
    assert ended.code == 0, (words, ended)


def digest(path: Path) -> str:
    """Of all that an output is, but for clocks: of a model, its sidecar belongs to it."""
    total = hashlib.sha256()
    for file in sorted(_files(path)):
        name = str(file.relative_to(path.parent)).replace(".new/", "/", 1)
        if file.name in UNCOMPARED or is_temporary(file):
            continue
        content = file.read_bytes()
        if file.name in UNTIMED:
            content = b"".join(sorted(map(_untimed, content.splitlines())))
        if file.suffix == ".safetensors":
            content = _ordered(content)
        total.update(f"{name} {len(content)}\n".encode() + content)
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
    else:
        yield from (file for file in (path, Path(f"{path}.json")) if file.exists())


def _ordered(tensors: bytes) -> bytes:
    """A safetensors file with the keys of its header in order: they come in any."""
    end = 8 + int.from_bytes(tensors[:8], "little")
    return json.dumps(json.loads(tensors[8:end]), sort_keys=True).encode() + tensors[end:]


def _untimed(line: bytes) -> bytes:
    try:
        return json.dumps(json.loads(line) | {"train_seconds": 0}, sort_keys=True).encode()
    except ValueError:  # the end of a log that a kill cut
        return line


def state(path: Path, known: dict[int, str]) -> str:
    """What stands at an output: "none", "old" (variant 1), "new", "alone" or "half".

    "alone" is a whole model without its sidecar, which the next process that writes there adds.
    """
    if not any(_files(path)):
        return "none"
    found = digest(path)
    for variant, name in ((1, "old"), (2, "new")):
        if found == known[variant]:
            return name
    alone = path.suffix == ".onnx" and not Path(f"{path}.json").exists()
    alone = alone and any(map(is_temporary, path.parent.glob(f".{path.name}.*")))
    return "alone" if alone and run_model(path) else "half"


def run_model(path: Path) -> bool:
    """Whether a model file generates."""
    return run(path.parent, ["generate", path.name, "-n", "3"]).code == 0


def goes_on(folder: Path, command: Command, variant: int, found: str) -> list[str]:
    """The command line that goes on with what was cut short, or begins anew.

    Where the old output stands, only its replacement beside it can have been begun.
    """
    output = folder / command.output
    place = output if found == "begun" else output.with_name(f"{output.name}.new")
    anew = command.line(variant)
    if command.name == "train" and (place / "last.safetensors").exists():
        return [*anew[:-1], "--out", str(place.relative_to(folder)), "--resume"]
    if command.name == "sweep" and (place / "sweep.jsonl").exists():
        return [*anew[:-1], "--out", str(place.relative_to(folder))]
    return anew


def temporaries(folder: Path) -> list[str]:
    """Names of what is being written, or was when it was cut short."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if is_temporary(p))


def leftovers(folder: Path) -> list[str]:
    """Temporary names, and replacements that were not finished."""
    return [*temporaries(folder), *map(str, folder.rglob("*.new"))]
