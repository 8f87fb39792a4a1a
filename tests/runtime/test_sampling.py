"""Sampling against examples worked by hand, naive references, and the seed vector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nplm.generation import SamplingConfig
from nplm.runtime.rows import NEVER, search
from nplm.runtime.sampling import CHUNK, cumulative, probabilities, uniforms, uniforms_at

ROW = np.log(np.array([[0.4, 0.3, 0.2, 0.1]], np.float32))
NO_END = np.array([False, True, True, True])
LOGITS = arrays(np.float32, (3, 5), elements=st.integers(-8, 8).map(float))


def test_the_seed_vector() -> None:
    raw = [13535223855206698129, 10893183200674769480, 3833398344621921443, 8178605492699859198]
    expected = [[(x >> 11) * 2.0**-53 for x in raw]]
    assert uniforms(seed=5, start=0, count=1, block=0).tolist() == expected


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 10), st.integers(0, 1000))
def test_uniforms_depend_on_the_index_alone(seed: int, start: int, block: int) -> None:
    together = uniforms(seed, start, 9, block)
    alone = [uniforms(seed, start + k, 1, block)[0] for k in range(9)]
    np.testing.assert_array_equal(together, alone)
    assert ((together >= 0) & (together < 1)).all()


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, 2 * CHUNK + 5])
def test_uniforms_of_some_strings_are_those_of_all(count: int) -> None:
    whole = uniforms(7, 2**62, count, 3)
    raw = np.random.Philox(key=7, counter=[2**62, 3, 0, 0]).random_raw(4 * count)
    np.testing.assert_array_equal(whole.ravel(), [(x >> 11) * 2.0**-53 for x in raw.tolist()])
    for some in (np.arange(count), np.arange(count)[::-3], np.arange(0)):
        np.testing.assert_array_equal(uniforms_at(7, 2**62 + some, 3), whole[some])


def test_plain_probabilities_are_a_softmax() -> None:
    p = probabilities(ROW, SamplingConfig())
    np.testing.assert_allclose(p, [[0.4, 0.3, 0.2, 0.1]], rtol=1e-6)


def test_temperature_half_squares_the_odds() -> None:
    p = probabilities(ROW, SamplingConfig(temperature=0.5))
    np.testing.assert_allclose(p, np.array([[16, 9, 4, 1]]) / 30, rtol=1e-6)


def test_top_k_keeps_the_most_probable() -> None:
    p = probabilities(ROW, SamplingConfig(top_k=2))
    np.testing.assert_allclose(p, [[4 / 7, 3 / 7, 0, 0]], rtol=1e-6)


def test_top_k_beyond_the_vocabulary_keeps_all() -> None:
    p = probabilities(ROW, SamplingConfig(top_k=99))
    np.testing.assert_allclose(p, [[0.4, 0.3, 0.2, 0.1]], rtol=1e-6)


def test_top_p_keeps_until_the_mass_is_reached() -> None:
    p = probabilities(ROW, SamplingConfig(top_p=0.6))
    np.testing.assert_allclose(p, [[4 / 7, 3 / 7, 0, 0]], rtol=1e-6)


def test_top_p_that_is_met_exactly_keeps_no_more() -> None:
    p = probabilities(np.zeros((1, 4), np.float32), SamplingConfig(top_p=0.5))
    assert p.tolist() == [[0.5, 0.5, 0, 0]]


def test_top_p_is_of_the_mass_that_top_k_left() -> None:
    p = probabilities(ROW, SamplingConfig(top_k=2, top_p=0.5))  # 4 / 7 and 3 / 7
    assert p.tolist() == [[1, 0, 0, 0]]


def test_ties_go_to_the_lower_id() -> None:
    level = np.zeros((1, 4), np.float32)
    for sampling in (
        SamplingConfig(top_k=1),
        SamplingConfig(top_p=0.1),
        SamplingConfig(temperature=0),
    ):
        assert probabilities(level, sampling).tolist() == [[1, 0, 0, 0]]


def test_what_is_allowed_comes_before_the_other_options() -> None:
    p = probabilities(ROW, SamplingConfig(top_k=1), NO_END)
    assert p.tolist() == [[0, 1, 0, 0]]


def test_greedy_respects_the_mask() -> None:
    p = probabilities(ROW, SamplingConfig(temperature=0), NO_END)
    assert p.tolist() == [[0, 1, 0, 0]]


def naive(row: np.ndarray, sampling: SamplingConfig) -> list[float]:
    """One row, as the documentation says it in words."""
    weights = [float(np.exp(np.float64(x) / sampling.temperature)) for x in row]
    p = [w / sum(weights) for w in weights]
    ranked = sorted(range(len(p)), key=lambda k: (-p[k], k))[: sampling.top_k]
    mass, kept = sum(p[k] for k in ranked), []
    for k in ranked:
        if sum(p[j] for j in kept) / mass >= sampling.top_p:
            break
        kept.append(k)
    total = sum(p[k] for k in kept)
    return [p[k] / total if k in kept else 0.0 for k in range(len(p))]


@given(
    LOGITS,
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([None, 1, 2, 5, 9]),
    st.sampled_from([0.05, 0.33, 0.77, 1.0]),
)
def test_options_against_a_naive_reference(
    logits: np.ndarray, temperature: float, top_k: int | None, top_p: float
) -> None:
    sampling = SamplingConfig(temperature=temperature, top_k=top_k, top_p=top_p)
    expected = [naive(row, sampling) for row in logits]
    np.testing.assert_allclose(probabilities(logits, sampling), expected, rtol=1e-9, atol=1e-12)


def draw(cdf: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The ids at uniforms (B,) in cumulative rows (B, V), each in its own."""
    levels = (cdf.shape[1] - 1).bit_length()
    rows = np.full((len(cdf), 1 << levels), NEVER)
    rows[:, : cdf.shape[1]] = cdf
    return search(rows, levels, np.arange(len(cdf)), u)


@given(LOGITS, st.floats(0, 1, exclude_max=True))
def test_draw_is_the_first_id_whose_cumulative_sum_passes_u(logits: np.ndarray, u: float) -> None:
    cdf = cumulative(probabilities(logits, SamplingConfig()))
    expected = [next(k for k, c in enumerate(row) if c > u) for row in cdf]
    assert draw(cdf, np.full(3, u)).tolist() == expected


def test_the_largest_uniform_never_falls_behind_the_last_possible_symbol() -> None:
    p = np.array([[0.1] * 10 + [0.0] * 3])
    assert draw(cumulative(p), np.array([1 - 2**-53])).tolist() == [9]


@pytest.mark.parametrize("u", [0.0, 0.5])
def test_an_impossible_symbol_is_never_drawn(u: float) -> None:
    p = np.array([[0.0, 0.5, 0.0, 0.5]])
    assert draw(cumulative(p), np.array([u])).tolist() == [1 if u == 0 else 3]
