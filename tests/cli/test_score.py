"""`nplm score` and `nplm suggest`, and what `generate` leaves out."""

import json
import math
import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Nplm


@pytest.fixture
def model(tiny_model: "Path") -> str:
    return str(tiny_model)


def test_score_of_stdin(nplm: "Nplm", model: str) -> None:
    done = nplm.ok("score", model, "-", stdin=b"anna\n\nzzzq\n")
    rows = [line.split("\t") for line in done.out.decode().splitlines()]
    assert [row[-1] for row in rows] == ["anna", "zzzq"]
    assert float(rows[0][0]) < float(rows[1][0])
    assert rows[0][2:4] == ["5", "0"]
    assert float(rows[0][1]) == pytest.approx(float(rows[0][0]) / 5, abs=1e-6)


def test_score_as_json(nplm: "Nplm", model: str) -> None:
    (nplm.cwd / "f.txt").write_text("anna\na\u00f1a\n", encoding="utf-8")
    done = nplm.ok("score", model, "f.txt", "--format", "jsonl", "--per-symbol")
    known, odd = map(json.loads, done.out.decode().splitlines())
    assert known["nats"] == pytest.approx(sum(known["per_symbol"]))
    assert known["bits_per_symbol"] == pytest.approx(known["nats_per_symbol"] / math.log(2))
    assert known["perplexity"] == pytest.approx(math.exp(known["nats_per_symbol"]))
    assert (odd["nats"], odd["unknown"], odd["per_symbol"][1]) == (None, 1, None)


def test_score_takes_the_file_alone(nplm: "Nplm", model: str) -> None:
    (nplm.cwd / "exports").mkdir()
    shutil.copy(model, nplm.cwd / "exports" / "m.onnx")
    (nplm.cwd / "f.txt").write_bytes(b"anna\n")
    done = nplm.ok("score", "f.txt")
    assert done.out.endswith(b"\tanna\n")
    assert "using exports/m.onnx" in done.err


def test_score_of_what_is_not_utf_8(nplm: "Nplm", model: str) -> None:
    (nplm.cwd / "f.txt").write_bytes(b"anna\nb\xff\nc\n")
    nplm.refuses(3, "score", model, "f.txt", "--out", "o.txt", says=("line 2", "--errors skip"))
    assert not (nplm.cwd / "o.txt").exists()
    done = nplm.ok("score", model, "f.txt", "--errors", "skip")
    assert len(done.out.splitlines()) == 2
    assert "1 lines were not UTF-8" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("score", "f.txt", "--format", "xml"), 2, "--format"),
        (("score", "f.txt", "--errors", "drop"), 2, "--errors"),
        (("score", "none.txt"), 3, "none.txt"),
        (("suggest", "a\u00f1"), 3, "never saw"),
        (("suggest", "a", "-n", "0"), 2, "-n"),
        (("suggest", "abcd", "--max-length", "3"), 7, "prefix"),
        (("generate", "--unique", "--max-length", "1", "-n", "100"), 7, "only 26 of 100"),
    ],
)
def test_what_is_refused(
    nplm: "Nplm", model: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    (nplm.cwd / "f.txt").write_bytes(b"anna\n")
    command, *rest = arguments
    done = nplm(command, model, *rest)
    assert done.code == code
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_suggest(nplm: "Nplm", model: str) -> None:
    found = json.loads(nplm.ok("suggest", model, "mar", "-n", "4", "--json").out)
    assert [len(found[key]) for key in ("next_symbols", "completions")] == [4, 4]
    assert all(c["text"].startswith("mar") for c in found["completions"])
    shown = nplm.ok("suggest", model, "mar", "-n", "4").out.decode()
    assert all(c["text"] in shown for c in found["completions"])


def test_novel_and_seen(nplm: "Nplm", model: str) -> None:
    options = ("--max-length", "4", "--format", "jsonl", "-n", "200")
    every = nplm.ok("generate", model, *options).out.decode().splitlines()
    novel = nplm.ok("generate", model, *options, "--novel").out.decode().splitlines()
    assert any(json.loads(line)["seen"] for line in every)
    assert not any(json.loads(line)["seen"] for line in novel)
    assert len(novel) == 200
