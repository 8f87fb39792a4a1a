"""Sorted strings against Python's sort of the same strings."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nplm
from nplm.errors import ConstraintError
from nplm.generation import SortKey
from nplm.runtime.model import Model
from nplm.runtime.sorting import sort_batches
from nplm.runtime.walk import Generated, GeneratedBatch

KEYS: dict[SortKey, Callable[[Generated], Any]] = {
    "probability": lambda string: (string.nats, string.index),
    "per-symbol": lambda string: (string.nats_per_symbol, string.index),
    "text": lambda string: (string.text, string.index),
}


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return nplm.load(tiny_model)


def strings(batches: Iterator[GeneratedBatch]) -> list[Generated]:
    return [string for batch in batches for string in batch.strings()]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("options", [{}, {"cut": True, "max_length": 3, "min_length": 0}])
def test_against_pythons_sort(model: Model, key: SortKey, options: dict[str, Any]) -> None:
    drawn = list(model.sample(3000, **options))
    assert len({string.text for string in drawn}) < len(drawn)  # there are ties
    batches = model.sample_arrays(3000, nats=True, **options)
    assert strings(sort_batches(batches, key, 700)) == sorted(drawn, key=KEYS[key])


def test_texts_need_no_nats(model: Model) -> None:
    found = strings(sort_batches(model.sample_arrays(50), "text"))
    assert [string.text for string in found] == sorted(s.text for s in model.sample(50))
    assert {string.nats for string in found} == {string.nats_per_symbol for string in found}


def test_of_nothing(model: Model) -> None:
    assert not list(sort_batches(model.sample_arrays(0, nats=True), "probability"))


def test_what_was_found_comes_before_the_failure(model: Model) -> None:
    batches = sort_batches(model.sample_arrays(100, unique=True, max_length=1), "text")
    found = []
    with pytest.raises(ConstraintError, match="only 26 of 100"):
        found.extend(string.text for batch in batches for string in batch.strings())
    assert "".join(found) == "abcdefghijklmnopqrstuvwxyz"


def test_the_end_counts_as_a_symbol_but_where_it_was_cut(model: Model) -> None:
    for batch in model.sample_arrays(200, nats=True, cut=True, max_length=4):
        for string in batch.strings():
            assert string.nats is not None
            symbols = len(string.text) + string.complete
            assert string.nats_per_symbol == string.nats / symbols
        each = [string.nats_per_symbol for string in batch.strings()]
        assert batch.nats_per_symbol is not None
        assert batch.nats_per_symbol.tolist() == each


def test_what_was_drawn_is_told_once(model: Model) -> None:
    options: dict[str, Any] = {"match": ".*n", "budget": 0, "excluding": ["an"]}
    for more in (options, {"max_length": 4}):
        batches = list(model.sample_arrays(3000, nats=True, **more))
        found = list(sort_batches(batches, "probability", 700))
        assert len(found) == 5
        for counted in (
            lambda batch: batch.drawn,
            lambda batch: batch.attempts,
            lambda batch: len(batch.too_long),
        ):
            assert sum(map(counted, found)) == sum(map(counted, batches))
