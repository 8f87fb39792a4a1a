"""`nplm sweep`: with real processes where they matter, in this process otherwise."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nplm.cli.sweep import parse_grid
from nplm.errors import UsageError

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "home")]
OUT = "checkpoints/names-sweep"
SMALL = (
    *("--block-size", "2", "--embedding-size", "3", "--hidden-size", "8", "--layers", "1"),
    *("--batch-size", "32", "--eval-every", "10", "--optimizer", "sgd"),
)
FIXED = (*SMALL, "--steps", "20")
Same = Callable[[Path, Path], bool]
COMMAND = [sys.executable, "-c", "from nplm.cli.main import main; main()"]


def records(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "sweep.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def rows(table: bytes) -> list[list[str]]:
    """The cells of a printed table, without its heading."""
    lines = [line.split("\u2502")[1:-1] for line in table.decode().splitlines()]
    return [[cell.strip() for cell in line] for line in lines if line]


def tables(folder: Path) -> dict[str, Any]:
    """A run's settings."""
    kept = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    return {part: kept[part] for part in ("preset", "model", "train", "mixture")}


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("serial")
def test_a_grid_is_ranked(nplm: "Nplm", home: Path, same_weights: Same) -> None:
    """The table, the lines and the picture; again, nothing is repeated; and the winner alone."""
    command = ("sweep", *FIXED, "--grid", "learning-rate=1e38,0.01,0.3")
    done = nplm.ok(*command)
    lines = records(home / OUT)
    assert [line["values"]["learning_rate"] for line in lines] == [0.3, 0.01, 1e38]
    assert [line["status"] for line in lines] == ["done", "done", "diverged"]
    assert lines[0]["val_nats_per_symbol"] < lines[1]["val_nats_per_symbol"] < 3.5
    assert (home / OUT / "sweep.png").read_bytes().startswith(b"\x89PNG")
    found = rows(done.out)
    assert [row[0] for row in found] == ["0.3", "0.01", "1e+38"]
    assert [row[1] for row in found[:2]] == [f"{v['val_nats_per_symbol']:.4f}" for v in lines[:2]]
    assert "diverged" in found[2][1]
    assert f"{OUT}/sweep.jsonl, {OUT}/sweep.png" in done.err

    before = times(home / OUT / "trials")
    again = nplm.ok(*command)
    assert (again.out, times(home / OUT / "trials")) == (done.out, before)

    picked = nplm.ok(*command, "--pick")
    (line,) = picked.lines
    program, *words = shlex.split(line)
    assert (program, words[:2]) == ("nplm", ["train", "data/names"])
    nplm.ok(*words, "--out", "winner", "--device", "cpu")
    chosen = home / OUT / "trials" / "learning_rate=0.3"
    assert tables(home / "winner") == tables(chosen)
    one, two = ((folder / "batch_loss.f32").read_bytes() for folder in (home / "winner", chosen))
    assert one == two
    assert same_weights(home / "winner", chosen)
    assert nplm.ok("plot", "sweep", "--out", "again.png").err.startswith(f"using {OUT}\n")
    assert (home / "again.png").read_bytes() == (home / OUT / "sweep.png").read_bytes()


def test_two_processes(nplm: "Nplm", home: Path) -> None:
    """An n-gram takes no steps, so no process imports an optimiser."""
    done = nplm.ok("sweep", "--preset", "ngram", "--grid", "order=2,3", "--workers", "2")
    assert sorted(row[0] for row in rows(done.out)) == ["2", "3"]
    assert [line["status"] for line in records(home / OUT)] == ["done", "done"]


