"""Samplers: the table's loss is the text's, and the draws are unbiased."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from nplm.config import ModelConfig, TrainConfig
from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.ngram import fit
from nplm.counts.tables import table_of
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings
from nplm.training.batches import (
    ContextSampler,
    FullSampler,
    PositionSampler,
    make_sampler,
)
from nplm.training.network import NeuralLM
from nplm.training.targets import DenseTargets, PairTargets, Smoothing

BLOCK_SIZE = 3


@pytest.fixture(scope="module")
def table(small: Dataset) -> ContextTable:
    return table_of(small, "train", BLOCK_SIZE)


def windows(stream: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every position's context and symbol, by the lesson's own loop."""
    contexts, symbols, context = [], [], [0] * BLOCK_SIZE
    for symbol in stream.tolist():
        contexts.append(context)
        symbols.append(symbol)
        context = [*context[1:], symbol] if symbol else [0] * BLOCK_SIZE
    return np.array(contexts), np.array(symbols)


def test_loss_and_gradient_equal_the_plain_ones(small: Dataset, table: ContextTable) -> None:
    torch.manual_seed(0)
    network = NeuralLM(ModelConfig(BLOCK_SIZE, 5, 12, dropout=0.0), len(small.vocab)).double()
    contexts, symbols = windows(small.splits["train"].ids)
    plain = F.cross_entropy(network(torch.from_numpy(contexts)), torch.from_numpy(symbols))
    batch = FullSampler(table, DenseTargets(table, None)).batch(0)
    weights = torch.from_numpy(table.totals / table.symbols)
    targets = torch.zeros(len(table), len(small.vocab), dtype=torch.float64)
    targets[table.pair_rows, table.targets.astype(np.int64)] = torch.from_numpy(
        table.counts / table.totals[table.pair_rows]
    )
    rows = F.cross_entropy(network(batch.contexts), targets, reduction="none")
    ours = rows @ weights
    parameters = list(network.parameters())
    one, two = torch.autograd.grad(plain, parameters), torch.autograd.grad(ours, parameters)
    assert ours.item() == pytest.approx(plain.item(), rel=1e-13)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)
    # And what the sampler itself holds is that, in float32.
    torch.testing.assert_close(batch.targets, targets.float())
    torch.testing.assert_close(batch.weights, weights.float())


@given(st.integers(1, 700), st.integers(0, 2**64 - 1), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_a_systematic_draw_is_exact_to_one(
    table: ContextTable, size: int, seed: int, step: int
) -> None:
    rows, repeats = ContextSampler(table, size, seed, DenseTargets(table, None)).draw(step)
    assert repeats.sum() == size
    drawn = np.zeros(len(table))
    drawn[rows] = repeats
    assert (np.abs(drawn - size * table.totals / table.symbols) < 1).all()


def test_the_draw_is_unbiased(table: ContextTable) -> None:
    """Over many steps each context is drawn in proportion to its count."""
    size, steps = 64, 4000
    sampler = ContextSampler(table, size, 1, DenseTargets(table, None))
    drawn = np.zeros(len(table))
    for step in range(steps):
        rows, repeats = sampler.draw(step)
        drawn[rows] += repeats
    # The golden-ratio shifts leave each context within a few draws of its share of 256,000.
    assert np.abs(drawn - size * steps * table.totals / table.symbols).max() < 8


def test_the_expected_batch_loss_is_the_full_loss(small: Dataset, table: ContextTable) -> None:
    torch.manual_seed(0)
    network = NeuralLM(ModelConfig(BLOCK_SIZE, 5, 12, dropout=0.0), len(small.vocab))
    full = FullSampler(table, DenseTargets(table, None)).batch(0)
    sampler = ContextSampler(table, 256, 2, DenseTargets(table, None))
    with torch.no_grad():
        truth = full.loss(network(full.contexts)).item()
        batches = [sampler.batch(step) for step in range(500)]
        mean = np.mean([b.loss(network(b.contexts)).item() for b in batches])
    assert mean == pytest.approx(truth, abs=1e-3)


def test_positions_are_drawn_in_proportion_to_counts(table: ContextTable) -> None:
    sampler = PositionSampler(table, 1000, seed=0)
    symbols = torch.cat([sampler.batch(step).targets for step in range(100)])
    share = np.bincount(symbols, minlength=table.vocab_size) / len(symbols)
    truth = np.bincount(table.targets, table.counts, table.vocab_size) / table.symbols
    np.testing.assert_allclose(share, truth, atol=0.005)


def test_batches_are_functions_of_seed_and_step(table: ContextTable) -> None:
    for draw in ("contexts", "positions"):
        config = TrainConfig(draw=draw, batch_size=50, smoothing=0.0, seed=4)
        one, two = make_sampler(config, table), make_sampler(config, table)
        two.batch(1)
        assert torch.equal(one.batch(7).contexts, two.batch(7).contexts)
        assert not torch.equal(one.batch(7).contexts, one.batch(8).contexts)


@pytest.mark.parametrize("batch_size", [50, "full"])
@pytest.mark.parametrize("limit", [26, 27])
def test_samplers_give_smoothed_targets(
    table: ContextTable, monkeypatch: pytest.MonkeyPatch, batch_size: int | str, limit: int
) -> None:
    monkeypatch.setattr("nplm.training.targets.FEW_SYMBOLS", limit)
    ngram = fit(table, 3)
    config = TrainConfig(batch_size=batch_size, smoothing=0.4)
    batch = make_sampler(config, table, Smoothing(0.4, ngram)).batch(0)
    plain = make_sampler(config, table, None).batch(0)
    assert torch.equal(batch.contexts, plain.contexts)
    smooth = torch.from_numpy(ngram.probabilities(batch.contexts.numpy())).float()
    assert isinstance(batch.targets, PairTargets) == (limit < table.vocab_size)
    if limit == table.vocab_size:
        torch.testing.assert_close(batch.targets, 0.6 * plain.targets + 0.4 * smooth)
    logits = torch.randn(len(batch.contexts), table.vocab_size)
    of_smooth = -(smooth * logits.log_softmax(1)).sum(1) @ batch.weights
    expected = 0.6 * plain.loss(logits) + 0.4 * of_smooth
    torch.testing.assert_close(batch.loss(logits), expected)


def test_one_string_trains() -> None:
    table = count_contexts(Strings.of_ids(np.array([1, 2, 0], np.uint8)), 2, 3)
    batch = ContextSampler(table, 6, 0, DenseTargets(table, None)).batch(0)
    assert batch.weights.tolist() == pytest.approx([1 / 3] * 3)
