"""Scores against a naive walk; text in blocks; suggestions against the whole enumeration."""

import itertools
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nplm.counts.evaluate import evaluate
from nplm.counts.tables import table_of
from nplm.errors import ConstraintError, DataError, UsageError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import generate
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.runtime.score import Scorer
from nplm.runtime.suggest import suggest
from nplm.stepmodel import log_softmax
from nplm.text.dataset import Dataset
from nplm.text.vocab import Vocab


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> OnnxModel:
    return open_model(tiny_model)


def naive(model: OnnxModel, text: str) -> list[float]:
    """Nats of each symbol and of the end, one call of the model each."""
    ids, nats = [*model.card.vocab.encode(text), 0], []
    for place, symbol in enumerate(ids):
        context = ([0] * model.block_size + ids[:place])[-model.block_size :]
        nats.append(-log_softmax(model(np.array([context] * 16)))[0, symbol])
    return nats


@settings(deadline=None, max_examples=25)
@given(st.lists(st.text("abcxyz", max_size=12), max_size=9))
def test_against_a_naive_walk(model: OnnxModel, texts: list[str]) -> None:
    scored = list(Scorer.of(model, model.card).strings(texts).strings())
    assert [s.text for s in scored] == texts
    for one in scored:
        assert one.per_symbol == pytest.approx(naive(model, one.text), rel=1e-12)
        assert one.nats == pytest.approx(sum(one.per_symbol), rel=1e-12)
        assert (one.symbols, one.unknown) == (len(one.text) + 1, 0)


def test_an_unknown_symbol_has_probability_zero(model: OnnxModel) -> None:
    known, odd = Scorer.of(model, model.card).strings(["anna", "a\u00f1n\u00f1a"]).strings()
    assert math.isfinite(known.nats)
    assert (odd.nats, odd.unknown, odd.symbols) == (math.inf, 2, 6)
    assert [math.isinf(x) for x in odd.per_symbol] == [False, True, False, True, False, False]


@pytest.mark.parametrize("cache_mb", [0, 1024])
def test_scores_add_up_to_eval(small: Dataset, model: OnnxModel, cache_mb: float) -> None:
    scored = Scorer.of(model, model.card, cache_mb).strings(small.texts("val"))
    total = evaluate(model, table_of(small, "val", model.block_size)).total
    assert scored.nats.sum() == pytest.approx(total, rel=1e-9)


def test_scores_are_the_nats_of_generated_strings(model: OnnxModel) -> None:
    strings = list(generate(model, model.card, SamplingConfig(max_length=60), StreamConfig(500)))
    scored = Scorer.of(model, model.card).strings([g.text for g in strings if g.complete])
    assert scored.nats.tolist() == pytest.approx([g.nats for g in strings if g.complete], rel=1e-12)


def test_one_score_for_each_string_whatever_is_in_it(model: OnnxModel) -> None:
    """Line ends and lone surrogates are symbols that the model never saw; nothing is one string."""
    texts = ["anna", "", "a\nb", "\n", "a\r", "\ud800", "a\u2028\x0c\x85b", "anna\n"]
    scored = list(Scorer.of(model, model.card).strings(texts).strings())
    assert [s.text for s in scored] == texts
    assert [s.symbols for s in scored] == [len(text) + 1 for text in texts]
    assert [s.unknown for s in scored] == [0, 0, 1, 1, 1, 1, 3, 1]
    alone = [next(Scorer.of(model, model.card).strings([text]).strings()) for text in texts]
    assert scored == alone
    assert list(Scorer.of(model, model.card).strings([]).strings()) == []


def test_strings_are_normalised_one_by_one() -> None:
    """A combining mark that begins a string must not join the string before it."""
    small = Small()
    card = ModelCard(Vocab(("a", "\u00e1", "\u0301")), 2, "nfc", 3, "")
    texts = ["a", "\u0301a", "a\u0301"]
    scored = list(Scorer.of(small, card).strings(texts).strings())
    assert [(s.text, s.symbols, s.unknown) for s in scored] == [
        ("a", 2, 0),
        ("\u0301a", 3, 0),
        ("a\u0301", 2, 0),
    ]


@pytest.mark.parametrize(
    ("strings", "says"),
    [
        ("anna", "strings is the str 'anna'"),
        ([None], r"strings\[0\] is None, not a str"),
        (["a", 3.0], r"strings\[1\] is 3.0"),
        ([b"anna"], r"strings\[0\] is b'anna'"),
    ],
)
def test_what_is_no_list_of_strings(model: OnnxModel, strings: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Scorer.of(model, model.card).strings(strings)


class Small:
    """Three symbols, so that every string up to a length can be listed."""

    block_size, vocab_size = 2, 4
    card = ModelCard(Vocab(("a", "b", "c")), 2, "nfc", 3, "")

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        return np.sin(contexts @ np.array([[3, 5, 7, 11], [2, 1, 9, 4]])).astype(np.float32)


@pytest.mark.parametrize("prefix", ["", "b", "cab"])
def test_completions_are_the_most_probable_of_all(prefix: str) -> None:
    model, longest = Small(), 5
    found = suggest(AutomatonCache(model, model.card), prefix, count=12, max_length=longest)
    texts = [
        prefix + "".join(rest)
        for length in range(longest + 1 - len(prefix))
        for rest in itertools.product("abc", repeat=length)
    ]
    scored = Scorer.of(model, model.card).strings(texts)
    given = sum(next(Scorer.of(model, model.card).strings([prefix]).strings()).per_symbol[:-1])
    ranked = sorted(zip(scored.nats.tolist(), texts, strict=True))[:12]
    assert [c.text for c in found.completions] == [text for _, text in ranked]
    expected = [math.exp(given - nats) for nats, _ in ranked]
    assert [c.probability for c in found.completions] == pytest.approx(expected, rel=1e-9)
    assert sum(s.probability for s in found.next_symbols) == pytest.approx(1)


def test_suggest_refuses_what_cannot_be(model: OnnxModel) -> None:
    nothing = suggest(AutomatonCache(model, model.card), "a", 0)
    assert (nothing.next_symbols, nothing.completions) == ([], [])
    for count in (-1, 1.5, True):
        with pytest.raises(UsageError, match="`count` is"):
            suggest(AutomatonCache(model, model.card), "a", count)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="never saw"):
        suggest(AutomatonCache(model, model.card), "\u00f1")
    with pytest.raises(ConstraintError, match="`prefix` has 3"):
        suggest(AutomatonCache(model, model.card), "abc", max_length=2)


class Zipf:
    """Half the time a string ends, else symbol k follows in proportion to 1 / k."""

    def __init__(self, vocab_size: int) -> None:
        self.block_size, self.vocab_size = 1, vocab_size
        symbols = tuple(map(chr, range(0x20000, 0x20000 + vocab_size - 1)))
        self.card = ModelCard(Vocab(symbols), 1, "nfc", 3, "")
        shares = 1 / np.arange(1, vocab_size)
        self._row = np.log([shares.sum(), *shares]).astype(np.float32)

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        return np.repeat(self._row[None], len(contexts), axis=0)


def test_a_search_among_many_symbols_takes_little_memory() -> None:
    """A queue of all 20,000 children of every prefix looked at would take over a gigabyte."""
    model = Zipf(20_000)
    tracemalloc.start()
    found = suggest(AutomatonCache(model, model.card, 64), "", 300, max_length=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    probabilities = [c.probability for c in found.completions]
    assert len(probabilities) == 300
    assert probabilities == sorted(probabilities, reverse=True)
    assert peak < 60e6
