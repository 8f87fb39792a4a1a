"""Data sets built from Python: strings as a list are strings in a file."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nplm
from nplm.config import DatasetConfig
from nplm.errors import DataError, PathError, UsageError
from nplm.text import datafolder, dataset
from nplm.text.dataset import Dataset
from nplm.text.sources import Source


def test_a_list_is_what_a_file_of_it_is(
    names: list[str], names_file: Path, small: Dataset, tmp_path: Path
) -> None:
    assert nplm.build(names).sha256 == small.sha256
    assert nplm.build(str(names_file)).sha256 == small.sha256
    saved = nplm.build(iter(names), out=tmp_path / "names")
    assert saved.sha256 == datafolder.load(tmp_path / "names").sha256 == small.sha256
    assert saved.name == "names"


def test_every_option_counts(names: list[str]) -> None:
    built = nplm.build(
        names, split=(0.7, 0.2, 0.1), split_by="line", distinct=True, normalize="none", seed=314
    )
    config = DatasetConfig(("0.7", "0.2", "0.1"), "line", True, "none", 314)
    assert built.sha256 == dataset.build(Source("", names, 0), config).sha256
    thirds = nplm.build([*"abcdef"], split=("1/3", "1/3", "1/3"))
    assert [thirds.strings(split) for split in dataset.SPLITS] == [2, 2, 2]
    with pytest.raises(UsageError, match="add up to 1"):
        nplm.build(names, split=(0.8, 0.1, 0.2))


@pytest.mark.parametrize(
    "options",
    [
        *({"split": None}, {"split": 3}, {"normalize": np.zeros(2)}, {"force": "yes"}),
        *({"max_mb": -1}, {"max_mb": float("nan")}, {"max_mb": "3"}, {"out": "a\0"}, {"out": 5}),
    ],
)
def test_what_is_no_value_of_an_option(names: list[str], options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"`{name}` is "):
        nplm.build(names, **options)


def test_a_name_that_is_too_long(names: list[str], tmp_path: Path) -> None:
    for make in (
        lambda path: nplm.build(names, out=path),
        nplm.build,
        nplm.load,
        nplm.open_run,
    ):
        with pytest.raises(PathError, match="File name too long"):
            make(tmp_path / ("x" * 300))


def test_strings_are_normalised_and_empty_ones_counted() -> None:
    strings = ["é", "", unicodedata.normalize("NFD", "é"), "\r"]
    built = nplm.build(strings, split=(1, 0, 0))
    assert sorted(built.texts("train")) == ["\r", "é", "é"]
    assert built.source["blank_lines"] == 1


@pytest.mark.parametrize(
    ("strings", "error", "says"),
    [
        (["a", "b\nc"], DataError, "string 1 has a line end"),
        (["a", b"b"], TypeError, "item 1"),
        (["a\ud800"], DataError, "symbol"),
        (["", ""], DataError, "no strings"),
        ([], DataError, "no strings"),
        ("no/such/file.txt", DataError, "cannot read no/such/file.txt"),
    ],
)
def test_what_is_refused(strings: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        nplm.build(strings, split=(1, 0, 0))


def test_only_a_data_set_is_replaced_and_only_with_force(names: list[str], tmp_path: Path) -> None:
    nplm.build(names, out=tmp_path / "data")
    with pytest.raises(DataError, match="already exists"):
        nplm.build(names[:50], out=tmp_path / "data")
    assert nplm.build(names[:50], out=tmp_path / "data", force=True).source["strings"] == 50
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match="not a data set"):
        nplm.build(names, out=tmp_path / "mine", force=True)
