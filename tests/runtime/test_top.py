"""The most probable strings against all strings there are, and against a search with a heap."""

import heapq
import itertools
import math
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nplm.checks import MAX_SIZE
from nplm.errors import ConstraintError, DataError, UsageError
from nplm.generation import Condition, SamplingConfig
from nplm.runtime.automaton import Passing
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.beginnings import Search
from nplm.runtime.lazy import Lazy
from nplm.runtime.model import Model
from nplm.runtime.onnxmodel import open_model
from nplm.runtime.suggest import suggest
from nplm.runtime.top import Top, top

GOLDEN = Path(__file__).parents[1] / "golden" / "tiny.onnx"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(GOLDEN)


def by_heap(model: Model, count: int, prefix: str, longest: int) -> list[tuple[float, str]]:
    """Best first: the first whole strings to leave the queue are the most probable ones."""
    cache = AutomatonCache(model._model, model.card)
    symbols = model.card.vocab.symbols
    rows: dict[str, NDArray[np.float64]] = {}

    def row(text: str) -> NDArray[np.float64]:
        end = text[-model.card.block_size :]
        key = end if len(text) >= model.card.block_size else "^" + end
        if key not in rows:
            with cache.turn:
                automaton = cache.of(logs=True)
                rows[key] = automaton.log_rows(automaton.after(model.card.encode(text)))[0]
        return rows[key]

    nats = -sum(row(prefix[:t])[model.card.encode(prefix)[t]] for t in range(len(prefix)))
    queue, found = [(nats, prefix, False)], []
    while queue and len(found) < count:
        nats, text, ended = heapq.heappop(queue)
        if ended:
            found.append((nats, text))
            continue
        costs = nats - row(text)
        heapq.heappush(queue, (costs[0], text, True))
        if len(text) < longest:
            for k, symbol in enumerate(symbols, start=1):
                heapq.heappush(queue, (costs[k], text + symbol, False))
    return found


@pytest.mark.parametrize(
    ("count", "prefix", "longest"),
    [(10_000, "", 20), (2_500, "a", 6), (300, "mar", 12), (50, "", 2), (20, "ab", 2)],
)
def test_the_same_as_a_heap_finds(model: Model, count: int, prefix: str, longest: int) -> None:
    found = list(model.top(count, prefix, longest))
    expected = by_heap(model, count, prefix, longest)
    assert [string.nats for string in found] == pytest.approx([nats for nats, _ in expected])
    for nats, group in itertools.groupby(expected, key=lambda pair: round(pair[0], 9)):
        texts = {text for _, text in group}
        if nats < found[-1].nats - 1e-8:  # of those as probable as the last one some are cut
            assert texts == {s.text for s in found if abs(s.nats - nats) < 2e-9}


def test_nats_are_those_of_score(model: Model) -> None:
    found = list(model.top(500))
    scored = model.score([string.text for string in found])
    assert [s.nats for s in found] == pytest.approx([s.nats for s in scored], rel=1e-12)
    assert [s.nats for s in found] == sorted(s.nats for s in found)


@pytest.mark.parametrize("pattern", ["ma.*", ".*n", ".*aa.*", ".a.", "[aeiou]{2,3}"])
@pytest.mark.parametrize("count", [30, 3000])
def test_of_a_pattern(model: Model, pattern: str, count: int) -> None:
    found = list(model.top(count, max_length=7, match=pattern))
    among = [s for s in model.top(60_000, max_length=7) if re.fullmatch(pattern, s.text)]
    size = min(len(found), len(among))
    assert _ordered(found[:size]) == _ordered(among[:size])
    assert all(re.fullmatch(pattern, string.text) for string in found)


def _ordered(found: list[Top]) -> list[tuple[float, str]]:
    """Strings that are as probable but for rounding in one order."""
    return sorted((round(string.nats, 9), string.text) for string in found)


def test_fewer_where_there_are_no_more(model: Model) -> None:
    assert len(list(model.top(100, max_length=1))) == 1 + len(model.card.vocab.symbols)
    assert [s.text for s in model.top(5, match="an|na")] in (["an", "na"], ["na", "an"])
    assert list(model.top(0)) == []


