"""The lazy automaton: one evaluation a context, forgetting, keys of any size, known walks."""

from pathlib import Path

import numpy as np
import pytest

from nplm.config import SamplingConfig
from nplm.runtime.automaton import FIRST_CAPACITY, Automaton
from nplm.runtime.generate import generate, generate_batches
from nplm.runtime.session import OnnxModel, open_model
from nplm.textids import BulkCodec


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> OnnxModel:
    return open_model(tiny_model)


class Counting:
    """A model of any size whose logits are a fixed function of the context; counts its rows."""

    def __init__(self, block_size: int, vocab_size: int) -> None:
        self.block_size, self.vocab_size = block_size, vocab_size
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        self.seen += map(tuple, contexts.tolist())
        weights = np.arange(1, self.block_size + 1)
        phase = (contexts * weights).sum(axis=1, keepdims=True)
        return np.sin(phase + np.arange(self.vocab_size) ** 1.5).astype(np.float32) * 2


def walk(automaton: Automaton, steps: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Symbols of `width` endless walks; ends are drawn again as symbol 1."""
    generator = np.random.default_rng(seed)
    states, symbols = automaton.start(width), []
    for _ in range(steps):
        drawn = np.maximum(automaton.draw(states, generator.random(width)), 1)
        symbols.append(drawn)
        states = automaton.step(states, drawn)
    return symbols


def test_each_context_is_evaluated_once() -> None:
    model = Counting(3, 12)
    automaton = Automaton(model, SamplingConfig(min_length=0))
    walk(automaton, 60, 200)
    real = [c for c in model.seen if any(c)]  # rows of padding are all boundary
    assert len(real) == len(set(real)) == len(automaton) - 1


@pytest.mark.parametrize(("block_size", "vocab_size"), [(1, 2), (3, 12), (40, 5), (12, 5000)])
def test_forgetting_changes_nothing(block_size: int, vocab_size: int) -> None:
    """Keys of 40 symbols, or of 5,000 kinds, fit no machine word and need not."""
    sampling = SamplingConfig(min_length=2)
    whole = Automaton(Counting(block_size, vocab_size), sampling)
    model = Counting(block_size, vocab_size)
    small = Automaton(model, sampling, cache_mb=0)
    assert small.capacity_limit == FIRST_CAPACITY
    one, two = walk(whole, 30, 150), walk(small, 30, 150)
    np.testing.assert_array_equal(one, two)
    if block_size > 10:
        assert len(small) <= FIRST_CAPACITY < len(model.seen)


def test_draw_is_the_first_id_whose_cumulative_sum_passes_u() -> None:
    automaton = Automaton(Counting(2, 7), SamplingConfig(min_length=0))
    state = automaton.start(1)
    model = Counting(2, 7)
    p = np.exp(model(np.zeros((1, 2), np.int64)).astype(np.float64))
    cdf = np.cumsum(p / p.sum())
    for u in [0.0, 0.1, 0.5, 0.9, 1 - 2**-53, *cdf[:-1]]:
        expected = next(k for k, c in enumerate(cdf / cdf[-1]) if c > u)
        assert automaton.draw(state, np.array([u])).tolist() == [expected]


@pytest.mark.parametrize("cache_mb", [0, 0.6, 1024])
@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_cache_and_batch_do_not_matter(model: OnnxModel, cache_mb: float, batch: int) -> None:
    sampling = SamplingConfig(max_length=20, temperature=1.3)
    count = 300 if batch == 1 else 3000
    expected = list(generate(model, model.card, sampling, count))
    again = generate(model, model.card, sampling, count, batch=batch, cache_mb=cache_mb)
    assert list(again) == expected


def test_arrays_and_strings_are_the_same(model: OnnxModel) -> None:
    sampling = SamplingConfig(max_length=5)
    codec = BulkCodec(model.card.vocab)
    batches = list(generate_batches(model, model.card, sampling, 1000))
    strings = list(generate(model, model.card, sampling, 1000))
    assert "".join(codec.decode(b.stream) for b in batches).split() == [g.text for g in strings]
    assert np.concatenate([b.complete for b in batches]).tolist() == [g.complete for g in strings]
    assert [b.indices.tolist() for b in batches] == [list(range(256)), list(range(256, 1000))]
    assert batches[0].nats is None
