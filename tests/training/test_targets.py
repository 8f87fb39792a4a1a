"""Targets as pairs against dense ones: the same distributions, loss and gradient."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.ngram import fit
from nplm.counts.tables import table_of
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings
from nplm.training.targets import (
    DenseTargets,
    PairTargets,
    Smoothing,
    SparseTargets,
    make_targets,
)

LISTS = st.lists(st.lists(st.integers(1, 3), max_size=6), min_size=1, max_size=12)
SHARES = st.sampled_from([0.0, 0.4, 1.0])


def smoothing_of(table: ContextTable, share: float, order: int) -> Smoothing | None:
    return Smoothing(share, fit(table, order)) if share else None


def plain(
    table: ContextTable, smoothing: Smoothing | None, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(1 - a) p(.|c) + a p_ngram(.|c), one context at a time."""
    p = np.zeros((len(rows), table.vocab_size))
    for k, row in enumerate(rows):
        pairs = slice(table.offsets[row], table.offsets[row + 1])
        p[k, table.targets[pairs]] = table.counts[pairs] / table.counts[pairs].sum()
    if smoothing is None:
        return p
    ngram = smoothing.ngram.probabilities(table.contexts[rows])
    return (1 - smoothing.share) * p + smoothing.share * ngram


def loss_and_gradient(loss: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.detach(), gradient


def assert_dense(table: ContextTable, smoothing: Smoothing | None, rows: NDArray[np.int64]) -> None:
    """The loss of pairs in float64 is the dense one to 1e-12, and so is its gradient."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(len(rows), table.vocab_size, dtype=torch.float64, generator=random) * 5
    weights = torch.rand(len(rows), dtype=torch.float64, generator=random)
    logits.requires_grad_()
    p = torch.from_numpy(plain(table, smoothing, rows))
    dense = -(p * logits.log_softmax(1)).sum(1) @ weights
    pairs = SparseTargets(table, smoothing).of(rows).cross_entropy(logits) @ weights
    for one, two in zip(
        loss_and_gradient(pairs, logits), loss_and_gradient(dense, logits), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)


@given(LISTS, SHARES, st.integers(1, 4), st.integers(0, 2))
@settings(deadline=None)
def test_pairs_are_dense_targets_of_any_list(
    strings: list[list[int]], share: float, order: int, wider: int
) -> None:
    """With contexts of padding, symbols and lengths that no string has, rows that come twice."""
    ids = np.array([k for string in strings for k in [*string, 0]], np.uint8)
    table = count_contexts(Strings.of_ids(ids), order - 1 + wider, 5)
    rows = np.concatenate([np.arange(len(table)), [0, 0]])
    assert_dense(table, smoothing_of(table, share, order), rows)


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_pairs_of_contexts_that_the_n_gram_has_not_seen(small: Dataset, share: float) -> None:
    """As on another list: the levels above the longest that is known leave everything."""
    table = table_of(small, "test", 4)
    smoothing = smoothing_of(table_of(small, "train", 4), share, 5)
    assert_dense(table, smoothing, np.arange(len(table)))


@pytest.mark.parametrize("order", [2, 4])  # shorter contexts than the table's, and as long
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_dense_table_is_the_weighted_sum(
    small: Dataset, monkeypatch: pytest.MonkeyPatch, share: float, order: int
) -> None:
    table, rows = table_of(small, "train", 3), np.array([3, 0, 7, 5, 5])
    smoothing = smoothing_of(table, share, order)
    dense = DenseTargets(table, smoothing)
    found = dense.of(rows)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, plain(table, smoothing, rows), rtol=0, atol=1e-7)
    monkeypatch.setattr("nplm.training.targets.CHUNK", 2 * table.vocab_size)
    assert torch.equal(DenseTargets(table, smoothing).table, dense.table)


def test_float32_logits_have_a_float32_loss(small: Dataset) -> None:
    table, rows = table_of(small, "train", 3), np.arange(50)
    smoothing = smoothing_of(table, 0.4, 3)
    logits = torch.randn(len(rows), table.vocab_size)
    found = SparseTargets(table, smoothing).of(rows).cross_entropy(logits)
    expected = torch.nn.functional.cross_entropy(
        logits, DenseTargets(table, smoothing).of(rows), reduction="none"
    )
    torch.testing.assert_close(found, expected)


def test_by_hand() -> None:
    # One row: a quarter of symbol 0, a half of what is common, and another quarter of symbol 0.
    common = torch.tensor([0.0, 1.0])
    values, shares = torch.tensor([0.25, 0.25]), torch.tensor([0.5])
    row = PairTargets(torch.tensor([0, 0]), torch.tensor([0, 0]), values, shares, common)
    assert row.cross_entropy(torch.tensor([[0.0, 0.0]])).item() == pytest.approx(np.log(2))
    logits = torch.tensor([[1.0, 3.0]])
    expected = np.log(np.exp(1) + np.exp(3)) - (1 + 3) / 2
    assert row.cross_entropy(logits).item() == pytest.approx(expected)


def test_many_symbols_or_a_large_table_are_kept_as_pairs(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(small, "train", 3)
    assert isinstance(make_targets(table, None), DenseTargets)
    assert isinstance(make_targets(replace(table, vocab_size=513), None), SparseTargets)
    monkeypatch.setattr("nplm.training.targets.MAX_DENSE", len(table) * table.vocab_size - 1)
    assert isinstance(make_targets(table, None), SparseTargets)
