"""`nplm generate --sort`, and the nats per symbol that it may go by."""

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Nplm


@pytest.fixture
def model(signed_model: "Path") -> str:
    return str(signed_model)


def test_sorted(nplm: "Nplm", model: str) -> None:
    options = ("generate", model, "-n", "300", "--format", "jsonl")
    drawn = [json.loads(line) for line in nplm.ok(*options).lines]
    assert list(drawn[0]) == ["index", "text", "nats", "nats_per_symbol", "seen", "complete"]
    for row in drawn:
        per_symbol = row["nats"] / (len(row["text"]) + 1)
        assert row["nats_per_symbol"] == pytest.approx(per_symbol, abs=5.1e-7)
    for key, value in [
        ("probability", lambda row: row["nats"]),
        ("per-symbol", lambda row: row["nats"] / (len(row["text"]) + 1)),
        ("text", lambda row: row["text"]),
    ]:
        expected = sorted(drawn, key=value)
        found = nplm.ok(*options, "--sort", key)
        assert [json.loads(line) for line in found.lines] == expected
        plain = nplm.ok("generate", model, "-n", "300", "--sort", key)
        assert plain.lines == [row["text"] for row in expected]


def test_sorted_strings_come_before_the_failure(nplm: "Nplm", model: str) -> None:
    options = ("--unique", "--max-length", "1", "-n", "100", "--sort", "text")
    done = nplm("generate", model, *options)
    assert done.code == 7
    assert done.lines == list("abcdefghijklmnopqrstuvwxyz")
