"""What goes wrong around a command: streams, signals, names, the disk, memory. One line, a code."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nplm.runtime import onnxmodel

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

MAIN = "from nplm.cli.main import main; main()"
MODEL = "exports/names.onnx"


def process(
    home: Path, *args: "str | bytes", code: str = MAIN, **options: Any
) -> "subprocess.CompletedProcess[bytes]":
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.run(
        [sys.executable, "-c", code, *args], cwd=home, check=False, timeout=60, **pipes | options
    )


def one_line(done: "subprocess.CompletedProcess[bytes]", code: int, *says: str) -> None:
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert text.startswith("nplm: ")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    for part in says:
        assert part in text


def closing(*numbers: int) -> Callable[[], None]:
    """To run in a child: it has no such streams."""
    return lambda: [os.close(number) for number in numbers] and None


@pytest.mark.parametrize(
    ("args", "number", "says"),
    [
        (("score", MODEL), 0, "cannot read stdin: Bad file descriptor"),
        (("dataset", "build", "-"), 0, "cannot read stdin: Bad file descriptor"),
        (("generate", MODEL), 1, "cannot write: Bad file descriptor"),
        (("dataset", "info"), 1, "cannot write: Bad file descriptor"),
    ],
)
def test_a_closed_stream_that_is_needed(
    home: Path, args: tuple[str, ...], number: int, says: str
) -> None:
    done = process(home, *args, preexec_fn=closing(number))
    done.stderr = done.stderr.removeprefix(b"using data/names\n")
    one_line(done, 3, says)


def test_a_closed_stream_that_is_not_needed(home: Path) -> None:
    """No file takes its number."""
    expected = process(home, "generate", MODEL).stdout
    assert process(home, "generate", MODEL, preexec_fn=closing(0, 2)).stdout == expected
    done = process(home, "generate", MODEL, "--out", "a.txt", preexec_fn=closing(0, 1, 2))
    assert done.returncode == 0
    assert (home / "a.txt").read_bytes() == expected


def test_a_full_stderr_stops_nothing(home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = process(home, "generate", "-n", "3", stderr=full)  # that says which model it takes
        refused = process(home, "generate", "none.onnx", stderr=full)
    assert (done.returncode, done.stdout.count(b"\n"), refused.returncode) == (0, 3, 3)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_during_the_imports(home: Path, name: str) -> None:
    """Before the first, and in the middle of others."""
    planted = (
        "import builtins, os, signal, sys\n"
        "from nplm.cli.main import main\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"
        "real, hit = builtins.__import__, sys.argv.pop(1)\n"
        "def load(name, *rest, **more):\n"
        f"    if name == hit: os.kill(os.getpid(), signal.{name})\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = load\nmain()"
    )
    says = {"SIGINT": "Ctrl-C", "SIGTERM": "SIGTERM", "SIGHUP": "SIGHUP"}[name]
    for module in ("nplm.errors", "nplm.text.vocab"):
        done = process(home, module, "generate", MODEL, code=planted)
        one_line(done, 128 + getattr(signal, name), f"stopped by {says}")


def test_a_signal_that_an_import_would_disguise(home: Path) -> None:
    """As those of compiled modules do: onnxruntime says that its initialization failed."""
    (home / "compiled.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGTERM)\n"
        "except BaseException:\n    raise ImportError('initialization failed')\n",
        encoding="utf-8",
    )
    code = (
        "import time\nfrom nplm.runtime import onnxmodel\n"
        "def open_model(*_):\n    import compiled\n    time.sleep(30)\n"
        f"onnxmodel.open_model = open_model\n{MAIN}"
    )
    one_line(process(home, "generate", MODEL, code=code), 143, "stopped by SIGTERM")


@pytest.mark.parametrize("args", [("generate",), ("score", MODEL), ("dataset", "build"), ("eval",)])
@pytest.mark.usefixtures("home")
def test_a_name_longer_than_file_systems_take(nplm: "Nplm", args: tuple[str, ...]) -> None:
    nplm.refuses(3, *args, "n" * 256, says=("File name too long", "nnn"))


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
def test_a_file_name_that_is_not_utf_8(home: Path) -> None:
    name = b"caf\xe9.txt"
    (Path(os.fsdecode(bytes(home) + b"/" + name))).write_bytes(b"anna\n")
    scored = process(home, "score", MODEL, name)
    assert (scored.returncode, scored.stdout[-5:]) == (0, b"anna\n")
    one_line(process(home, "dataset", "build", name, "--split", "1,0,0"), 3, r"caf\udce9")
    one_line(process(home, "generate", MODEL, "--prefix", b"\xe9"), 3, r"\udce9")


def test_a_file_larger_than_is_allowed(home: Path) -> None:
    """As under `ulimit -f`."""
    (home / "old.txt").write_bytes(b"old\n")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    many = ("generate", MODEL, "-n", "5000")
    with (home / "out.txt").open("wb") as out:
        one_line(process(home, *many, stdout=out, preexec_fn=limit), 3, "File too large")
    done = process(home, *many, "--out", "old.txt", "--force", preexec_fn=limit)
    one_line(done, 3, "old.txt: File too large", "unchanged")
    assert (home / "old.txt").read_bytes() == b"old\n"
    assert not list(home.glob(".old*"))


def test_line_ends_in_names_end_no_line(nplm: "Nplm", home: Path) -> None:
    (home / MODEL).rename(home / "exports" / "a\nb\x1b[31m.onnx")
    assert nplm.ok("generate").err == "using exports/a\\nb\\x1b[31m.onnx\n"
    assert r"a\nb" in nplm.refuses(3, "score", "a\nb.onnx")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("planted"),
        RuntimeError("planted"),
        RecursionError("planted"),
        ImportError("planted"),
        UnicodeEncodeError("utf-8", "planted", 0, 1, "planted"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_bug_stays_a_traceback(
    nplm: "Nplm", monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(onnxmodel, "open_model", raising(error))
    with pytest.raises(type(error), match="planted"):
        nplm("generate", MODEL)


def test_a_bug_shows_itself_where_there_is_no_stdout(home: Path) -> None:
    code = (
        "from nplm.runtime import onnxmodel\n"
        f"def planted(*_):\n    raise ValueError('planted')\nonnxmodel.open_model = planted\n{MAIN}"
    )
    done = process(home, "generate", MODEL, code=code, preexec_fn=closing(1))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == b"ValueError: planted"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail]\nDefaultCPUAllocator: can't allocate memory: you tried 9"),
        ImportError("libopenblas.so: failed to map segment from shared object"),
        ImportError("std::bad_alloc"),
    ],
)
@pytest.mark.usefixtures("home")
def test_want_of_memory(nplm: "Nplm", monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(onnxmodel, "open_model", raising(error))
    nplm.refuses(3, "generate", MODEL, says=("there is not enough memory",))


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


@pytest.mark.training
@pytest.mark.parametrize("size", [("--embedding-size", "--hidden-size"), ("--hidden-size",)])
@pytest.mark.usefixtures("home")
def test_a_network_larger_than_memory(nplm: "Nplm", size: tuple[str, ...]) -> None:
    options = [word for option in size for word in (option, "1048576")]
    nplm.refuses(2, "train", *options, says=("--networks 1", "--hidden-size 1048576", "parameters"))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("megabytes", ["nan", "inf", "-1", "1e308", "1" + 400 * "0"])
def test_memory_that_nobody_has(nplm: "Nplm", megabytes: str) -> None:
    nplm.refuses(2, "generate", MODEL, f"--cache-mb={megabytes}", says=("--cache-mb",))
    nplm.refuses(2, "dataset", "build", f"--max-mb={megabytes}", "--force", says=("--max-mb",))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "command",
    [
        *("generate -n", "generate --top-k", "dataset build --min-count"),
        pytest.param("train --steps", marks=pytest.mark.training),
    ],
)
def test_a_number_of_hundreds_of_digits(nplm: "Nplm", command: str) -> None:
    said = nplm.refuses(2, *command.split(), "1" + 400 * "0", says=("a number of 400 digits",))
    assert command.rsplit(maxsplit=1)[-1] in said


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device")
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", [("score", MODEL), ("dataset", "build", "--out", "zero")])
def test_a_line_without_end(nplm: "Nplm", command: tuple[str, ...]) -> None:
    nplm.refuses(3, *command, "/dev/zero", says=("line 1 is longer than 4,194,304 bytes",))


def test_more_text_than_a_build_takes(nplm: "Nplm") -> None:
    command = ("dataset", "build", "-", "--max-mb", "0.001")
    nplm.refuses(3, *command, stdin=b"anna\n" * 300, says=("stdin has more than 0.001", "--max-mb"))


@pytest.mark.training
def test_a_current_folder_that_is_gone(home: Path) -> None:
    """Torch ends the process at its import there; what needs none works."""
    code = f"import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); {MAIN}"
    one_line(
        process(home, "train", str(home / "data" / "names"), "--out", str(home / "r"), code=code),
        3,
        "the current folder is gone; change to another one",
    )
    done = process(home, "generate", str(home / MODEL), "-n", "2", code=code.replace("gone", "g"))
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 2)


@pytest.mark.training
def test_settings_of_other_programs(trained: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "nowhere"}
    done = process(trained, "plot", "loss", "--out", "x.png", env=environment)
    assert done.returncode == 0, done.stderr


def test_a_long_text_around_what_is_not_utf_8(home: Path) -> None:
    (home / os.fsdecode(b"x\xff.txt")).write_bytes(b"anna\nmaria\n" * 9)
    done = process(home, "dataset", "build", b"x\xff.txt", "--split", "1,0,0")
    one_line(done, 3, "not UTF-8: ", "udcff", "rename what is called so")
    assert len(done.stderr) < 200


@pytest.mark.parametrize("out", [".", "", "/", "data/.."])
@pytest.mark.usefixtures("home")
def test_a_folder_as_a_file_to_write(nplm: "Nplm", out: str) -> None:
    for command in (("generate", MODEL), ("score", MODEL, "data/names.txt")):
        nplm.refuses(3, *command, "--out", out, "--force", says=(" is a folder; choose another",))


def test_an_output_that_is_read(nplm: "Nplm", home: Path) -> None:
    (home / "l").symlink_to(MODEL)
    for command, out in (
        (("generate", MODEL), MODEL),
        (("generate",), MODEL),
        (("generate", MODEL), "l"),
        (("score", MODEL, "data/names.txt"), "l"),
        (("score", MODEL, "data/names.txt"), "data/names.txt"),
    ):
        nplm.refuses(2, *command, "--out", out, "--force", says=(f"--out is {out}, which is read",))


@pytest.mark.training
def test_the_current_folder_as_the_place_of_a_run(nplm: "Nplm", home: Path) -> None:
    for folder in ("run", "again"):
        (home / folder).mkdir()
    inside = replace(nplm, cwd=home / "run")
    assert inside.train("../data/names", "--out", ".").code == 0
    assert inside.train("../data/names", "--out", ".", "--resume").code == 0
    assert (home / "run" / "config.toml").exists()
    inside = replace(nplm, cwd=home / "again")
    for out in (".", "/"):
        inside.refuses(3, "dataset", "build", "../data/names.txt", "--out", out, says=("exists",))
    inside = replace(nplm, cwd=home / "data" / "names")
    inside.ok("dataset", "build", "../names.txt", "--out", ".", "--force")


@pytest.mark.training
def test_a_link_to_nothing_as_the_place_of_a_run(nplm: "Nplm", home: Path) -> None:
    (home / "r").symlink_to("deep/run")
    assert nplm.train("data/names", "--out", "r").code == 0
    assert (home / "deep" / "run" / "config.toml").exists()
    assert (home / "r").is_symlink()
