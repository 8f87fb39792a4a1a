"""`nplm score --rank` and `nplm eval --p-values`."""

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Nplm

RANKS = ["rank", "rank_error", "typicality", "p_value"]
QUICK = ("--sample", "20000")


@pytest.fixture
def model(signed_model: "Path") -> str:
    return str(signed_model)


def test_columns_stand_before_the_string(nplm: "Nplm", model: str) -> None:
    options = ("score", model, "-", "--per-symbol")
    plain = nplm.ok(*options, stdin=b"anna\n\na!\n")
    done = nplm.ok(*options, "--rank", stdin=b"anna\n\na!\n")
    assert "compared with 100,000 strings of the model's own" in done.err
    assert "compared" not in plain.err
    for line, before in zip(done.lines, plain.lines, strict=True):
        cells, rest = line.split("\t"), before.split("\t")
        assert (cells[:5], cells[9]) == (rest[:5], rest[5])
        assert all(math.isfinite(float(cell)) or cell in ("inf", "nan") for cell in cells[5:9])


def test_json_is_valid(nplm: "Nplm", model: str) -> None:
    """Python's own reader takes NaN: here it may not."""
    text = f"anna\n\na!\n{'q' * 400}\n"
    options = ("score", model, "-", "--format", "jsonl")
    plain = nplm.ok(*options, stdin=text.encode()).lines
    done = nplm.ok(*options, "--rank", *QUICK, stdin=text.encode())
    rows = [json.loads(line, parse_constant=pytest.fail) for line in done.lines]
    for row, before in zip(rows, map(json.loads, plain), strict=True):
        assert list(row) == [*before, *RANKS]
        assert {key: row[key] for key in before} == before
    known, blank, unseen, long = ([row[key] for key in RANKS] for row in rows)
    assert None not in known
    assert blank[0] is not None
    assert (unseen[:3], 0 < unseen[3] < 0.001) == ([None, None, 0], True)
    assert long[2:] == [0, None]


def test_threshold(nplm: "Nplm", model: str) -> None:
    text = b"anna\nxqzzv\n" + b"q" * 300 + b"\n"
    options = ("score", model, "-", *QUICK, "--format", "jsonl")
    every = [json.loads(line) for line in nplm.ok(*options, stdin=text).lines]
    some = [json.loads(line) for line in nplm.ok(*options, "--threshold", ".02", stdin=text).lines]
    assert [row["p_value"] and row["p_value"] < 0.02 for row in every] == [False, True, None]
    assert some == every[1:]  # what is not known is not hidden
    none = nplm.ok("score", model, "-", *QUICK, "--threshold", "1e-9", stdin=b"anna\nxqzzv\n")
    assert none.out == b""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--threshold", "2"), "--threshold is 2; it must be between 0 and 1"),
        (("--threshold", "0"), "--threshold is 0"),
        (("--threshold", "-1"), "--threshold is -1"),
        (("--threshold", "nan"), "--threshold is nan"),
        (("--sample", "999"), "--sample is 999"),
    ],
)
def test_what_is_refused(nplm: "Nplm", model: str, options: tuple[str, ...], says: str) -> None:
    nplm.refuses(2, "score", model, "-", *options, says=(says,), stdin=b"anna\n")


def test_p_values_of_a_split(nplm: "Nplm", home: "Path") -> None:
    options = ("eval", "exports/names.onnx", "--data", "data/names", "--split", "train", "--json")
    plain = nplm.ok(*options).json
    found = nplm.ok(*options, "--p-values").json
    shares = found.pop("p_values")
    assert found == plain
    scored = nplm.ok(
        "score", "exports/names.onnx", "-", "--rank", "--format", "jsonl", stdin=_texts(home)
    )
    p_values = [json.loads(line)["p_value"] for line in scored.lines]
    known = np.array([p for p in p_values if p is not None])
    assert shares == {
        "below_0.01": np.mean(known < 0.01),
        "below_0.05": np.mean(known < 0.05),
        "strings": len(known),
        "sample": 100_000,
    }
    shown = nplm.ok(*options[:-1], "--p-values").out.decode()
    assert "train p-values: " in shown


def _texts(home: "Path") -> bytes:
    from nplm.text.datafolder import load

    return "".join(f"{text}\n" for text in load(home / "data" / "names").texts("train")).encode()


def test_lengths_without_a_p_value_are_counted(nplm: "Nplm", model: str, home: "Path") -> None:
    (home / "list.txt").write_text("q" * 200 + "\nanna\n", encoding="utf-8")
    done = nplm.ok("score", model, home / "list.txt", "--threshold", "1e-9", "--sample", "1000")
    assert len(done.out.splitlines()) == 1
    assert "no p-value is known of their length, printed too: 1 line" in done.err
