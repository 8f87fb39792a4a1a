"""A few strings one at a time against the same side by side: equal in every bit."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nplm
from nplm.runtime import alone
from nplm.runtime.alone import FEW, draw_few, score_few
from nplm.runtime.model import Model

OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.7, "top_k": 5},
    {"temperature": 0},
    {"top_p": 0.8, "min_length": 6, "max_length": 8},
    {"prefix": "mar", "max_length": 9, "cut": True},
    {"prefix": "mar", "max_length": 3, "cut": True},
    {"prefix": "maria", "min_length": 9, "temperature": 1.7},
    {"max_length": 1, "cut": True},
    {"max_length": 4, "indices": 20},
    {"min_length": 0, "cut": True},
    {"novel": True, "temperature": 1.3},
    {"unique": True, "max_length": 2},
]
STRINGS = ["anna", "", "maria", "zzzzzzzzzz", "émile", "a" * 40, "q\n", "\ud800", "anna", "b?d"]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return nplm.load(tiny_model)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each call was one at a time."""
    calls = []
    for room, function in (("walk", draw_few), ("score", score_few)):

        def noting(*arguments: Any, of: Any = function) -> Any:
            found = of(*arguments)
            calls.append(found is not None)
            return found

        monkeypatch.setattr(f"nplm.runtime.{room}.{function.__name__}", noting)
    return calls


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
def test_strings_drawn_one_at_a_time(
    model: Model, options: dict[str, Any], taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = [1, 2, 3, 7, 20, FEW]
    side_by_side, one_at_a_time = [], []
    for few, found in ((0, side_by_side), (FEW, one_at_a_time)):
        monkeypatch.setattr(alone, "FEW", few)
        taken.clear()
        for seed in (0, 2**64 - 1):
            for start in (0, 2**63 - 100_000):
                for count in counts:
                    arguments = {"seed": seed, "start": start, **options}
                    found += [list(model.sample(count, **arguments))]
                    batches = list(model.sample_arrays(count, **arguments))
                    found += [
                        (b.stream.tolist(), b.stream.dtype, b.too_long.tolist(), b.nats)
                        for b in batches
                    ]
        draws_more = {"novel", "unique"} & options.keys()  # than are wanted
        assert any(taken) == (few > 0 and not draws_more)
    assert one_at_a_time == side_by_side


def test_strings_scored_one_at_a_time(
    model: Model, taken: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = [STRINGS[k : k + n] for n in (1, 2, len(STRINGS)) for k in range(len(STRINGS) - n + 1)]
    monkeypatch.setattr(alone, "FEW", 0)
    expected = [list(model.score(strings)) for strings in lists]
    assert not any(taken)
    monkeypatch.setattr(alone, "FEW", FEW)
    assert [list(model.score(strings)) for strings in lists] == expected
    assert any(taken)


def test_what_is_not_known_is_walked_side_by_side(tiny_model: Path, taken: list[bool]) -> None:
    model = nplm.load(tiny_model)
    first, scores = list(model.sample(5)), list(model.score(["anna"]))
    assert (list(model.sample(5)), list(model.score(["anna"]))) == (first, scores)
    assert taken == [False, False, True, True]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3)), max_size=12))
def test_forgetting_in_between_changes_nothing(
    tiny_model: Path, calls: list[tuple[int, int]]
) -> None:
    """With so little memory that walks start over all the time."""
    small, large = nplm.load(tiny_model, cache_mb=0.9), nplm.load(tiny_model)
    for count, seed in calls:
        options = {"seed": seed, "temperature": 2.0, "max_length": 60}
        assert list(small.sample(count, **options)) == list(large.sample(count, **options))
        texts = [g.text for g in large.sample(count, **options)]
        assert list(small.score(texts)) == list(large.score(texts))
