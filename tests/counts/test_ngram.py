"""Modified Kneser-Ney against dictionaries of tuples, one context at a time."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.evaluate import Nats, cross_entropy
from nplm.counts.ngram import NGram, best_order, discounts, fit
from nplm.counts.tables import table_of
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings

Context = tuple[int, ...]
Lists = list[list[int]]
LISTS = st.lists(st.lists(st.integers(1, 3), max_size=6), min_size=1, max_size=12)
ORDERS = range(1, 7)
USUAL = [0.5, 1.0, 1.5]


def naive_discounts(counts: list[int]) -> list[float]:
    """Chen and Goodman's D1, D2 and D3+, from how many counts are 1, 2, 3 and 4."""
    n = Counter(counts)
    if not (n[1] and n[2] and n[3] and n[4]):
        return USUAL
    y = n[1] / (n[1] + 2 * n[2])
    found = [1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
    return found if min(found) > 0 else USUAL


class Naive:
    """p(.|c) by recursion over the endings of c."""

    def __init__(self, strings: Lists, order: int, vocab_size: int) -> None:
        self.order, self.uniform = order, [1 / vocab_size] * vocab_size
        positions: Counter[tuple[Context, int]] = Counter()
        before: dict[tuple[Context, int], set[int]] = defaultdict(set)
        for string in strings:
            text = (0, *string, 0)
            for k in range(1, len(text)):
                for start in range(max(0, k - order + 1), k + 1):
                    positions[text[start:k], text[k]] += 1
                    before[text[start:k], text[k]] |= set(text[start - 1 : start])
        self.counts: dict[Context, dict[int, int]] = defaultdict(dict)
        for (c, s), n in positions.items():
            longest_or_first = len(c) == order - 1 or c[:1] == (0,)
            self.counts[c][s] = n if longest_or_first else len(before[c, s])
        self.discounts = [
            naive_discounts(
                [n for c, row in self.counts.items() if len(c) == k for n in row.values()]
            )
            for k in range(order)
        ]

    def row(self, context: Context) -> list[float]:
        below = self.row(context[1:]) if context else self.uniform
        counts = self.counts.get(context)
        if counts is None:
            return below
        taken = {s: self.discounts[len(context)][min(n, 3) - 1] for s, n in counts.items()}
        total = sum(counts.values())
        left = math.fsum(taken.values()) / total
        return [
            (counts.get(s, 0) - taken.get(s, 0)) / total + left * p for s, p in enumerate(below)
        ]

    def rows(self, contexts: NDArray[np.integer]) -> NDArray[np.float64]:
        endings = contexts[:, contexts.shape[1] - self.order + 1 :].tolist()
        return np.array([self.row(tuple(ending)) for ending in endings])


def count(strings: Lists, block_size: int, vocab_size: int = 4) -> ContextTable:
    ids = np.array([k for string in strings for k in [*string, 0]], np.uint8)
    return count_contexts(Strings.of_ids(ids), block_size, vocab_size)


def strings_of(data: Dataset, split: str) -> Lists:
    return [data.vocab.encode(string) for string in data.texts(split)]


def drawn(rows: int, width: int, vocab_size: int, seed: int = 0) -> NDArray[np.int64]:
    """Random contexts: most were never seen, and boundaries stand anywhere."""
    return np.random.default_rng(seed).integers(0, vocab_size, (rows, width))


def nats_of(ngram: NGram, table: ContextTable) -> Nats:
    return cross_entropy(table, ngram.log_probabilities(table))


def same(found: object, expected: object) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@given(LISTS, st.sampled_from(ORDERS), st.integers(0, 2))
@settings(deadline=None)
def test_a_fit_is_the_naive_one(strings: Lists, order: int, wider: int) -> None:
    table = count(strings, order - 1 + wider)
    ngram, naive = fit(table, order), Naive(strings, order, 4)
    for contexts in (table.contexts, drawn(50, order - 1 + wider, 4)):
        same(ngram.probabilities(contexts), naive.rows(contexts))
    assert ngram.order == order
    assert len(ngram) == len(naive.counts)


@given(LISTS, st.sampled_from(ORDERS), st.integers(0, 2))
@settings(deadline=None)
def test_pairs_and_shares_add_up_to_the_probabilities(
    strings: Strings, order: int, wider: int
) -> None:
    table = count(strings, order - 1 + wider, 5)  # symbol 4 is never seen
    ngram = fit(table, order)
    for contexts in (table.contexts, drawn(50, order - 1 + wider, 5), table.contexts[:0]):
        sparse = ngram.sparse_probabilities(contexts)
        p = sparse.shares[:, None] * sparse.common
        np.add.at(p, (sparse.rows, sparse.symbols), sparse.values)
        same(p, ngram.probabilities(contexts))


@pytest.mark.parametrize("order", ORDERS)
def test_names_are_fitted_as_the_naive_one_does(small: Dataset, order: int) -> None:
    """With discounts that are estimated, which lists of a few strings never have."""
    vocab_size = len(small.vocab)
    naive = Naive(strings_of(small, "train"), order, vocab_size)
    assert sum(d != USUAL for d in naive.discounts) >= min(4, order - 1)
    table = table_of(small, "train", order - 1)
    ngram = fit(table, order)
    for contexts in (table.contexts, drawn(500, order - 1, vocab_size)):
        same(ngram.probabilities(contexts), naive.rows(contexts))


def test_by_hand() -> None:
    # "a" and "ab": 0 comes after a and b, a after 0, b after a: 2, 1 and 1 of 4. Usual discounts.
    ngram = fit(count([[1], [1, 2]], 1, 3), 2)
    below = np.array([1 / 4 + 1 / 6, 1 / 8 + 1 / 6, 1 / 8 + 1 / 6])
    expected = [
        [0, 1 / 2, 0] + below / 2,  # at the start: a, twice
        [1 / 4, 0, 1 / 4] + below / 2,  # after a: the end and b, once each
        [1 / 2, 0, 0] + below / 2,  # after b: the end, once
    ]
    same(ngram.probabilities(np.array([[0], [1], [2]])), expected)


def test_what_starts_a_string_is_counted_by_positions() -> None:
    # "ab" and "ac": the start is followed by a twice, although nothing stands before it.
    ngram = fit(count([[1, 2], [1, 3]], 2), 3)
    start, inside = ngram.probabilities(np.array([[0, 0], [1, 0]]))
    below = (1 - 0.5) / 5 + 0.5 / 4  # a after one symbol of five: a, b and c after one, 0 after two
    assert start[1] == pytest.approx((2 - 1) / 2 + 1 / 2 * below)
    same(start, inside)  # whatever stands before a boundary


def test_ten_thousand_contexts_have_probabilities_that_sum_to_one(small: Dataset) -> None:
    table, random = table_of(small, "train", 5), np.random.default_rng(1)
    seen = table.contexts[random.integers(0, len(table), 5000)]
    ngram = fit(table, 6)
    for contexts in (seen, drawn(5000, 5, len(small.vocab))):
        p = ngram.probabilities(contexts)
        same(p.sum(axis=1), 1)
        assert (p > 0).all()


@given(LISTS, st.sampled_from(ORDERS))
@settings(deadline=None)
def test_rows_are_the_probabilities_of_each_seen_context(strings: Lists, order: int) -> None:
    table = count(strings, order - 1, 5)  # symbol 4 is never seen
    ngram, naive = fit(table, order), Naive(strings, order, 5)
    expected = []
    for length in range(order):
        contexts = table.shorten(length).contexts
        contexts = contexts[[tuple(context) in naive.counts for context in contexts.tolist()]]
        unseen = np.full((len(contexts), order - 1 - length), 4)
        expected.append(ngram.probabilities(np.concatenate([unseen, contexts], axis=1)))
    rows = np.concatenate(list(ngram.rows()))
    assert len(rows) == len(ngram)
    same(rows, np.concatenate(expected))


def test_rows_in_many_blocks_are_the_rows(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ngram = fit(table_of(small, "train", 3), 4)
    whole = np.concatenate(list(ngram.rows()))
    monkeypatch.setattr("nplm.counts.ngram.CHUNK", 100 * len(small.vocab))
    blocks = list(ngram.rows())
    assert max(map(len, blocks)) == 100
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


@given(LISTS, LISTS, st.sampled_from(ORDERS), st.integers(0, 2))
@settings(deadline=None)
def test_nats_are_the_sum_over_positions(
    strings: Lists, others: Lists, order: int, wider: int
) -> None:
    naive = Naive(strings, order, 4)
    texts = [(0, *string, 0) for string in others]
    terms = [
        -math.log(naive.row(text[max(0, k - order + 1) : k])[text[k]])
        for text in texts
        for k in range(1, len(text))
    ]
    nats = nats_of(fit(count(strings, order - 1), order), count(others, order - 1 + wider))
    assert nats.total == pytest.approx(math.fsum(terms), rel=1e-12)
    assert nats.symbols == len(terms)


def test_nats_of_names_are_those_of_the_rows(small: Dataset) -> None:
    ngram, val = fit(table_of(small, "train", 4), 5), table_of(small, "val", 4)
    log_p = np.log(ngram.probabilities(val.contexts))[val.pair_rows, val.targets]
    assert nats_of(ngram, val).total == pytest.approx(-math.fsum(val.counts * log_p), rel=1e-12)


def greedy(train: ContextTable, val: ContextTable, largest: int) -> int:
    """The first order from 2 on that the next one is no better than."""
    nats = {k: nats_of(fit(train, k), val).per_symbol for k in range(2, largest + 1)}
    better = [k for k in nats if k + 1 in nats and nats[k + 1] < nats[k]]
    return next(k for k in nats if k not in better)


@given(LISTS, LISTS, st.integers(1, 7))
@settings(deadline=None)
def test_the_best_order_is_the_first_that_the_next_does_not_better(
    strings: Lists, others: Lists, block_size: int
) -> None:
    train, val = count(strings, block_size), count(others, block_size)
    assert best_order(train, val) == greedy(train, val, block_size + 1)


def test_the_best_order_of_names(small: Dataset) -> None:
    train, val = table_of(small, "train", 7), table_of(small, "val", 7)
    nats = [nats_of(fit(train, k), val).per_symbol for k in range(1, 9)]
    assert best_order(train, val) == 1 + int(np.argmin(nats))
    assert best_order(table_of(small, "train", 9), table_of(small, "val", 9)) <= 8


@pytest.mark.parametrize("block_size", range(10))
def test_without_val_the_order_is_six_or_what_fits(block_size: int) -> None:
    assert best_order(count([[1] * 12], block_size), None) == min(6, block_size + 1)


def test_the_best_order_of_the_tiniest_blocks(small: Dataset) -> None:
    for block_size in (0, 1):
        tables = (table_of(small, split, block_size) for split in ("train", "val"))
        assert best_order(*tables) == block_size + 1


@pytest.mark.parametrize("order", [*ORDERS, 8])
@pytest.mark.parametrize(
    "strings",
    [
        [[1, 2, 3, 1]],
        [[1, 2, 3]] * 9,
        [[1], [2], [3], [1]],
        [[1, 1, 1], [1], [1, 1], [1] * 12],
        [[1]],
    ],
    ids=["one string", "identical", "length one", "one symbol", "one of length one"],
)
def test_degenerate_lists(strings: Lists, order: int) -> None:
    table, naive = count(strings, 7), Naive(strings, order, 4)
    ngram = fit(table, order)
    for contexts in (table.contexts, drawn(50, 7, 4)):
        p = ngram.probabilities(contexts)
        same(p, naive.rows(contexts))
        same(p.sum(axis=1), 1)
        assert (p > 0).all()
    assert len(np.concatenate(list(ngram.rows()))) == len(ngram)
    assert 0 < nats_of(ngram, table).per_symbol < math.log(4) + 1e-12
    assert best_order(table, table) >= 2


def test_a_vocabulary_of_the_boundary_alone() -> None:
    ngram = fit(count([[], []], 0, 1), 1)
    same(ngram.probabilities(np.zeros((3, 0), np.int64)), 1)


def test_an_order_beyond_the_table_is_refused() -> None:
    for order in (0, 4):
        with pytest.raises(AssertionError):
            fit(count([[1, 2]], 2), order)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 1, 1, 2, 2, 2, 3, 3, 4], [0.4, 1.2, 2.2]),  # y = 4 / (4 + 2 * 3)
        ([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 99], [0.4, 1.2, 2.2]),  # larger ones say nothing
        ([], USUAL),
        ([1, 1, 2, 3], USUAL),  # no 4
        ([2, 2, 3, 4], USUAL),  # no 1
        ([1] * 10 + [2, 3, 4], USUAL),  # D2 = 2 - 3 * 10 / 12
        ([1] * 4 + [2, 3, 4], USUAL),  # D2 = 2 - 3 * 4 / 6
        ([1, 2, 3] + [4] * 9, USUAL),  # D3 = 3 - 4 * 9 / 3
    ],
)
def test_discounts_by_hand(counts: list[int], expected: list[float]) -> None:
    assert discounts(np.array(counts, np.int64)) == pytest.approx([0, *expected])
    assert naive_discounts(counts) == pytest.approx(expected)


@pytest.mark.shared
def test_the_lessons_names_need_what_the_log_says(shared_names: Path) -> None:
    source = sources.read_source(shared_names.read_bytes(), "names.txt")
    names = dataset.build(source, dataset.DatasetConfig(split_by="line", seed=314))
    ngram = fit(table_of(names, "train", 5), 6)
    assert nats_of(ngram, table_of(names, "val", 5)).per_symbol == pytest.approx(1.973, abs=0.003)
    assert nats_of(ngram, table_of(names, "test", 5)).per_symbol == pytest.approx(1.966, abs=0.003)
