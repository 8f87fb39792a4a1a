"""Models with an unknown symbol: what is drawn, scored and suggested, against rows by hand."""

import math

import numpy as np
import pytest

from nplm.errors import DataError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import generate
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.score import Scorer
from nplm.runtime.suggest import suggest
from nplm.runtime.top import top
from nplm.text.vocab import UNKNOWN_SHOWN, Vocab

CARD = ModelCard(Vocab(("a", "b"), unknown=True), 1, "nfc", 3, "abc")
ROW = [0.1, 0.2, 0.3, 0.4]  # of the end, a, b and the unknown symbol, after anything


class Fixed:
    """One distribution after every context."""

    block_size, vocab_size = 1, 4

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        return np.tile(np.log(np.array(ROW, np.float32)), (len(contexts), 1))


def symbols(sampling: SamplingConfig, cache_mb: float = 64) -> dict[str, float]:
    """How often each symbol and the end (".") come among 20,000 strings."""
    stream = StreamConfig(indices=20_000, cut=True)
    texts = [f"{g.text}." for g in generate(Fixed(), CARD, sampling, stream, cache_mb)]
    text = "".join(texts)
    return {symbol: text.count(symbol) / len(text) for symbol in sorted(set(text))}


@pytest.mark.parametrize("cache_mb", [0, 64])
def test_it_is_never_drawn_and_the_others_keep_their_proportions(cache_mb: float) -> None:
    found = symbols(SamplingConfig(min_length=0, max_length=100), cache_mb)
    expected = {".": 1 / 6, "a": 2 / 6, "b": 3 / 6}
    assert found == pytest.approx(expected, abs=0.01)  # 3 standard deviations: 0.004


def test_it_is_masked_before_all_other_options() -> None:
    """Of the two most probable symbols, were the unknown one allowed, it would be the first."""
    found = symbols(SamplingConfig(top_k=2, min_length=2, max_length=3))
    assert set(found) == {".", "a", "b"}
    assert found["b"] / found["a"] == pytest.approx(3 / 2, abs=0.05)
    assert set(symbols(SamplingConfig(temperature=0, max_length=3))) == {".", "b"}


def test_it_is_drawn_where_that_is_allowed() -> None:
    found = symbols(SamplingConfig(min_length=0, max_length=100, allow_unknown=True))
    expected = dict(zip([".", "a", "b", UNKNOWN_SHOWN], ROW, strict=True))
    assert found == pytest.approx(expected, abs=0.01)


def test_unlisted_symbols_are_scored_with_its_probability() -> None:
    texts = ["ab", "a?", "\ud800\n", UNKNOWN_SHOWN, ""]
    scored = list(Scorer.of(Fixed(), CARD).strings(texts).strings())
    end, a, b, unknown = (-math.log(np.float32(p)) for p in ROW)
    expected = [(a, b, end), (a, unknown, end), (unknown, unknown, end), (unknown, end), (end,)]
    for found, nats in zip(scored, expected, strict=True):
        assert found.per_symbol == pytest.approx(nats, abs=1e-6)
    assert [found.unknown for found in scored] == [0, 1, 2, 1, 0]


def test_it_is_not_suggested() -> None:
    found = suggest(AutomatonCache(Fixed(), CARD), "a", count=9, max_length=2)
    assert [(s.symbol, s.probability) for s in found.next_symbols] == [
        ("b", pytest.approx(0.3)),
        ("a", pytest.approx(0.2)),
        (None, pytest.approx(0.1)),
    ]
    assert [c.text for c in found.completions] == ["a", "ab", "aa"]
    with pytest.raises(DataError, match="never saw: z"):
        suggest(AutomatonCache(Fixed(), CARD), "z")


@pytest.mark.parametrize("prefix", ["", "b"])
def test_the_most_probable_strings_of_a_pattern_have_the_probabilities_of_all(prefix: str) -> None:
    """Of the unknown symbol's nothing falls to the others."""
    cache = AutomatonCache(Fixed(), CARD)
    for condition in (None, Condition(match=".*"), Condition(match="[ab]*")):
        found = {
            string.text: string.nats
            for batch in top(cache, 100, prefix, 3, condition)
            for string in batch.strings(CARD.tokenizer)
        }
        assert len(found) == (15 if not prefix else 7)
        for text, nats in found.items():
            p = math.prod([ROW[CARD.encode(symbol)[0]] for symbol in text]) * ROW[0]
            assert nats == pytest.approx(-math.log(p), abs=1e-6)
