"""A short, seeded pass of `make fuzz`; and that a fault would be seen."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from fuzz import run
from fuzz.target import Target
from nplm.errors import DataError


def options(tmp_path: Path, cases: int) -> Namespace:
    return Namespace(share=20.0, first=0, cases=cases, seed="0", current=tmp_path / "current")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Targets run in the tests' own process, whose memory is not for them to limit."""
    monkeypatch.setattr(run, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(run, "_limit_memory", lambda: None)


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    targets = run.targets()
    assert targets
    valid = [target.valid for target in targets.values()]
    tallies = {name: run.run_target(t, valid, options(tmp_path, 40)) for name, t in targets.items()}
    assert {name: tally.faults for name, tally in tallies.items() if tally.faults} == {}


def test_odd_command_lines_end_with_one_line_and_a_code() -> None:
    words = [sys.executable, run.__file__, run.COMMAND_LINE, "--cases", "15", "--seed", "7"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout


def read(path: Path) -> None:
    """Refuses what is not text; breaks where a text has no line end."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError("this is not text") from error
    assert "\n" in text, "no line end"


def test_what_a_reader_does_not_refuse_properly_is_a_fault(tmp_path: Path) -> None:
    target = Target("lines", b"one\ntwo\n", read)
    tally = run.run_target(target, [b"\xff\n"], options(tmp_path, 400))
    assert len(tally.faults) == 1  # of one kind
    number = int(tally.faults[0].split(":")[0].removeprefix("case "))
    kept = (tmp_path / "kept" / f"lines-{number}").read_bytes()
    assert kept == run.content_of(target, [b"\xff\n"], "0", number)
    assert b"\n" not in kept