def default_signals() -> None:
    """A shell's background job hands on an ignored SIGINT, which then stays ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def interrupted(
    home: Path,
    environment: dict[str, str],
    *args: str,
    ready: Any,
    group: bool,
    number: int = signal.SIGINT,
) -> tuple[int, str]:
    """Ctrl-C or the like as soon as it is `ready`, to the process or to all of its group.

    Returns:
        Its code, and stderr once no process has that any more.
    """
    with subprocess.Popen(
        [*COMMAND, "sweep", *SMALL, *args],
        cwd=home,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=default_signals,  # noqa: PLW1509
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not ready():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            if group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, err.decode()


def test_ctrl_c_keeps_what_ended(home: Path, process_environment: dict[str, str]) -> None:
    results = home / OUT / "sweep.jsonl"
    options = ("--grid", "steps=20,1000000", "--workers", "1")  # a second one costs seconds
    code, err = interrupted(
        home,
        process_environment,
        *options,
        ready=lambda: results.exists() and results.read_bytes(),
        group=False,
    )
    assert (code, err.splitlines()[1:]) == (
        *(130, ["nplm: stopped after 1 of 2 trials; the same command goes on, without --force"]),
    )
    assert [line["values"] for line in records(home / OUT)] == [{"steps": 20}]
    assert (home / OUT / "trials" / "steps=1000000" / "last.safetensors").exists()


def test_workers_end_with_their_parent(home: Path, process_environment: dict[str, str]) -> None:
    """Even where it could not tell them; they save, and the same command goes on."""
    trial = home / OUT / "trials" / "steps=1000000"
    code, err = interrupted(
        home,
        process_environment,
        *("--grid", "steps=1000000", "--workers", "1"),
        ready=(trial / "batch_loss.f32").exists,
        group=False,
        number=signal.SIGKILL,
    )
    assert code == -signal.SIGKILL
    assert "Traceback" not in err
    assert (trial / "last.safetensors").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_of_the_terminal_while_processes_start(
    home: Path, process_environment: dict[str, str], number: int
) -> None:
    """There every process gets it, those too that are still importing."""
    results = home / OUT / "sweep.jsonl"

    def ready() -> bool:
        if results.exists():
            time.sleep(0.7)
        return results.exists()

    options = ("--grid", "steps=1000000,1000001", "--workers", "1")
    code, err = interrupted(
        home, process_environment, *options, ready=ready, group=True, number=number
    )
    assert "Traceback" not in err
    assert code == 128 + number
    assert re.fullmatch("using data/names\nnplm: stopped after 0 of 2 trials; .*\n", err)
    assert records(home / OUT) == []


@pytest.mark.parametrize(
    ("texts", "grid"),
    [
        (["learning-rate=0.1,1"], {"learning_rate": [0.1, 1.0]}),
        (["--hidden-size=8, 16"], {"hidden_size": [8, 16]}),
        (["hidden_size=8,8,8"], {"hidden_size": [8]}),
        (["batch-size=32,full", "ngram=true,false"], {"batch_size": [32, "full"], "ngram": [1, 0]}),
    ],
)
def test_the_text_of_a_grid(texts: list[str], grid: dict[str, list[Any]]) -> None:
    assert parse_grid(texts, {}) == grid


def test_given_twice() -> None:
    with pytest.raises(UsageError, match="seed is given twice"):
        parse_grid(["seed=1", "seed=2"], {})
    with pytest.raises(UsageError, match="seed is given twice"):
        parse_grid(["seed=1"], {"seed": 2})


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ("learning-rat=0.1", "did you mean learning-rate?"),
        ("preset=best", "unknown setting 'preset'"),
        ("device=cpu", "unknown setting 'device'"),
        ("learning-rate", "NAME=VALUE"),
        ("learning-rate=", "NAME=VALUE"),
        ("=1", "unknown setting"),
        ("learning-rate=0.1,fast", "'fast'"),
        ("learning-rate=0.1,,1", "''"),
        ("learning-rate=0.1,-1", "between 0"),
        ("learning-rate=nan", "finite"),
        ("order=1.5", "'1.5'"),
        ("networks=2,17", "between 0 and 16"),
        ("layer-norm=maybe", "true or false"),
        ("activation=tanh,sin", "'sin'"),
        ("hidden-size=8,16", "given twice"),
        ("ngram-weight=0.5", "--preset best"),
    ],
)
def test_a_grid_that_makes_no_sense(nplm: "Nplm", grid: str, says: str) -> None:
    options = ("--grid", "seed=1,2", "--grid", grid)
    nplm.refuses(2, "sweep", "data/names", *FIXED, *options, says=(says,))


def test_no_grid(nplm: "Nplm") -> None:
    nplm.refuses(2, "sweep", "data/names", *FIXED, says=("--grid",))


def test_no_data(nplm: "Nplm", home: Path) -> None:
    grid = ("--grid", "seed=1")
    nplm.refuses(3, "sweep", "no", *FIXED, *grid, says=("no data set in no",))
    shutil.rmtree(home / "data" / "names")
    nplm.refuses(3, "sweep", *FIXED, *grid, says=("data/", "nplm dataset build"))


def test_without_val(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "all", stdin=b"maria\nanna\n")
    nplm.refuses(3, "sweep", "all", *FIXED, "--grid", "seed=1", says=("all has no val split",))


def test_an_output_that_cannot_be_written(nplm: "Nplm", home: Path) -> None:
    (home / "file").write_bytes(b"mine")
    for out in ("file", "file/deep"):
        options = ("--grid", "seed=1", "--out", out)
        nplm.refuses(3, "sweep", *FIXED, *options, says=(out, "--out"))


def test_a_folder_of_something_else(nplm: "Nplm", trained: Path) -> None:
    options = ("--grid", "seed=1", "--out", "checkpoints/names")
    nplm.refuses(3, "sweep", *FIXED, *options, says=("is not a sweep", "--out"))
    nplm.refuses(3, "sweep", *FIXED, *options, "--force", says=("is not a sweep", "--out"))
    assert (trained / "checkpoints" / "names" / "model.safetensors").exists()


@pytest.mark.usefixtures("serial")
class TestSerial:
    """One trial after the other in this process."""

    def test_every_trial_diverged(self, nplm: "Nplm", home: Path) -> None:
        command = ("sweep", *FIXED, "--grid", "learning-rate=1e38")
        done = nplm.ok(*command)
        assert rows(done.out) == [["1e+38", "diverged", "-", "0", "0.0"]]
        assert (home / OUT / "sweep.png").exists()
        picked = nplm(*command, "--pick")
        assert (picked.code, picked.out) == (3, b"")
        assert "every trial diverged" in picked.err.splitlines()[-1]

    def test_words_and_the_diverged(self, nplm: "Nplm") -> None:
        rate = ("--learning-rate", "1e38", "--schedule", "constant")
        options = ("--grid", "optimizer=sgd", "--grid", "layer-norm=true,false")
        done = nplm.ok("sweep", *SMALL[:-2], "--steps", "20", *rate, *options)
        assert sorted(row[:3] for row in rows(done.out)) == [
            *(["sgd", "False", "diverged"], ["sgd", "True", "diverged"]),
        ]

    def test_two_settings_out_and_force(self, nplm: "Nplm", home: Path) -> None:
        grid = ("--grid", "seed=1,2", "--grid", "batch-size=8,full", "--out", "s w")
        fixed = [w for w in FIXED if w not in {"--batch-size", "32"}]
        done = nplm.ok("sweep", "data/names", *fixed, *grid)
        found = rows(done.out)
        assert sorted(row[:2] for row in found) == [
            *(["1", "8"], ["1", "full"], ["2", "8"], ["2", "full"]),
        ]
        assert [float(row[2]) for row in found] == sorted(float(row[2]) for row in found)
        says = ("other settings", "--out", "--force")
        done = nplm("sweep", *fixed, *grid, "--layers", "2")
        assert done.code == 3
        assert all(part in done.err for part in says)
        before = times(home / "s w" / "trials")
        nplm.ok("sweep", *fixed, *grid, "--layers", "2", "--force")
        assert not set(before.values()) & set(times(home / "s w" / "trials").values())
        assert [line["config"]["model"]["layers"] for line in records(home / "s w")] == [2] * 4

    def test_the_fixed_part_is_flags_over_file_over_preset(self, nplm: "Nplm", home: Path) -> None:
        (home / "mine.toml").write_text("hidden_size = 12\nseed = 7\nlayers = 1\n", "utf-8")
        options = ("--preset", "classic", "--config", "mine.toml", "--steps", "10", "--pick")
        picked = nplm.ok("sweep", *options, "--seed", "8", "--grid", "layers=2")
        words = " ".join(picked.lines[0].split()[3:])
        assert words == "--preset classic --hidden-size 12 --layers 2 --steps 10 --seed 8"

    def test_picked_words_need_no_care(self, nplm: "Nplm", home: Path) -> None:
        (home / "data" / "names").rename(home / "data" / "it's $mine")
        picked = nplm.ok(
            "sweep", "data/it's $mine", *FIXED, "--grid", "learning-rate=0.1", "--pick"
        )
        assert shlex.split(picked.lines[0])[:3] == ["nplm", "train", "data/it's $mine"]

    def test_another_grid_leaves_the_folder_as_it_was(self, nplm: "Nplm", home: Path) -> None:
        nplm.ok("sweep", *FIXED, "--grid", "seed=1")
        before = (home / OUT / "sweep.jsonl").read_bytes()
        says = ("using data/names", "other settings", "--out", "--force")
        done = nplm("sweep", *FIXED, "--grid", "learning-rate=0.1")
        assert (done.code, done.out) == (3, b"")
        assert all(part in done.err for part in says)
        assert (home / OUT / "sweep.jsonl").read_bytes() == before
        assert [path.name for path in (home / OUT / "trials").iterdir()] == ["seed=1"]
        nplm.ok("plot", "sweep", "--out", "a.png")
        assert (home / "a.png").read_bytes() == (home / OUT / "sweep.png").read_bytes()

    def test_a_stopped_force_says_where_it_goes_on(
        self, nplm: "Nplm", home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextmanager
        def stopped() -> Iterator[Callable[[], bool]]:
            yield lambda: True

        nplm.ok("sweep", *FIXED, "--grid", "seed=1")
        old = (home / OUT / "sweep.jsonl").read_bytes()
        grid = ("--grid", "seed=2,3")
        with monkeypatch.context() as patch:
            patch.setattr("nplm.cli.sweep.stop_on_signal", stopped)
            patch.setattr("nplm.runs.sweep._run", lambda *_: None)
            done = nplm("sweep", *FIXED, *grid, "--force")
        assert done.code == 130
        says = f"the same command goes on, without --force and with --out {OUT}.new\n"
        assert done.err.endswith(says)
        assert (home / OUT / "sweep.jsonl").read_bytes() == old
        done = nplm.ok("sweep", *FIXED, *grid, "--out", f"{OUT}.new")
        assert f"nplm eval {OUT}/trials/seed=" in done.err
        assert [line["values"]["seed"] for line in records(home / OUT)] in ([2, 3], [3, 2])
        assert not (home / f"{OUT}.new").exists()
        (home / OUT / "mine.txt").touch()
        nplm.refuses(3, "sweep", *FIXED, *grid, "--force", says=("holds mine.txt", "--out"))

    def test_force_deletes_nothing_before_it_can_begin(self, nplm: "Nplm", home: Path) -> None:
        grid = ("--grid", "seed=1", "--out", OUT, "--force")
        nplm.ok("sweep", *FIXED, *grid)
        nplm.refuses(3, "sweep", "no", *FIXED, *grid, says=("no data set in no",))
        nplm.refuses(2, "sweep", *FIXED, *grid, "--layers", "17", says=("layers",))

    def test_nothing_but_the_table_on_stdout(self, nplm: "Nplm") -> None:
        done = nplm.ok("sweep", *FIXED, "--grid", "seed=1")
        top, *_, caption = done.lines
        assert (top[0], caption.split()[-1]) == ("\u250f", "steps")
        assert len(rows(done.out)) == 1
        assert not re.search(r"\x1b", done.out.decode() + done.err)
        assert done.err.splitlines() == [
            "using data/names",
            f"{OUT}/sweep.jsonl, {OUT}/sweep.png",
            f"the winner is trained already: nplm eval {OUT}/trials/seed=1",
        ]
