"""Looks at a test split: counted, and none that cannot be."""

import json
from pathlib import Path

import pytest

from nplm.errors import DataError
from nplm.runs.looks import LOOKS, looks, record_look


def test_each_look_counts(tmp_path: Path) -> None:
    assert looks(tmp_path) == 0
    for count in (1, 2, 3):
        record_look(tmp_path, 2.0 + count, 10 * count)
        assert looks(tmp_path) == count
    lines = (tmp_path / LOOKS).read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"nats_per_symbol": 3.0, "step": 10}


def test_a_look_that_cannot_be_recorded(tmp_path: Path) -> None:
    (tmp_path / LOOKS).symlink_to(tmp_path / "no" / "folder")
    with pytest.raises(DataError, match=f"{LOOKS}.*a look at test"):
        record_look(tmp_path, 2.0, 10)
    (tmp_path / LOOKS).unlink()
    with pytest.raises(DataError, match=LOOKS):
        record_look(tmp_path / "gone", 2.0, 10)