def test_a_small_cache_finds_the_same(model: Model) -> None:
    small = AutomatonCache(model._model, model.card, cache_mb=0.5)
    nats = np.concatenate([batch.nats for batch in top(small, 5000)])
    assert nats.tolist() == [string.nats for string in model.top(5000)]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"count": -1}, UsageError),
        ({"count": 10**12}, UsageError),
        ({"prefix": "\u00e9"}, DataError),
        ({"prefix": "anna", "max_length": 3}, ConstraintError),
        ({"prefix": "b", "match": "a.*"}, ConstraintError),
        ({"match": "(a"}, UsageError),
    ],
)
def test_bad_options(model: Model, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        model.top(**options)  # type: ignore[arg-type]


class Endless:
    """A model of which no string ends, and whose next symbol is nearly always the first."""

    block_size = 1

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        logits = np.zeros((len(contexts), self.vocab_size), np.float32)
        logits[:, 0], logits[:, 1] = -60, 30
        return logits


def test_a_search_that_would_not_end(tiny_model: Path) -> None:
    card = open_model(tiny_model).card
    cache = AutomatonCache(Endless(len(card.vocab)), card)
    tracemalloc.start()
    with pytest.raises(ConstraintError, match=r"not certain.*`max_length`"):
        suggest(cache, "", 5, MAX_SIZE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6


def test_a_condition_of_several(model: Model) -> None:
    condition = Condition(ends_with="a", contains=("n",), length=(4, 5))
    cache = AutomatonCache(model._model, model.card)
    texts = [t for batch in top(cache, 40, condition=condition) for t in _texts(model, batch)]
    assert all(t.endswith("a") and "n" in t and 4 <= len(t) <= 5 for t in texts)
    assert len(set(texts)) == 40
    assert math.isfinite(sum(s.nats for s in model.score(texts)))


def _texts(model: Model, batch: object) -> list[str]:
    return model.card.tokenizer.decode(batch.symbols)  # type: ignore[attr-defined]


def test_an_automaton_that_keeps_nothing_finds_the_same(model: Model) -> None:
    """As large models have it; contexts of more than its block come again, in other places."""
    ids = model.card.encode("m")
    with (cache := AutomatonCache(model._model, model.card)).turn:
        keeping = cache.of(logs=True)
        assert isinstance(keeping, Lazy)
        searches = [
            Search(automaton, len(model.card.vocab.symbols), ids, 12)
            for automaton in (keeping, Passing(keeping.maker))
        ]
        kept, made = (search.most_probable(3000, 2.0, 14.0) for search in searches)
    assert len(kept.nats) > 3000
    assert max(kept.level) > model.card.block_size + 2
    np.testing.assert_array_equal(kept.nats, made.nats)
    np.testing.assert_array_equal(kept.level, made.level)
    np.testing.assert_array_equal(kept.place, made.place)
    for one, other in zip(kept.levels, made.levels, strict=True):
        np.testing.assert_array_equal(one.parents, other.parents)
        np.testing.assert_array_equal(one.symbols, other.symbols)


def test_many_strings_of_a_model_of_many_contexts_are_not_kept(model: Model) -> None:
    cache = AutomatonCache(model._model, model.card)
    small = AutomatonCache(model._model, model.card, cache_mb=1)
    for one, many, kind in ((cache, True, Lazy), (small, True, Passing), (small, False, Lazy)):
        with one.turn:
            assert isinstance(one.of_search(SamplingConfig(), many=many), kind)
    few, all_kept = (list(top(each, 3000)) for each in (small, cache))
    assert few[0].nats.tolist() == all_kept[0].nats.tolist()


def test_all_that_can_be_asked_for(model: Model) -> None:
    asked = list(model.top(20, length=(4, None), ends_with="a", contains=["n", "i"]))
    assert len(asked) == 20
    assert all(re.fullmatch("(?=.*n)(?=.*i).{3,}a", string.text) for string in asked)
    assert {len(string.text) for string in model.top(20, length=5)} == {5}
    assert {len(string.text) for string in model.sample(20, length=5)} == {5}


@pytest.mark.parametrize("length", ["5-8", (1, 2, 3), (3, "4"), 2.5, -1, (None, 3), (4, 3), True])
def test_lengths_that_are_none(model: Model, length: object) -> None:
    for ask in (model.top, model.sample):
        with pytest.raises(UsageError, match="`length`"):
            list(ask(5, length=length))  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["q{200}", "q{60}|z{80}|x{90}", "q{93}|q{94}|q{95}"])
def test_strings_rarer_than_a_float_can_say(model: Model, pattern: str) -> None:
    found = list(model.top(5, match=pattern, max_length=300))
    texts = [match[0] * int(match[2:-1]) for match in pattern.split("|")]
    assert sorted(string.text for string in found) == sorted(texts)
    assert [s.nats for s in found] == pytest.approx(
        [s.nats for s in model.score([string.text for string in found])], rel=1e-12
    )


def test_a_short_greatest_length_leaves_little_to_search(model: Model) -> None:
    (found,) = model.top(2000, match="qqq|[a-f].{9}.*", max_length=8)
    assert found.text == "qqq"
    found = list(model.top(5000, match=".*x.*q.*", max_length=4))
    texts = map(
        "".join,
        itertools.chain.from_iterable(
            itertools.product(model.card.vocab.symbols, repeat=n) for n in range(5)
        ),
    )
    assert len(found) == sum(bool(re.fullmatch(".*x.*q.*", text)) for text in texts)


def test_what_hardly_any_attempt_gives_is_searched_all_the_same(model: Model) -> None:
    assert [s.text for s in model.top(2001, match="q{40}", max_length=60)] == ["q" * 40]
