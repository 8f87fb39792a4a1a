"""`nplm score` and `nplm suggest`, and what `generate` leaves out."""

import io
import json
import math
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import wire
from nplm.cli.score import _available

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Nplm


@pytest.fixture
def model(signed_model: "Path") -> str:
    return str(signed_model)


def test_score_of_stdin(nplm: "Nplm", model: str) -> None:
    done = nplm.ok("score", model, "-", stdin=b"anna\n\nzzzq\n")
    rows = [line.split("\t") for line in done.out.decode().splitlines()]
    assert [row[-1] for row in rows] == ["anna", "", "zzzq"]  # one score a line, whatever is in it
    assert rows[1][2:4] == ["1", "0"]
    assert float(rows[0][0]) < float(rows[2][0])
    assert rows[0][2:4] == ["5", "0"]
    assert float(rows[0][1]) == pytest.approx(float(rows[0][0]) / 5, abs=1e-6)


def test_score_as_json(nplm: "Nplm", model: str) -> None:
    (nplm.cwd / "f.txt").write_text("anna\na\u00f1a\n\n\u2028\x0c\x85", encoding="utf-8")
    done = nplm.ok("score", model, "f.txt", "--format", "jsonl", "--per-symbol")
    known, odd, blank, marks = map(json.loads, done.lines)
    assert [item["line"] for item in (known, odd, blank, marks)] == [1, 2, 3, 4]
    assert (blank["text"], blank["symbols"]) == ("", 1)
    assert (marks["text"], marks["unknown"]) == ("\u2028\x0c\x85", 3)
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
    lines = nplm.ok("score", model, "f.txt", "--errors", "skip", "--format", "jsonl").lines
    assert [json.loads(line)["line"] for line in lines] == [1, 3]
    nplm.refuses(3, "score", model, "f.txt", "--out", "o.txt", says=("line 2", "--errors skip"))
    assert not (nplm.cwd / "o.txt").exists()
    done = nplm.ok("score", model, "f.txt", "--errors", "skip")
    assert len(done.out.splitlines()) == 2
    assert "not UTF-8, left out: 1 line\n" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("score", "f.txt", "--format", "xml"), 2, "--format"),
        (("score", "f.txt", "--errors", "drop"), 2, "--errors"),
        (("score", "none.txt"), 3, "none.txt"),
        (("suggest", "a\u00f1"), 3, "never saw"),
        (("suggest", "a", "-n", "0"), 2, "-n"),
        (("suggest",), 2, "no prefix; give one; all strings: nplm suggest"),
        (("suggest", "abcd", "--max-length", "3"), 7, "PREFIX has 4 symbols, --max-length"),
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
    assert nplm.ok("suggest", model, "").out


def test_suggestions_of_control_characters(nplm: "Nplm") -> None:
    """A terminal would obey them."""
    (nplm.cwd / "m.onnx").write_bytes(wire.model(entries=wire.metadata(vocab=["\x1b", "]"])))
    shown = nplm.ok("suggest", "m.onnx", "]").out.decode()
    assert "\x1b" not in shown
    assert r"]\x1b" in shown


def test_novel_and_seen(nplm: "Nplm", model: str) -> None:
    options = ("--max-length", "4", "--format", "jsonl", "-n", "200")
    every = nplm.ok("generate", model, *options).out.decode().splitlines()
    novel = nplm.ok("generate", model, *options, "--novel").out.decode().splitlines()
    assert any(json.loads(line)["seen"] for line in every)
    assert not any(json.loads(line)["seen"] for line in novel)
    assert len(novel) == 200


@pytest.fixture
def scoring(model: str) -> "Iterator[subprocess.Popen[bytes]]":
    """`nplm score MODEL -` as a process, waiting for lines."""
    command = [sys.executable, "-c", "from nplm.cli.main import main; main()"]
    with subprocess.Popen(
        [*command, "score", model, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def test_lines_are_answered_as_they_come(scoring: "subprocess.Popen[bytes]") -> None:
    """As `tail -f names.txt | nplm score -` needs it: the input pauses, but never ends."""
    assert scoring.stdin is not None
    assert scoring.stdout is not None
    os.set_blocking(scoring.stdout.fileno(), False)
    for sent, expected in [
        (b"anna\n", [b"anna"]),
        (b"bob\n\nem", [b"bob", b""]),
        (b"ma\n", [b"emma"]),
    ]:
        scoring.stdin.write(sent)
        scoring.stdin.flush()
        answer = b""
        deadline = time.monotonic() + 20
        while answer.count(b"\n") < len(expected) and time.monotonic() < deadline:
            answer += scoring.stdout.read() or b""
            time.sleep(0.01)
        assert [line.split(b"\t")[-1] for line in answer.splitlines()] == expected


def test_a_long_input_comes_in_large_blocks(tmp_path: "Path") -> None:
    """So that waiting for no line costs nothing: a pipe holds 64 kB, a file has no end in sight."""
    (tmp_path / "f.txt").write_bytes(b"anna\n" * 300_000)
    for stream in ((tmp_path / "f.txt").open("rb"), io.BufferedReader(Trickle())):
        with stream:
            sizes = []
            while block := _available(stream):
                sizes.append(len(block))
        assert sum(sizes) == 1_500_000
        assert len(sizes) == 2


class Trickle(io.RawIOBase):
    """A pipe's worth at a time of 1.5 MB, always ready."""

    def __init__(self) -> None:
        self._left = 1_500_000
        self._always, write = os.pipe()
        os.write(write, b"x")
        os.close(write)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._always

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), 1 << 16, self._left)
        self._left -= size
        return size
