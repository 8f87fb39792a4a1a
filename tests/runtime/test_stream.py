"""A model of a stream: passages, and what needs whole strings is refused."""

import math

import numpy as np
import pytest

from nplm.errors import ConstraintError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import PASSAGE, default_max_length, generate_batches
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.rank import Ranker
from nplm.runtime.score import Scorer
from nplm.runtime.suggest import suggest
from nplm.runtime.top import top
from nplm.text.vocab import Vocab

CARD = ModelCard(Vocab(("a", "b"), level="word"), 1, "nfc", 5000, "abc", document="stream")
ROW = [1e-4, 0.4, 0.5999]


class Fixed:
    """One distribution after every context, which hardly ever ends."""

    block_size, vocab_size = 1, 3

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        return np.tile(np.log(np.array(ROW, np.float32)), (len(contexts), 1))


@pytest.fixture
def cache() -> AutomatonCache:
    return AutomatonCache(Fixed(), CARD)


def test_passages_are_cut_and_never_left_out(cache: AutomatonCache) -> None:
    assert default_max_length(CARD) == PASSAGE == 100
    (part,) = generate_batches(cache, SamplingConfig(max_length=7), StreamConfig(50), nats=True)
    strings = [*part.strings()]
    assert [s.index for s in strings] == [*range(50)]
    assert sum(s.complete for s in strings) < 5
    for string in strings:
        assert string.symbols == len(string.text.split())
        assert string.symbols == 7 or string.complete
        assert string.nats_per_symbol == string.nats / (string.symbols + string.complete)


def test_a_passage_has_no_end_to_score(cache: AutomatonCache) -> None:
    scored = [*Scorer(cache).strings(["a b", "", "b"]).strings()]
    assert [s.symbols for s in scored] == [2, 0, 1]
    assert [s.nats for s in scored] == pytest.approx(
        [-math.log(0.4 * 0.5999), 0.0, -math.log(0.5999)], rel=1e-6
    )
    assert [len(s.per_symbol) for s in scored] == [2, 0, 1]
    assert math.isnan(scored[1].nats_per_symbol)


def test_what_needs_whole_strings_is_refused(cache: AutomatonCache) -> None:
    sampling = SamplingConfig(condition=Condition("a .*"))
    for ask in (
        lambda: list(generate_batches(cache, sampling, StreamConfig(1))),
        lambda: list(generate_batches(cache, SamplingConfig(), StreamConfig(1, novel=True))),
        lambda: list(generate_batches(cache, SamplingConfig(), StreamConfig(1, excluding=("a",)))),
        lambda: top(cache, 3),
        lambda: Ranker.of(cache),
    ):
        with pytest.raises(ConstraintError, match="this model is of a stream"):
            ask()
    found = suggest(cache, "a", 2)
    assert [symbol.symbol for symbol in found.next_symbols] == ["b", "a"]
    assert found.completions == []
