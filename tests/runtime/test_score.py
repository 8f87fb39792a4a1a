"""Scores against a naive walk; text in blocks; suggestions against the whole enumeration."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nplm.config import SamplingConfig
from nplm.corpus.dataset import Dataset
from nplm.corpus.evaluate import evaluate
from nplm.errors import ConstraintError, DataError
from nplm.runtime.generate import generate
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.score import Scorer, text_chunks
from nplm.runtime.session import OnnxModel, open_model
from nplm.runtime.suggest import suggest
from nplm.stepmodel import log_softmax
from nplm.vocab import Vocab


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
    scored = list(Scorer(model, model.card).strings(texts).strings())
    assert [s.text for s in scored] == texts
    for one in scored:
        assert one.per_symbol == pytest.approx(naive(model, one.text), rel=1e-12)
        assert one.nats == pytest.approx(sum(one.per_symbol), rel=1e-12)
        assert (one.symbols, one.unknown) == (len(one.text) + 1, 0)


def test_an_unknown_symbol_has_probability_zero(model: OnnxModel) -> None:
    known, odd = Scorer(model, model.card).strings(["anna", "a\u00f1n\u00f1a"]).strings()
    assert math.isfinite(known.nats)
    assert (odd.nats, odd.unknown, odd.symbols) == (math.inf, 2, 6)
    assert [math.isinf(x) for x in odd.per_symbol] == [False, True, False, True, False, False]


@pytest.mark.parametrize("cache_mb", [0, 1024])
def test_scores_add_up_to_eval(small: Dataset, model: OnnxModel, cache_mb: float) -> None:
    scored = Scorer(model, model.card, cache_mb).lines(small.lines("val"))
    total = evaluate(model, small.table("val", model.block_size)).total
    assert scored.nats.sum() == pytest.approx(total, rel=1e-9)


def test_scores_are_the_nats_of_generated_strings(model: OnnxModel) -> None:
    strings = list(generate(model, model.card, SamplingConfig(max_length=60), 500))
    scored = Scorer(model, model.card).strings([g.text for g in strings if g.complete])
    assert scored.nats.tolist() == pytest.approx([g.nats for g in strings if g.complete], rel=1e-12)


TEXT = "anna\r\n\nb\u00e9\nlast".encode()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_text_in_blocks(size: int) -> None:
    blocks = [TEXT[k : k + size] for k in range(0, len(TEXT), size)]
    lines = "".join(lines for lines, _ in text_chunks(blocks, "f.txt"))
    assert lines == "anna\nb\u00e9\nlast\n"


@pytest.mark.parametrize("size", [1, 4, 100])
def test_lines_that_are_not_utf_8(size: int) -> None:
    text = b"anna\nb\xff\nc\n\xfe\n"
    blocks = [text[k : k + size] for k in range(0, len(text), size)]
    with pytest.raises(DataError, match="line 2"):
        list(text_chunks(blocks, "f.txt"))
    chunks = list(text_chunks(blocks, "f.txt", skip_errors=True))
    assert "".join(lines for lines, _ in chunks) == "anna\nc\n"
    assert sum(skipped for _, skipped in chunks) == 2


class Small:
    """Three symbols, so that every string up to a length can be listed."""

    block_size, vocab_size = 2, 4
    card = ModelCard(Vocab(("a", "b", "c")), 2, "nfc", 3, "")

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        return np.sin(contexts @ np.array([[3, 5, 7, 11], [2, 1, 9, 4]])).astype(np.float32)


@pytest.mark.parametrize("prefix", ["", "b", "cab"])
def test_completions_are_the_most_probable_of_all(prefix: str) -> None:
    model, longest = Small(), 5
    found = suggest(model, model.card, prefix, count=12, max_length=longest)
    texts = [
        prefix + "".join(rest)
        for length in range(longest + 1 - len(prefix))
        for rest in itertools.product("abc", repeat=length)
    ]
    scored = Scorer(model, model.card).strings(texts)
    given = sum(next(Scorer(model, model.card).strings([prefix]).strings()).per_symbol[:-1])
    ranked = sorted(zip(scored.nats.tolist(), texts, strict=True))[:12]
    assert [c.text for c in found.completions] == [text for _, text in ranked]
    expected = [math.exp(given - nats) for nats, _ in ranked]
    assert [c.probability for c in found.completions] == pytest.approx(expected, rel=1e-9)
    assert sum(s.probability for s in found.next_symbols) == pytest.approx(1)


def test_suggest_refuses_what_cannot_be(model: OnnxModel) -> None:
    with pytest.raises(DataError, match="never saw"):
        suggest(model, model.card, "\u00f1")
    with pytest.raises(ConstraintError, match="prefix has 3"):
        suggest(model, model.card, "abc", max_length=2)
