"""Odd command lines: all commands and options that the program has, with values of every kind.

Each runs in a process of its own, a fork of one that has the heavy imports behind it, in a copy of
a folder with a list, data sets, runs, a sweep and model files. A fault is an exit code that is not
documented, a traceback, a failure that is not one line, a temporary file left behind, more than
20 s of processor time or more memory than allowed.

Nothing outside of the folder is named but devices to read from: a fault must not cost anything.
"""

import argparse
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HOME = Path(__file__).parents[1] / "compat" / "0.1.0"
FAST = Path("/dev/shm")  # where an fsync costs nothing
CODES = {0, 2, 3, 4, 5, 6, 7, 8}
CPU_SECONDS = 20
SECONDS = 60  # by the clock: other work may have the processors
MEMORY = 10**9  # bytes that a command may ask for beyond what the process has
FILE_SIZE = 10**7  # bytes at which a write fails, as on a full disk
MOST_FAULTS = 20  # kinds of them

SMALL = ["0", "1", "2", "3", "5", "20"]
ODD_NUMBERS = [
    *("-1", "-0", "65", "1048577", "2147483648", "9223372036854775807", "9223372036854775808"),
    *("18446744073709551615", "18446744073709551616", "9" * 400, "9" * 5000, "0x10", "1_000", "١"),
    *("0.5", "1e-300", "1e308", "1e309", "1e9999999", "nan", "inf", "-inf", "", " ", "1,2", "3 "),
]
ODD_WORDS = [
    *("", " ", "-", "--", "-n", "x", "ma", "Zoë", "e\u0301", "\u202e", "\ud83d", "a\nb", "\t"),
    *("x" * 300, "x" * 100_000, "\udcff", "$HOME", "a=b", "=", "steps=1,2", "order=2,3", ",", "*"),
    *("1e9999999,0,0", "0.8,0.1,0.1", "1,0,0", "nan,0,1", "0.5,0.5", "order=", "order=2,2"),
    *("steps=1 steps=2", "block_size=nan", "cuda", "auto", "cpu", "cuda:99"),
]
NAMES = [
    *("", ".", "-", "x", "new/x", "data", "data/names", "data/names.txt", "data/lesson", "exports"),
    *("data/names/train.npy", "data/names/dataset.json", "checkpoints", "checkpoints/names"),
    *(
        "checkpoints/names/config.toml",
        "checkpoints/names/model.safetensors",
        "checkpoints/stopped",
    ),
    *("checkpoints/ngram", "checkpoints/names-sweep", "exports/names.onnx", "exports/ngram.onnx"),
    *("exports/names.onnx.json", "data/names.txt/x", "x" * 256, "x/" * 3000, "é", "a\nb", "\udcff"),
    *(" ", "-x", "--out", "empty", "garbage", "long", "loop", "out.html", "out.png", "out.svg"),
]
DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/proc/self/mem", "/nowhere/x"]
USUAL = {  # of an argument, by its name: what makes a command work
    "source": ["data/names", "data/names.txt", "data/lesson"],
    "target": ["checkpoints/names", "exports/names.onnx", "checkpoints/mixture"],
    "run": ["checkpoints/names", "checkpoints/ngram"],
    "folder": ["data/names", "checkpoints/names-sweep"],
    "model": ["exports/names.onnx", "exports/ngram.onnx", "exports/stopped.onnx"],
    "first": ["exports/names.onnx", "exports/mixture.onnx"],
    "second": ["data/names.txt", "-"],
    "words": ["exports/names.onnx"],
    "data": ["data/names", "data/lesson"],
    "out": ["x", "new/x", "out.html", "out.png"],
    "excluding": ["data/names.txt"],
    "train": ["data/names.txt"],
    "val": ["data/names.txt"],
    "test": ["data/names.txt"],
    "match": ["ma.*", ".*n", "[aeiou]{2,3}", "(a|b)*a(a|b){20}", "(a", "a(?=b)", ".{0,99999}", "é"],
    "length": ["4-12", "12-4", "-3", "5-", "7", "999999999-", "-"],
}
INPUTS = {
    "source",
    "target",
    "run",
    "folder",
    "model",
    "first",
    "second",
    "config",
    "data",
    "excluding",
    "train",
    "val",
    "test",
}
STDIN = [
    b"",
    b"emma\nmaria\n",
    b"\xff\xfe\n",
    b"\0\0\n",
    b"x" * 100_000,
    b"\r\n\r\n",
    b"e\n" * 5000,
]


