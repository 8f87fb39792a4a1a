"""Exact evaluation against one position at a time in float64."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nplm.counts.contexts import count_contexts
from nplm.counts.evaluate import Nats, evaluate, pair_log_probabilities
from nplm.counts.tables import table_of
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings

Lists = list[list[int]]
STRINGS = st.lists(st.lists(st.integers(1, 4), max_size=5), min_size=1, max_size=8)


class Fake:
    """Logits are sums of random numbers looked up by position and symbol."""

    def __init__(self, block_size: int, vocab_size: int, scale: float = 3.0) -> None:
        self.block_size, self.vocab_size = block_size, vocab_size
        random = np.random.default_rng(0)
        self.weights = scale * random.standard_normal((block_size, vocab_size, vocab_size))

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.weights[np.arange(self.block_size), contexts].sum(axis=1).astype(np.float32)


class Level:
    """The same logit for every symbol."""

    block_size, vocab_size = 2, 5

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.full((len(contexts), 5), 7.0, np.float32)


class Certain(Level):
    """All probability on symbol 1, whatever the context."""

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.tile(np.array([0, 1e4, 0, 0, 0], np.float32), (len(contexts), 1))


def encoded(strings: Lists) -> Strings:
    return Strings.of_ids(np.array([k for string in strings for k in [*string, 0]], np.uint8))


def positions(strings: Lists, block_size: int) -> list[tuple[list[int], int]]:
    found = []
    for string in strings:
        padded = [0] * block_size + string + [0]
        found += [
            (padded[k : k + block_size], padded[k + block_size]) for k in range(len(string) + 1)
        ]
    return found


def naive_nats(model: Fake, strings: Lists) -> float:
    terms = []
    for context, target in positions(strings, model.block_size):
        logits = [float(x) for x in model(np.array([context], np.int64))[0]]
        top = max(logits)
        terms.append(top + math.log(math.fsum(math.exp(x - top) for x in logits)) - logits[target])
    return math.fsum(terms)


@given(STRINGS, st.integers(1, 7))
def test_nats_are_the_sum_over_positions(strings: Lists, block_size: int) -> None:
    model = Fake(block_size, 5)
    nats = evaluate(model, count_contexts(encoded(strings), block_size, 5))
    assert nats.total == pytest.approx(naive_nats(model, strings), rel=1e-12)
    assert nats.symbols == sum(len(string) + 1 for string in strings)


def test_nats_are_exact_across_several_calls_of_the_model() -> None:
    random = np.random.default_rng(1)
    strings = [random.integers(1, 40, n).tolist() for n in random.integers(0, 12, 1500)]
    table, model = count_contexts(encoded(strings), 3, 40), Fake(3, 40)
    assert len(table) > 4096
    assert evaluate(model, table).total == pytest.approx(naive_nats(model, strings), rel=1e-12)


def test_names_are_evaluated_exactly(small: Dataset) -> None:
    model = Fake(3, len(small.vocab))
    strings = [small.vocab.encode(s) for s in small.texts("val")]
    nats = evaluate(model, table_of(small, "val", 3))
    assert nats.total == pytest.approx(naive_nats(model, strings), rel=1e-12)


def test_logits_that_are_far_apart_do_not_overflow() -> None:
    model, strings = Fake(2, 5, scale=1e4), [[1, 2, 3], [4], []]
    nats = evaluate(model, count_contexts(encoded(strings), 2, 5))
    assert math.isfinite(nats.total)
    assert nats.total == pytest.approx(naive_nats(model, strings), rel=1e-12)


def test_a_level_model_needs_log_v_and_is_as_perplexed_as_v() -> None:
    nats = evaluate(Level(), count_contexts(encoded([[1, 2], [], [4]]), 2, 5))
    assert nats.per_symbol == pytest.approx(math.log(5))
    assert nats.bits_per_symbol == pytest.approx(math.log2(5))
    assert nats.perplexity == pytest.approx(5)


def test_a_certain_model_pays_for_what_it_excluded() -> None:
    nats = evaluate(Certain(), count_contexts(encoded([[1, 1]]), 2, 5))
    assert nats.total == pytest.approx(1e4)
    assert nats.symbols == 3


@given(STRINGS)
def test_no_model_is_better_than_the_floor(strings: Lists) -> None:
    table = count_contexts(encoded(strings), 2, 5)
    assert evaluate(Fake(2, 5), table).per_symbol >= table.floor() - 1e-9


@given(STRINGS)
def test_counts_as_logits_reach_the_floor(strings: Lists) -> None:
    table = count_contexts(encoded(strings), 2, 5)
    rows = {tuple(context): c for c, context in enumerate(table.contexts.tolist())}
    counts = np.zeros((len(table), 5))
    counts[table.pair_rows, table.targets] = table.counts

    class Counted(Level):
        def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
            chosen = [rows.get(tuple(context), 0) for context in contexts.tolist()]
            return np.log(np.maximum(counts[chosen], 1e-30)).astype(np.float32)

    assert evaluate(Counted(), table).per_symbol == pytest.approx(table.floor(), abs=1e-6)


def test_units_by_hand() -> None:
    nats = Nats(total=2 * math.log(8), symbols=2)
    assert nats.per_symbol == pytest.approx(math.log(8))
    assert nats.bits_per_symbol == pytest.approx(3)
    assert nats.perplexity == pytest.approx(8)


def test_a_hopeless_model_has_a_finite_perplexity() -> None:
    assert math.isfinite(Nats(total=1e6, symbols=1).perplexity)


@given(STRINGS, st.integers(1, 4), st.integers(0, 3))
def test_pairs_of_a_table_wider_than_the_model(strings: Lists, block_size: int, wider: int) -> None:
    model = Fake(block_size, 5)
    table = count_contexts(encoded(strings), block_size + wider, 5)
    found = pair_log_probabilities(model, table)
    contexts = table.contexts[table.pair_rows][:, wider:].astype(np.int64)
    logits = model(contexts).astype(np.float64)
    expected = logits[np.arange(len(logits)), table.targets] - np.log(np.exp(logits).sum(axis=1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert -(table.counts @ found) == pytest.approx(naive_nats(model, strings), rel=1e-12)


def test_pairs_are_exact_across_several_calls_of_the_model() -> None:
    random = np.random.default_rng(1)
    strings = [random.integers(1, 40, n).tolist() for n in random.integers(0, 12, 1500)]
    table, model = count_contexts(encoded(strings), 4, 40), Fake(3, 40)
    assert len(table) > 4096
    total = evaluate(model, table.shorten(3)).total
    assert evaluate(model, table).total == pytest.approx(total, rel=1e-12)
