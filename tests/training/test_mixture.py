"""The n-gram's tables and the mixture, as modules and as files, against float64 sums."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nplm.config import ModelConfig, RunConfig
from nplm.counts.evaluate import cross_entropy, evaluate, pair_log_probabilities
from nplm.counts.ngram import fit
from nplm.counts.tables import table_of
from nplm.export.onnxfile import export
from nplm.export.proof import Proof
from nplm.generation import SamplingConfig, StreamConfig
from nplm.presets import override, preset
from nplm.runs import run
from nplm.runs.opened import LoadedRun, load_run
from nplm.runtime.generate import generate
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.stepmodel import log_softmax
from nplm.text.dataset import Dataset
from nplm.training.densengram import DenseNGram
from nplm.training.mixture import Mixture, learn_weights, share_out
from nplm.training.network import NeuralLM
from nplm.training.recipe import Recipe
from nplm.training.torchmodel import assemble


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def log_rows(module: torch.nn.Module, contexts: NDArray[np.integer]) -> NDArray[np.float64]:
    """What the module gives, before anything normalises it."""
    with torch.inference_mode():
        out = module.eval()(torch.from_numpy(contexts.astype(np.int64)))
    return out.numpy().astype(np.float64)


def drawn(rows: int, width: int, vocab_size: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, vocab_size, (rows, width))


def network(block_size: int, seed: int, vocab_size: int = 27) -> NeuralLM:
    torch.manual_seed(seed)
    return NeuralLM(ModelConfig(block_size, 4, 8, init="normal", dropout=0.5), vocab_size)


def weighted(parts: list[torch.nn.Module], weights: object, contexts: NDArray) -> NDArray:
    """log sum_k w_k p_k in float64, each part on the symbols it sees."""
    seen = [contexts[:, contexts.shape[1] - part.block_size :] for part in parts]
    p = [np.exp(log_softmax(log_rows(part, c))) for part, c in zip(parts, seen, strict=True)]
    return np.log(np.tensordot(np.array(weights), np.array(p), 1))


@pytest.mark.parametrize("order", [2, 4, 6])  # narrower than the networks, as wide, wider
def test_a_mixture_is_the_weighted_sum_of_its_parts(small: Dataset, order: int) -> None:
    ngram = DenseNGram.of(fit(table_of(small, "train", order - 1), order))
    parts = [ngram, network(3, 1), network(3, 2)]
    mixed = Mixture(parts[1:], ngram)
    assert mixed.block_size == max(3, order - 1)
    assert mixed.parts == parts
    contexts = drawn(500, mixed.block_size, 27)
    for weights in ([1 / 3] * 3, [0.7, 0.2, 0.1], [1e-9, 0.5, 0.5 - 1e-9]):
        mixed.weigh(np.array(weights))
        assert mixed.weights == pytest.approx(weights, abs=1e-6)
        found = log_rows(mixed, contexts)
        np.testing.assert_allclose(found, weighted(parts, weights, contexts), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=0, atol=1e-5)


def test_networks_alone_are_averaged_at_first() -> None:
    parts = [network(3, 1), network(3, 2), network(3, 3)]
    found = log_rows(Mixture(parts, None), contexts := drawn(200, 3, 27))
    np.testing.assert_allclose(found, weighted(parts, [1 / 3] * 3, contexts), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("share", [0, 1])
def test_weights_of_zero_and_one_leave_one_side(small: Dataset, share: float) -> None:
    ngram = DenseNGram.of(fit(table_of(small, "train", 3), 4))
    networks = [network(3, 1), network(3, 2)]
    mixed = Mixture(networks, ngram)
    mixed.weigh(share_out(share, 2))
    contexts = drawn(500, 3, 27)
    expected = log_rows(ngram, contexts) if share else weighted(networks, [0.5, 0.5], contexts)
    found = log_rows(mixed, contexts)
    assert np.isfinite(found).all()
    likely = expected > -10
    assert likely.mean() > 0.5  # a part of weight 1e-12 may still be all there is of the unlikely
    np.testing.assert_allclose(found[likely], expected[likely], rtol=1e-5, atol=1e-5)
    assert mixed.weights == pytest.approx(share_out(share, 2), abs=1e-11)


def test_a_single_part_stays_what_it_is(small: Dataset) -> None:
    ngram, alone = DenseNGram.of(fit(table_of(small, "train", 1), 2)), network(3, 1)
    assert assemble([], ngram) is ngram
    assert assemble([alone], None) is alone
    assert isinstance(assemble([alone], ngram), Mixture)
    assert isinstance(assemble([alone, network(3, 2)], None), Mixture)


@pytest.mark.parametrize(("share", "networks"), [(0.25, 1), (0.4, 3), (0, 2), (1, 2)])
def test_shares_are_given_out_evenly(share: float, networks: int) -> None:
    each = (1 - share) / networks
    assert share_out(share, networks) == pytest.approx([share] + [each] * networks)


def nats_of(weights: object, log_p: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    return float(counts @ -np.log(np.array(weights) @ np.exp(log_p))) / counts.sum()


def parts_on_val(parts: int, apart: float, seed: int) -> tuple[NDArray, NDArray]:
    """(P, E) log-probabilities that lie about `apart` nats from each other, and (E,) counts."""
    random = np.random.default_rng(seed)
    log_p = random.normal(-3, 1, 200) + apart * random.standard_normal((parts, 200))
    return np.minimum(log_p, -1e-3), random.integers(1, 30, 200)


@pytest.mark.parametrize("seed", range(5))
def test_learnt_weights_are_the_best_of_a_grid(seed: int) -> None:
    grid = np.linspace(0, 1, 101)
    for weights in (
        [(w, 1 - w) for w in grid],
        [(w, v, 1 - w - v) for w in grid[::5] for v in grid[::5] if w + v < 1],
    ):
        log_p, counts = parts_on_val(len(weights[0]), 1.0, seed)
        learnt = learn_weights(log_p, counts)
        assert learnt.sum() == pytest.approx(1)
        assert (learnt >= 0).all()
        best = min(nats_of(w, log_p, counts) for w in weights)
        assert best - 0.005 < nats_of(learnt, log_p, counts) < best + 1e-6


@pytest.mark.parametrize("apart", [0, 0.01, 0.1, 0.3, 1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_learnt_weights_are_never_worse_than_one_part(apart: float, seed: int) -> None:
    log_p, counts = parts_on_val(3, apart, seed)
    alone = min(nats_of(weights, log_p, counts) for weights in np.eye(3))
    assert nats_of(learn_weights(log_p, counts), log_p, counts) <= alone + 1e-6


def test_learnt_weights_by_hand() -> None:
    # Each part is certain of what the other excludes; three of four positions are the first's.
    log_p = np.array([[-1e-9, -1e4], [-1e4, -1e-9]])
    assert learn_weights(log_p, np.array([3, 1])) == pytest.approx([3 / 4, 1 / 4])


def test_parts_that_are_all_but_impossible_have_weights_all_the_same() -> None:
    log_p = np.array([[-1e4, -2e4], [-2e4, -1e4]])
    assert learn_weights(log_p, np.array([1, 1])) == pytest.approx([1 / 2, 1 / 2])


@dataclass(frozen=True)
class Exported:
    run: LoadedRun
    model: OnnxModel
    proof: Proof


@pytest.fixture(scope="module")
def exported(
    tiny_config: RunConfig, small: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Exported]:
    """A 5-gram alone, and the same with two tiny networks that see less than it does."""
    place = tmp_path_factory.mktemp("mixtures")
    beside = {"networks": 2, "ngram": True, "smoothing": 0.0, "order": 5}
    found = {}
    for name, config in (
        ("n-gram", override(preset("ngram"), {"order": 5}, "")),
        ("mixture", override(tiny_config, beside, "")),
    ):
        folder, out = place / name, place / f"{name}.onnx"
        list(run.train(folder, config, small, place / "data"))
        proof = export(load_run(folder), small, out)
        found[name] = Exported(load_run(folder), open_model(out), proof)
    return found


KINDS = pytest.mark.parametrize("kind", ["n-gram", "mixture"])


@KINDS
def test_file_and_run_agree(exported: dict[str, Exported], small: Dataset, kind: str) -> None:
    item = exported[kind]
    assert item.run.kind == kind == item.model.card.extra["kind"]
    assert item.proof.largest < 1e-5
    assert (item.proof.strings, item.proof.differing) == (1000, 0)
    contexts = np.concatenate([table_of(small, "test", 4).contexts, drawn(2000, 4, 27)])
    file, module = item.model(contexts.astype(np.int64)), item.run.model(contexts.astype(np.int64))
    np.testing.assert_allclose(log_softmax(file), log_softmax(module), rtol=0, atol=1e-5)
    for split in ("train", "val", "test"):
        table = table_of(small, split, 4)
        one, two = (evaluate(model, table).per_symbol for model in (item.model, item.run.model))
        assert one == pytest.approx(two, abs=1e-6)


@KINDS
def test_file_and_run_generate_the_same(exported: dict[str, Exported], kind: str) -> None:
    item = exported[kind]
    sampling = SamplingConfig(max_length=30)
    for seed in (1, 2):
        one = generate(item.run.model, item.run.card, sampling, StreamConfig(500, seed, cut=True))
        two = generate(item.model, item.model.card, sampling, StreamConfig(500, seed, cut=True))
        assert [g.text for g in one] == [g.text for g in two]


def test_the_n_gram_file_has_the_nats_of_the_counts(
    exported: dict[str, Exported], small: Dataset
) -> None:
    ngram = fit(table_of(small, "train", 4), 5)
    for split in ("train", "val", "test"):
        table = table_of(small, split, 4)
        found = evaluate(exported["n-gram"].model, table).per_symbol
        nats = cross_entropy(table, ngram.log_probabilities(table))
        assert found == pytest.approx(nats.per_symbol, abs=1e-3)


def test_a_mixture_is_better_on_val_than_any_part(
    exported: dict[str, Exported], small: Dataset
) -> None:
    item, val = exported["mixture"], table_of(small, "val", 4)
    parts = item.run.parts()
    assert list(parts) == ["n-gram", "network 1", "network 2"]
    assert exported["n-gram"].run.parts() == {}
    nats = [evaluate(part, val).per_symbol for part in parts.values()]
    assert evaluate(item.run.model, val).per_symbol < min(nats)
    shown = item.model.card.extra["weights"]
    assert list(shown) == list(parts)
    assert list(shown.values()) == pytest.approx(item.run.module.weights, abs=1e-6)


def test_the_weights_are_those_learnt_on_val(exported: dict[str, Exported], small: Dataset) -> None:
    item, val = exported["mixture"], table_of(small, "val", 4)
    log_p = [pair_log_probabilities(part, val) for part in item.run.parts().values()]
    learnt = learn_weights(np.array(log_p), val.counts)
    assert item.run.module.weights == pytest.approx(learnt, abs=1e-6)


def mixture_trained(
    config: RunConfig, small: Dataset, values: dict[str, object], *, val: bool
) -> Recipe:
    config = override(config, {"ngram": True, "order": 3, "steps": 5, **values}, "")
    recipe = Recipe(config, table_of(small, "train", 3), table_of(small, "val", 3) if val else None)
    list(recipe.run())
    return recipe


def test_a_weight_that_is_asked_for_is_taken(tiny_config: RunConfig, small: Dataset) -> None:
    for asked in (0, 0.25, 1):
        values = {"networks": 2, "ngram_weight": asked}
        recipe = mixture_trained(tiny_config, small, values, val=True)
        expected = [asked, (1 - asked) / 2, (1 - asked) / 2]
        assert recipe.module.weights == pytest.approx(expected, abs=1e-6)


def test_without_val_all_parts_weigh_the_same(tiny_config: RunConfig, small: Dataset) -> None:
    recipe = mixture_trained(tiny_config, small, {"networks": 3}, val=False)
    assert recipe.module.weights == pytest.approx([1 / 4] * 4)


def test_networks_of_a_mixture_start_apart(tiny_config: RunConfig, small: Dataset) -> None:
    recipe = mixture_trained(tiny_config, small, {"networks": 2}, val=True)
    one, two = (network.embedding.weight for network in recipe.networks)
    assert not torch.equal(one, two)
