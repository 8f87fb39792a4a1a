"""What `benchmarks/compare.py` makes of the figures of two sides, and how it times a process."""

import json
import math
import os
from pathlib import Path

import pytest

import compare
from comparison import Figure, collect, header, rows
from curve import Evaluation, best_val, read_curve, seconds_until
from measurements import LONG, MEASUREMENTS, Bench
from models import Models
from processes import Side, timed
from sections import machine, print_table, spread

SECONDS, NATS, HASH = Figure("whole", "s"), Figure("val", "nats"), Figure("output", "hash")


def test_a_curve() -> None:
    evaluations = [(0.5, 2.5), (1.0, 2.1), (1.5, 2.2)]
    lines = [
        {"step": k, "train_seconds": seconds, "val_nats_per_symbol": val, "learning_rate": 0.1}
        for k, (seconds, val) in enumerate(evaluations)
    ]
    curve = read_curve("".join(json.dumps(line) + "\n" for line in lines))
    assert curve == [Evaluation(seconds, val) for seconds, val in evaluations]
    assert best_val(curve) == 2.1
    assert seconds_until(curve, 2.5) == 0.5
    assert seconds_until(curve, 2.2) == 1.0
    assert math.isinf(seconds_until(curve, 2.0))


def test_rows_are_medians_and_the_ratio_is_of_one_round() -> None:
    """Had it been of the medians, the ratio would have been 1."""
    rounds = [{SECONDS: (2.0, 4.0)}, {SECONDS: (4.0, 8.0)}, {SECONDS: (9.0, 3.0)}]
    assert rows("x", collect(rounds)) == [
        ["x", "whole, s", "4.000", "4.000", "2.00 (0.33 to 2.00)"],
    ]


def test_rows_of_other_units() -> None:
    one = {NATS: (2.0935, 2.09), HASH: (255.0, 255.0), SECONDS: (1.0, math.inf)}
    other = {**one, HASH: (255.0, 1.0)}
    assert rows("x", collect([one])) == [
        ["x", "val, nats", "2.0935", "2.0900", "-0.0035"],
        ["x", "output", "000000ff", "000000ff", "equal"],
        ["x", "whole, s", "1.000", "never", "-"],
    ]
    assert rows("x", collect([one, other]))[1][-1] == "different"
    (row,) = rows("x", collect([{SECONDS: (2.0, 1.0)}]))
    assert row[-1] == "0.50"


def test_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(header("abc"), [["x", "whole, s", "1", "2", "2.00"]])
    assert capsys.readouterr().out.splitlines() == [
        "| measurement | figure | abc | working tree | working tree / abc |",
        "| --- | --- | --- | --- | --- |",
        "| x | whole, s | 1 | 2 | 2.00 |",
    ]
    assert spread([1.0, 2.0, 3.0], 1) == "2.0 (1.0 to 3.0)"
    assert spread([1.25], 2) == "1.25"


@pytest.mark.training
def test_the_machine_is_named() -> None:
    assert " cores, Python 3." in machine()


def test_sides_take_turns(tmp_path: Path) -> None:
    before, after = Side(tmp_path / "a", tmp_path), Side(tmp_path / "b", tmp_path)
    bench = Bench((before, after), Models(tmp_path, before), 1, 1)
    calls: list[str] = []

    def measure(side: Side) -> str:
        calls.append(side.source.name)
        return side.source.name

    assert [bench.both(turn, measure) for turn in range(2)] == [("a", "b")] * 2
    assert calls == ["a", "b", "b", "a"]


def test_what_is_long_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(LONG) < set(MEASUREMENTS)
    assert compare.chosen(compare.parse(["HEAD"])) == [n for n in MEASUREMENTS if n not in LONG]
    assert compare.chosen(compare.parse(["HEAD", "--all"])) == list(MEASUREMENTS)
    assert compare.chosen(compare.parse(["HEAD", "--only", "unique", "start"])) == [
        "unique",
        "start",
    ]
    with pytest.raises(SystemExit):
        compare.parse(["HEAD", "--only", "nothing"])
    assert "nothing" in capsys.readouterr().err


def test_a_process_is_timed(tmp_path: Path) -> None:
    side = Side(tmp_path / "src", tmp_path)
    script = "import os; print(os.environ['PYTHONPATH'], os.getcwd())"
    usage = side.python("-c", script)
    assert usage.printed.split() == [str(tmp_path / "src"), str(tmp_path)]
    assert usage.peak_mb > 1
    assert usage.cpu_seconds > 0
    assert usage.seconds > 0


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"ended with 3:\nno such thing"):
        timed(["sh", "-c", "echo no such thing >&2; exit 3"], tmp_path, dict(os.environ))
