"""The n-gram as torch modules, dense and sparse, against the one that was fitted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nplm.counts.contexts import count_contexts
from nplm.counts.evaluate import evaluate, pair_log_probabilities
from nplm.counts.ngram import NGram, fit
from nplm.counts.tables import table_of
from nplm.errors import DataError
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings
from nplm.training import ngrammodule
from nplm.training.densengram import DenseNGram, dense_bytes
from nplm.training.ngrammodule import make_ngram, refuse_large
from nplm.training.sparsengram import SparseNGram, sparse_bytes
from nplm.training.torchmodel import TorchModel, step_model

pytestmark = pytest.mark.training
LISTS = st.lists(st.lists(st.integers(1, 3), max_size=6), min_size=1, max_size=8)
KINDS = {"dense": DenseNGram.of, "sparse": SparseNGram.of}
TOLERANCE = 2e-6  # of a logarithm, or a part of it


def log_rows(module: torch.nn.Module, contexts: NDArray[np.integer]) -> NDArray[np.float64]:
    with torch.inference_mode():
        return module(torch.from_numpy(contexts.astype(np.int64))).numpy().astype(np.float64)


def drawn(rows: int, width: int, vocab_size: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, vocab_size, (rows, width))


def assert_near(module: torch.nn.Module, ngram: NGram, contexts: NDArray) -> None:
    expected, found = np.log(ngram.probabilities(contexts)), log_rows(module, contexts)
    assert (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max() < TOLERANCE
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [2, 4, 6])
def test_the_module_of_names_is_the_n_gram(small: Dataset, order: int, kind: str) -> None:
    make = KINDS[kind]
    train = table_of(small, "train", order - 1)
    ngram = fit(train, order)
    module = make(ngram)
    assert (module.block_size, module.vocab_size) == (order - 1, len(small.vocab))
    assert module.contexts == len(ngram)
    for contexts in (train.contexts, drawn(2000, order - 1, len(small.vocab)), drawn(1, 9, 27)):
        assert_near(module, ngram, contexts)


@pytest.mark.parametrize("kind", KINDS)
@given(strings=LISTS, order=st.integers(2, 6))
@settings(deadline=None)
def test_the_module_of_any_list_is_the_n_gram(
    strings: list[list[int]], order: int, kind: str
) -> None:
    """Of lists with no string as long as a context too."""
    make = KINDS[kind]
    ids = np.array([k for string in strings for k in [*string, 0]], np.uint8)
    seen = count_contexts(Strings.of_ids(ids), order - 1, 4)
    ngram = fit(seen, order)
    for contexts in (seen.contexts, drawn(50, order - 1, 4)):
        assert_near(make(ngram), ngram, contexts)


@pytest.mark.parametrize("order", [2, 4, 7])
def test_a_sparse_n_gram_scores_pairs_without_rows(small: Dataset, order: int) -> None:
    """Of tables as wide as it is and wider, seen and not."""
    ngram = fit(table_of(small, "train", order - 1), order)
    model = step_model(SparseNGram.of(ngram))
    for split, width in (("train", order - 1), ("val", order - 1), ("val", 8)):
        table = table_of(small, split, width)
        found = pair_log_probabilities(model, table)
        np.testing.assert_allclose(found, ngram.log_probabilities(table), rtol=1e-6)
        by_rows = evaluate(TorchModel(model.module), table).per_symbol
        assert evaluate(model, table).per_symbol == pytest.approx(by_rows, rel=1e-6)


def test_what_is_older_than_the_order_does_not_matter(small: Dataset) -> None:
    ngram, contexts = fit(table_of(small, "train", 3), 4), drawn(500, 7, 27)
    for make in KINDS.values():
        module = make(ngram)
        np.testing.assert_array_equal(log_rows(module, contexts), log_rows(module, contexts[:, 4:]))


def test_the_smaller_one_is_taken(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    ngram = fit(table_of(small, "train", 4), 5)
    module = make_ngram(ngram)
    assert isinstance(module, DenseNGram)
    size = sum(table.nbytes for table in module.tables.values())
    assert size == pytest.approx(dense_bytes(ngram), rel=0.01)
    monkeypatch.setattr(ngrammodule, "MAX_DENSE_BYTES", size // 2)
    module = make_ngram(ngram)
    assert isinstance(module, SparseNGram)
    size = sum(table.nbytes for table in module.tables.values())
    assert size <= sparse_bytes(ngram) < 1.3 * size


def test_what_no_file_could_hold_is_refused_with_an_estimate(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    ngram = fit(table_of(small, "train", 4), 5)
    monkeypatch.setattr(ngrammodule, "MAX_DENSE_BYTES", 0)
    monkeypatch.setattr(ngrammodule, "MAX_BYTES", sparse_bytes(ngram))
    refuse_large(ngram)
    monkeypatch.setattr(ngrammodule, "MAX_BYTES", sparse_bytes(ngram) - 1)
    with pytest.raises(DataError) as caught:
        make_ngram(ngram)
    assert f"for {len(ngram):,} contexts; at most" in caught.value.problem
    assert "`order` below 5" in caught.value.cure