@dataclass(frozen=True)
class Case:
    words: list[str]
    stdin: bytes


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The commands below a group, with their words."""
    if not hasattr(command, "commands"):
        yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from leaves(child, (*path, name))


def case_of(commands: list[tuple[tuple[str, ...], Any]], seed: str, number: int) -> Case:
    """Case `number` of a seed."""
    random = Random(f"{seed}:command-line:{number}")
    path, command = random.choice(commands)
    words = [*path, *_options(command, random)]
    if path in {("train",), ("sweep",)}:  # what would take long is cut short
        words += ["--steps", random.choice(SMALL), "--batch-size", random.choice(SMALL)]
        words += ["--networks", random.choice("12")]
    if random.random() < 0.15:
        for _ in range(random.choice([1, 2, 5])):
            words.insert(random.randrange(len(words) + 1), random.choice([*ODD_WORDS, *SMALL]))
    return Case([word.replace("\0", "") for word in words], random.choice(STDIN))


def _options(command: Any, random: Random) -> list[str]:
    words: list[str] = []
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.opts[0] != "--help"]
    words += [_value(argument, random) for argument in arguments if random.random() < 0.8]
    for option in random.sample(options, min(len(options), random.choice([0, 1, 2, 3, 6]))):
        name = random.choice([*option.opts, *option.secondary_opts])
        words += [name] if option.is_flag else [name, _value(option, random)]
    return words


def _value(parameter: Any, random: Random) -> str:
    if parameter.name in USUAL and random.random() < 0.6:
        return random.choice(USUAL[parameter.name])
    kind = type(parameter.type).__name__
    if "Path" in kind:
        if parameter.name == "out" and random.random() < 0.1:
            return random.choice(["", ".", "/", "..", "./", "data/.", "checkpoints/names/."])
        reads = parameter.name in INPUTS and random.random() < 0.1
        return random.choice(DEVICES if reads else NAMES)
    if hasattr(parameter.type, "choices"):
        return random.choice([*map(str, parameter.type.choices), random.choice(ODD_WORDS)])
    if "INT" in parameter.type.name.upper() or "FLOAT" in parameter.type.name.upper():
        return random.choice(SMALL if random.random() < 0.6 else ODD_NUMBERS)
    return random.choice([*ODD_WORDS, *SMALL])


def run_lines(options: argparse.Namespace, tally_type: type[Any]) -> Any:
    """Run cases until time or cases are over."""
    import typer

    from nplm.cli.tree import app

    commands = list(leaves(typer.main.get_command(app)))
    tally = tally_type()
    _import_heavy()
    end = time.monotonic() + options.share
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as folder:
        for number in range(options.first, options.first + options.cases):
            if time.monotonic() > end or len(tally.faults) >= MOST_FAULTS:
                break
            case = case_of(commands, options.seed, number)
            code, fault, peak = run_case(case, Path(folder))
            tally.cases += 1
            tally.accepted += code == 0
            tally.peak = max(tally.peak, peak)
            if fault and tally.is_new(fault):
                line = " ".join(ascii(word[:80]) for word in case.words)
                tally.faults.append(f"case {number}: nplm {line}\n    {fault}")
                tally.hangs += fault.startswith("hang")
    return tally


def _import_heavy() -> None:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as nplm does before it imports it
    for module in ("numpy", "onnxruntime", "torch", "onnx", "matplotlib", "rich.progress"):
        with suppress(ImportError):
            importlib.import_module(module)


def run_case(case: Case, folder: Path) -> tuple[int, str, int]:
    """Run a command: its exit code, what is wrong with it, the bytes it held at most."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    _fill(home)
    (folder / "stdin").write_bytes(case.stdin)
    child = os.fork()
    if not child:
        _be(case, home, folder)
    timer = threading.Timer(SECONDS, os.kill, (child, signal.SIGKILL))
    timer.start()
    _, status, usage = os.wait4(child, 0)
    timer.cancel()
    code = os.waitstatus_to_exitcode(status)
    hung = code in {-signal.SIGKILL, -signal.SIGXCPU}  # by the clock, by the limit of its own
    err = (folder / "stderr").read_text(encoding="utf-8", errors="replace")
    peak = usage.ru_maxrss * 1024
    return (
        code,
        f"hang of {case.words[:2]}: more than {CPU_SECONDS} s" if hung else _judge(code, err, home),
        peak,
    )


def _fill(home: Path) -> None:
    hidden = shutil.ignore_patterns("make.py", "*.json.*", ".git*")
    shutil.copytree(HOME, home, ignore=hidden)
    (home / "empty").touch()
    (home / "garbage").write_bytes(bytes(range(256)) * 40)
    (home / "long").write_bytes(b"x" * 2_000_000)
    (home / "loop").symlink_to("loop")


def _judge(code: int, err: str, home: Path) -> str:
    if "Traceback" in err:
        *above, last = err.strip().splitlines()
        places = [line.strip() for line in above if "/nplm/" in line] or above[-1:]
        return f"{places[-1]!a}: {last[:120]!a}"
    if code not in CODES:
        return f"exit {code}: {err[-200:]!r}"
    lines = [line for line in err.splitlines() if line.startswith("nplm: ")]
    if code and len(lines) != 1 and "Usage:" not in err:
        return f"exit {code} with {len(lines)} lines that say why: {err[-200:]!r}"
    from nplm.temporaries import is_temporary

    left = [path.name for path in home.rglob("*") if is_temporary(path)]
    return f"left behind: {left}" if left else ""


def _be(case: Case, home: Path, folder: Path) -> None:
    """The child: become the command. It never returns."""
    code = 70
    try:
        os.chdir(home)
        for number, (name, flags) in enumerate(
            [("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY)]
        ):
            create = 0 if flags == os.O_RDONLY else os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(folder / name, flags | create), number)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
        sys.argv = ["nplm", *case.words]
        _limit()
        from nplm.cli.main import main

        main()
        code = 0
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(bool(done.code))
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    size = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
