"""Ranks, typicality and p-values against an enumeration of all strings of a small model."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import nplm
from nplm.errors import UsageError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime import rank
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import generate_batches
from nplm.runtime.model import Model
from nplm.runtime.rank import ENOUGH, Ranker, RankScorer, draw_of_length, own_sampling
from nplm.runtime.score import ScoredBatch

SIZE = 20_000
GOLDEN = Path(__file__).parents[1] / "golden" / "tiny.onnx"


@pytest.fixture(scope="module")
def model() -> Model:
    return nplm.load(GOLDEN)


@pytest.fixture(scope="module")
def cache(model: Model) -> AutomatonCache:
    return model._cache


@pytest.fixture(scope="module")
def short(model: Model) -> tuple[list[str], NDArray[np.float64]]:
    """All strings of up to three symbols, and their nats."""
    symbols = model.card.vocab.symbols
    texts = [
        "".join(letters)
        for length in range(4)
        for letters in itertools.product(symbols, repeat=length)
    ]
    return texts, model.score_arrays(texts).nats


def scored(nats: list[float], lengths: list[int]) -> ScoredBatch:
    """Strings of these nats and symbols, the end among them."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    per_symbol = np.zeros(offsets[-1])
    per_symbol[offsets[1:] - 1] = nats
    texts = ["a" * (length - 1) for length in lengths]
    return ScoredBatch(texts, per_symbol, offsets, np.zeros(len(nats), np.int64))


def ranks_above(model: Model, bound: float) -> NDArray[np.float64]:
    """(n,) ascending nats of all strings below a bound: by prefixes, none is more probable."""
    found: list[float] = []
    symbols, prefixes = model.card.vocab.symbols, [""]
    while prefixes:
        batch = model.score_arrays(prefixes)
        found += batch.nats.tolist()
        going = np.add.reduceat(batch.per_symbol, batch.offsets[:-1]) - batch.per_symbol[batch.ends]
        prefixes = [
            prefix + symbol
            for prefix, nats in zip(prefixes, going.tolist(), strict=True)
            if nats < bound
            for symbol in symbols
        ]
    return np.sort(np.array([nats for nats in found if nats < bound]))


