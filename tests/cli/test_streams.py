"""What holds for every command: streams, signals, colours, missing parts, and the whole tour."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from nplm.cli.tree import app
from nplm.cli.wording import command_of

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

COMMAND = [sys.executable, "-c", "from nplm.cli.main import main; main()"]
MODEL = "exports/names.onnx"


def paths(command: Any, above: str = "") -> Iterator[str]:
    """The words that lead to a command, and those to each command below it."""
    yield above
    for name, below in getattr(command, "commands", {}).items():
        yield from paths(below, f"{above} {name}".strip())


COMMANDS = list(paths(typer.main.get_command(app)))
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")


@pytest.mark.training
@pytest.mark.usefixtures("one_thread")
def test_the_five_commands_run_in_order(nplm: "Nplm", names_file: Path) -> None:
    (nplm.cwd / "data").mkdir()
    (nplm.cwd / "data" / "names.txt").write_bytes(names_file.read_bytes())
    assert nplm.ok("dataset", "build").out == b""
    assert nplm.ok("train", *nplm.tiny).out == b""
    assert "this network" in nplm.ok("eval", "--split", "val").out.decode()
    assert nplm.ok("export", "onnx").out == b""
    generated = nplm.ok("generate", "--runtime", "onnx")
    assert len(generated.lines) == 20
    assert generated.err == f"using {MODEL}\n"


@pytest.mark.parametrize("help_option", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help(nplm: "Nplm", command: str, help_option: str) -> None:
    done = nplm.ok(*command.split(), help_option)
    usage = " ".join(["nplm", *command.split(), "[OPTIONS]"])
    assert usage in " ".join(done.out.decode().split())
    assert done.err == ""


def test_help_is_asked_of_every_command() -> None:
    assert {"", "dataset build", "plot sweep", "suggest"} < set(COMMANDS)
    assert len(COMMANDS) == len(set(COMMANDS)) == 20


def test_help_lists_the_commands_in_the_order_of_the_work(nplm: "Nplm") -> None:
    help_text = nplm.ok("--help").out.decode()
    order = ("dataset", "train", "sweep", "eval", "plot", "report", "export", "generate")
    order += ("score", "top", "suggest", "doctor")
    assert re.findall(r"^\u2502 ([a-z]+) ", help_text, re.MULTILINE) == list(order)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command])
def test_a_command_is_told_of_in_one_line(command: str) -> None:
    """So that the list of the commands above it is one on 80 columns."""
    first, *_ = command_of(typer.main.get_command(app), command.split()).help.splitlines()
    assert len(first) <= 80 - len("| embedding   |")


def test_version(nplm: "Nplm") -> None:
    assert re.fullmatch(rb"nplm \d+\.\d+\S*\n", nplm.ok("--version").out)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("generate --nosuch", "--nosuch"),
        ("generate --tempreature 1", "--temperature"),
        ("generate -n many", "'many'"),
        ("generate -n", "-n"),
        ("generate a b", "b"),
        ("train --steps 1.5", "'1.5'"),
        ("dataset build --split", "--split"),
        ("dataset biuld", "biuld"),
        ("nosuch", "nosuch"),
    ],
)
def test_a_wrong_command_line_gives_one_line(nplm: "Nplm", command: str, says: str) -> None:
    nplm.refuses(2, *command.split(), says=(says,))


@pytest.mark.parametrize(
    "command",
    [
        *("train", "export onnx", "eval", "eval run", "generate --runtime torch"),
        *("sweep data/names --grid seed=1", "plot loss run", "plot embedding", "report run"),
    ],
)
def test_without_the_training_extra(home: Path, command: str) -> None:
    """The message has the exact pip line."""
    missing = "matplotlib" if command in ("plot loss run", "report run") else "torch"
    code = f"import sys; sys.modules[{missing!r}] = None; " + COMMAND[-1]
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=home, capture_output=True, check=False
    )
    line = done.stderr.decode()
    assert (done.returncode, done.stdout) == (4, b""), line
    assert line.startswith("nplm: ")
    assert line.count("\n") == 1
    assert 'pip install "nplm-toolkit[train]"' in line


@pytest.mark.parametrize(
    "command",
    [
        "dataset info data/names",
        "dataset info data/names --json",
        f"eval {MODEL}",
        f"eval {MODEL} --json --split train --split val",
        f"generate {MODEL}",
        f"generate {MODEL} -n 20000",
        f"generate {MODEL} -n 20000 --format jsonl",
        "doctor",
        "--help",
        "--version",
    ],
)
def test_a_closed_pipe_ends_quietly(home: Path, command: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        done = subprocess.run(
            [*COMMAND, *command.split()],
            cwd=home,
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_takes_one_line(home: Path) -> None:
    line = f"{shlex.join(COMMAND)} generate {MODEL} -n 200000 | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=home, capture_output=True, check=False)
    _, status = done.stdout.decode().splitlines()
    assert (status, done.stderr) == ("0", b"")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("command", "code", "coloured"),
    [
        ("--help", 0, True),
        ("train --help", 0, True),
        ("dataset info", 0, False),
        (f"eval {MODEL}", 0, False),
        ("doctor", 0, False),
        ("generate --top-k 0", 2, False),
    ],
)
def test_no_colour_where_it_is_not_wanted(
    nplm: "Nplm", monkeypatch: pytest.MonkeyPatch, command: str, code: int, coloured: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    done = nplm(*command.split())
    assert done.code == code
    assert bool(COLOUR.search(done.out.decode() + done.err)) == coloured
    monkeypatch.setenv("NO_COLOR", "1")
    done = nplm(*command.split())
    assert done.code == code
    assert not COLOUR.search(done.out.decode() + done.err)


@pytest.mark.usefixtures("home")
def test_nothing_but_text_where_there_is_no_terminal(nplm: "Nplm") -> None:
    for command in ("dataset info", f"eval {MODEL}", "doctor", "generate", "--help"):
        done = nplm.ok(*command.split())
        assert b"\x1b" not in done.out
        assert "\x1b" not in done.err


@pytest.mark.training
@pytest.mark.usefixtures("one_thread", "home")
def test_progress_only_on_a_terminal_and_without_colour_if_asked(
    nplm: "Nplm", home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it moves: the last bar is of all steps, with a loss and the last val."""
    command = ("train", *nplm.tiny, "--force")
    quiet = nplm.ok(*command).err
    assert "steps/s" not in quiet
    assert "\x1b" not in quiet
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    shown = nplm.ok(*command).err
    assert "steps/s" in shown
    assert COLOUR.search(shown)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = nplm.ok(*command)
    bar = r"step (\d+)/60 +\S* +loss (\S+)  val (\S+) [\d,]+ steps/s"
    first, *_, last = re.findall(bar, plain.err)
    assert first == ("0", "-", "-")
    logged = (home / "checkpoints" / "names" / "metrics.jsonl").read_bytes()
    val = json.loads(logged.splitlines()[-1])["val_nats_per_symbol"]
    assert (last[0], last[2]) == ("60", f"{val:.4f}")
    assert 2 < float(last[1]) < 3.5
    assert not COLOUR.search(plain.err)
    assert plain.out == b""


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_file_of_strings_has_a_bar_on_a_terminal(
    nplm: "Nplm", home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    command = ("generate", MODEL, "-n", "30", "--force", "--out")
    assert nplm.ok(*command, home / "quiet.txt").err == ""
    monkeypatch.setenv(variable, "1")  # as on a terminal
    assert "30/30" in nplm.ok(*command, home / "shown.txt").err
    assert "\x1b" not in nplm.ok(*command, "-").err
    assert (home / "shown.txt").read_bytes() == (home / "quiet.txt").read_bytes()
    monkeypatch.setenv(variable, "0" if variable == "TTY_COMPATIBLE" else "")
    assert nplm.ok(*command, home / "quiet.txt").err == ""


def test_data_in_an_encoding_that_lacks_its_symbols(home: Path) -> None:
    """Strings leave as UTF-8, whatever the terminal says it can show."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    text = "\u65e5\u672c\n\u00e9\n"
    build = ("dataset", "build", "-", "--split", "1,0,0", "--out", "odd")
    for command in (build, ("dataset", "info", "odd"), ("dataset", "info", "odd", "--json")):
        done = subprocess.run(
            [*COMMAND, *command],
            cwd=home,
            input=text.encode(),
            env=environment,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        assert ("\u65e5" in done.stdout.decode("utf-8")) == (command is not build)


@contextmanager
def started(
    home: Path, *args: str, env: dict[str, str] | None = None, ignore: int = 0
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of the command that does not outlive the test."""
    command = [*COMMAND, *args]
    pipe = subprocess.PIPE

    def set_signals() -> None:
        # A shell's background job hands on an ignored SIGINT, which Python then leaves ignored.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number == ignore else signal.SIG_DFL)

    with subprocess.Popen(
        command,
        cwd=home,
        env=env,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=set_signals,  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: "subprocess.Popen[bytes]", number: int = signal.SIGINT) -> tuple[bytes, str]:
    """Ctrl-C or the like: stdout and stderr of a process that then ends by itself."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return out, err.decode()


@pytest.mark.training
@pytest.mark.usefixtures("one_thread")
def test_an_interrupted_run_is_saved_and_goes_on(
    nplm: "Nplm", home: Path, process_environment: dict[str, str]
) -> None:
    """The command it names is typed as it stands; the end is that of an uninterrupted run."""
    options = ("data/names", *nplm.tiny, "--steps", "2000", "--eval-every", "500")
    with started(home, "train", *options, env=process_environment) as process:
        assert process.stderr is not None
        assert b"parameters" in process.stderr.readline()
        time.sleep(0.05)
        out, err = interrupt(process)
    assert (process.returncode, out) == (130, b""), err
    (line,) = err.splitlines()
    found = re.fullmatch(r"nplm: stopped, .*checkpoints/names; go on: nplm (.*--resume)", line)
    assert found
    nplm.refuses(3, "eval", says=("no finished run",))
    resumed = nplm.ok(*shlex.split(found[1]))
    assert re.search(r"from step \d+", resumed.err)
    assert "next: nplm export onnx" in resumed.err
    nplm.ok("train", *options, "--out", "whole")
    losses = (home / "whole" / "batch_loss.f32").read_bytes()
    assert len(losses) == 4 * 2000
    assert (home / "checkpoints" / "names" / "batch_loss.f32").read_bytes() == losses


def wait_for_strings(home: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until some are in a file that is not whole yet."""
    deadline = time.monotonic() + 20
    # numpy loses a Ctrl-C that meets the import of its generators.
    while not any(path.stat().st_size for path in home.glob(".*.txt.*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_stream_leaves_the_old_file(home: Path, number: int) -> None:
    (home / "old.txt").write_bytes(b"old\n")
    endless = ("generate", MODEL, "-n", "100000000", "--out", "old.txt", "--force")
    with started(home, *endless) as process:
        wait_for_strings(home, process)
        out, err = interrupt(process, number)
    assert (process.returncode, out) == (128 + number, b"")
    assert re.fullmatch("nplm: stopped by .*\n", err)
    assert (home / "old.txt").read_bytes() == b"old\n"
    assert not list(home.glob(".old.txt.*"))


def test_a_hang_up_that_nohup_ignores(home: Path) -> None:
    endless = ("generate", MODEL, "-n", "100000000", "--out", "new.txt")
    with started(home, *endless, ignore=signal.SIGHUP) as process:
        wait_for_strings(home, process)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        interrupt(process, signal.SIGTERM)
    assert process.returncode == 143
    assert not list(home.glob("*.txt*"))


@pytest.mark.training
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_ended_is_saved(
    nplm: "Nplm", home: Path, process_environment: dict[str, str], number: int
) -> None:
    command = ("train", "data/names", *nplm.tiny, "--steps", "1000000")
    with started(home, *command, env=process_environment) as process:
        assert process.stderr is not None
        assert b"parameters" in process.stderr.readline()
        _, err = interrupt(process, number)
    assert process.returncode == 128 + number
    assert re.fullmatch(r"nplm: stopped, everything is saved .*\n", err)
