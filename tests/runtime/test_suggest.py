"""The search for the most probable strings where it would not end. That it is exact: test_model."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nplm.checks import MAX_SIZE
from nplm.errors import ConstraintError
from nplm.runtime import suggest as searches
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.onnxmodel import open_model
from nplm.runtime.suggest import suggest


class Endless:
    """A model of which no string ends, and whose next symbol is nearly always the first."""

    block_size = 1

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        logits = np.zeros((len(contexts), self.vocab_size), np.float32)
        logits[:, 0], logits[:, 1] = -60, 30
        return logits


@pytest.mark.parametrize(
    ("length", "budget", "says"),
    [
        (MAX_SIZE, {"QUEUE_SYMBOLS": 500_000}, "after 1,001 strings of 500,500 symbols"),
        (10, {"MAX_EXPANSIONS": 3000}, "after 3,000 strings of"),
    ],
)
def test_a_search_within_its_budget(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    budget: dict[str, int],
    says: str,
) -> None:
    """A queue of n prefixes, each longer than the one before, would hold n^2 / 2 symbols."""
    card = open_model(tiny_model).card
    for name, value in budget.items():
        monkeypatch.setattr(searches, name, value)
    cache = AutomatonCache(Endless(len(card.vocab)), card)
    tracemalloc.start()
    with pytest.raises(ConstraintError, match=f"{says}.*0 of 5.*`max_length`"):
        suggest(cache, "", 5, length)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * 500_000