def test_ranks_are_near_the_exact_ones(model: Model) -> None:
    """Over many samples 95 % lie within two standard errors, and none is off on average."""
    exact = ranks_above(model, 10.5)
    places = np.arange(10, len(exact), max(1, len(exact) // 40))
    strings = scored(exact[places].tolist(), [5] * len(places))
    within, relative = [], []
    for seed in range(20):
        batch = Ranker.of(model._cache, SIZE, seed).rank(strings)
        within.append(np.abs(batch.rank - places) <= 2 * batch.rank_error)
        relative.append(batch.rank / places - 1)
    assert 0.93 < np.mean(within) < 0.985
    assert np.abs(np.mean(relative, axis=0)).max() < 0.05


def test_by_hand() -> None:
    """Four sampled strings of probability 1/2, 1/2, 1/4 and 1/8."""
    nats = np.log([2.0, 2.0, 4.0, 8.0])
    ranker = Ranker(nats, np.array([2, 2, 2, 3]))
    batch = ranker.rank(scored(np.log([1.5, 2.0, 3.0, 4.0, 16.0]).tolist(), [2] * 5))
    assert batch.rank == pytest.approx([0, 0, 1, 1, 4])
    terms = np.array([2.0, 2.0, 4.0, 8.0])
    assert batch.rank_error[4] == pytest.approx(np.std(terms, ddof=1) / 2)
    assert batch.rank_error[:2].tolist() == [0, 0]
    assert batch.typicality == pytest.approx([1, 0.5, 0.5, 0.25, 0])
    assert np.isnan(batch.p_value).all()


def test_ties_by_rounding_are_ties() -> None:
    ranker = Ranker(np.full(ENOUGH, 0.1 + 0.2), np.full(ENOUGH, 4))
    batch = ranker.rank(scored([0.3], [4]))
    assert (batch.rank[0], batch.typicality[0], batch.p_value[0]) == (0, 0, 1)


def test_typicality_is_the_mass_of_the_less_probable(model: Model, cache: AutomatonCache) -> None:
    exact = ranks_above(model, 10.5)
    batch = Ranker.of(cache, SIZE).rank(scored([float(exact[99])], [5]))
    assert batch.typicality[0] == pytest.approx(1 - np.exp(-exact[:100]).sum(), abs=0.015)


def test_sampled_as_scored(
    model: Model, cache: AutomatonCache, short: tuple[list[str], NDArray[np.float64]]
) -> None:
    """Of the model's own strings each length has its share, the empty string among them."""
    ranker = Ranker.of(cache, SIZE)
    texts, nats = short
    masses = np.bincount([len(text) + 1 for text in texts], np.exp(-nats))
    for length in range(1, 5):
        own = ranker._of_length.get(length, np.zeros(0))
        assert len(own) / SIZE == pytest.approx(masses[length], abs=4 * math.sqrt(0.25 / SIZE))
    one = model.score_arrays(["a"]).nats[0]
    assert np.isclose(ranker._nats, one, rtol=0, atol=1e-9).mean() == pytest.approx(
        math.exp(-one), abs=4 * math.sqrt(0.25 / SIZE)
    )


def kolmogorov_smirnov(values: NDArray[np.float64]) -> float:
    """The greatest distance of the (n,) values' distribution from the uniform one, times root n."""
    ordered, n = np.sort(values), len(values)
    above, below = np.arange(1, n + 1) / n - ordered, ordered - np.arange(n) / n
    return float(max(above.max(), below.max()) * math.sqrt(n))


def test_p_values_of_the_models_own_strings_are_uniform(cache: AutomatonCache) -> None:
    batches = generate_batches(
        cache, own_sampling(cache.card), StreamConfig(seed=1, indices=5000), nats=True
    )
    texts = [string.text for batch in batches for string in batch.strings()]
    p_values = RankScorer(cache, 50_000).strings(texts).p_value
    known = p_values[~np.isnan(p_values)]
    assert len(known) > 0.9 * len(texts)
    assert kolmogorov_smirnov(known) < 1.63  # one in 100 has more


def test_an_unseen_symbol(model: Model) -> None:
    batch = model.rank(["a!ona", "!" * 60], sample=SIZE)
    of_length = len(model.rank([], sample=SIZE).p_value), batch.scored.symbols.tolist()
    assert of_length == (0, [6, 61])
    assert np.isinf(batch.rank).all()
    assert np.isinf(batch.rank_error).all()
    assert batch.typicality.tolist() == [0, 0]
    own = model._rank_scorer
    assert own is not None
    assert batch.p_value.tolist() == [
        1 / (len(own.ranker._of_length[6]) + 1),
        1 / (SIZE + 1),
    ]


def test_lengths_that_are_rare(
    model: Model, cache: AutomatonCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are drawn once; of one that hardly comes nothing is known."""
    asked: list[tuple[int, int]] = []

    def draw(
        _: object, seed: int, length: int, count: int, share: float
    ) -> NDArray[np.float64] | None:
        assert (seed, share < 0.1) == (0, True)
        asked.append((length, count))
        return np.linspace(1, 100, count) if length < 60 else None

    texts = ["a" * 49, "a" * 49, "a" * 70, "anna"]
    batch = model.score_arrays(texts)
    monkeypatch.setattr(rank, "draw_of_length", draw)
    ranker = Ranker.of(cache, SIZE)
    p_values = ranker.rank(batch).p_value
    assert ranker.rank(batch).p_value.tolist()[:2] == p_values.tolist()[:2] == [1 / 1001] * 2
    assert asked == [(50, ENOUGH), (71, ENOUGH)]
    assert np.isnan(p_values).tolist() == [False, False, True, False]


def test_strings_drawn_for_a_length_have_it(cache: AutomatonCache) -> None:
    """And the share of those of the sample that are more surprising than most of them is right."""
    ranker = Ranker.of(cache, 50_000)
    drawn = draw_of_length(cache, 0, 7, 4_000, 0.1)
    assert drawn is not None
    sampled = ranker._of_length[7]
    pooled = np.sort(np.concatenate([drawn, sampled]))
    shares = [np.searchsorted(np.sort(x), pooled, side="right") / len(x) for x in (drawn, sampled)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    assert distance < 1.95 * math.sqrt(1 / len(drawn) + 1 / len(sampled))  # 1 in 1,000
    assert draw_of_length(cache, 0, 200, 1, 0.0) is None


@pytest.mark.filterwarnings("error")
def test_strings_too_improbable_for_a_number() -> None:
    """1 / p of 1,000 nats is beyond floating point; a string that did not end is past all."""
    ranker = Ranker(np.array([1.0, 400.0, 1000.0, np.inf]), np.array([2, 9, 9, 9]))
    batch = ranker.rank(scored([2.0, 500.0, 2000.0], [2, 9, 9]))
    assert batch.rank[0] == pytest.approx(math.e / 4)
    assert batch.rank[1] == pytest.approx(math.exp(400) / 4)
    assert np.isinf(batch.rank[2:]).all()
    assert np.isinf(batch.rank_error[1:]).all()
    assert batch.typicality.tolist() == [0.75, 0.5, 0.25]


def test_the_sample_is_kept(model: Model) -> None:
    one = model.rank(["anna"], sample=SIZE)
    kept = model._rank_scorer
    two = model.rank(["bob", "anna"], sample=SIZE)
    assert model._rank_scorer is kept
    for name in ("rank", "rank_error", "typicality", "p_value"):
        assert getattr(one, name)[0] == getattr(two, name)[1]
    assert len(model.rank([], sample=SIZE).rank) == 0


def test_what_was_walked_for_the_sample_changes_no_score(model: Model) -> None:
    texts = ["anna", "", "zzzzzzzzzzzzzzzzzz", "a!"]
    batch = model.rank(texts, sample=SIZE).scored
    assert batch.per_symbol.tolist() == model.score_arrays(texts).per_symbol.tolist()


@pytest.mark.parametrize("sample", [999, 10_000_001, True, "many"])
def test_sizes_that_are_refused(model: Model, sample: int) -> None:
    with pytest.raises(UsageError, match="sample"):
        model.rank(["anna"], sample=sample)


def test_own_sampling_draws_what_is_scored(model: Model) -> None:
    assert own_sampling(model.card) == SamplingConfig(
        min_length=0, max_length=256, allow_unknown=True
    )


def test_an_interrupted_draw_is_made_again() -> None:
    """What is known of a rare length does not depend on who asked before."""
    calls = []

    def draw(length: int, count: int, share: float) -> NDArray[np.float64]:
        assert share == 0.0
        calls.append(length)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return np.arange(float(count))

    ranker = Ranker(np.arange(100.0), np.full(100, 9), draw)
    with pytest.raises(KeyboardInterrupt):
        ranker._own_of_length(5)
    own = ranker._own_of_length(5)
    assert own is not None
    assert len(own) == ENOUGH
    assert ranker._own_of_length(5) is own
    assert calls == [5, 5]
