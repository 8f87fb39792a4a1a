"""Labels make room for each other: against a comparison of every pair."""

import itertools

import numpy as np
import pytest

from nplm.report.labels import arrange

LOW, HIGH = np.array([0.0, 0.0]), np.array([400.0, 300.0])


def overlap(one: np.ndarray, two: np.ndarray, size: np.ndarray, other: np.ndarray) -> bool:
    (ax, ay), (bx, by) = one, two
    wide, high = (size + other) / 2
    return bool(abs(ax - bx) < wide - 1e-9 and abs(ay - by) < high - 1e-9)


def check(places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The centres, after all that holds of any was asserted."""
    centres = arrange(places, sizes, LOW, HIGH)
    kept = np.flatnonzero(~np.isnan(centres[:, 0]))
    assert np.isnan(centres).any(axis=1).sum() == len(places) - len(kept)
    for j, k in itertools.combinations(kept, 2):
        assert not overlap(centres[j], centres[k], sizes[j], sizes[k])
    moved = [k for k in range(len(places)) if (centres[k] != places[k]).any()]
    for k in kept:
        assert (centres[k] - sizes[k] / 2 >= LOW).all()
        assert (centres[k] + sizes[k] / 2 <= HIGH).all()
        if k in moved:
            point = np.zeros(2)
            assert not any(overlap(centres[k], places[j], sizes[k], point) for j in moved)
    return centres


@pytest.mark.parametrize("count", [1, 2, 30, 300])
@pytest.mark.parametrize("seed", range(3))
def test_no_two_overlap(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.uniform(20, 280, (count, 2))
    sizes = np.stack([rng.choice([8.0, 10, 40], count), rng.choice([10.0, 15], count)], axis=1)
    centres = check(places, sizes)
    assert np.array_equal(centres, arrange(places, sizes, LOW, HIGH), equal_nan=True)


def test_what_stands_free_stays() -> None:
    places = np.array([[50.0 + 20 * k, 100] for k in range(10)])
    assert np.array_equal(check(places, np.full((10, 2), 20.0)), places)


def test_the_first_stays_and_the_second_goes_the_shortest_way() -> None:
    places = np.array([[100.0, 100], [100, 101]])
    sizes = np.array([[40.0, 10], [40, 10]])
    stays, goes = check(places, sizes)
    assert stays.tolist() == [100, 100]
    assert goes[0] == pytest.approx(100, abs=6)
    assert abs(goes[1] - 101) < 20


def test_a_place_at_the_edge_or_outside_the_frame() -> None:
    sizes = np.full((2, 2), 10.0)
    inside, outside = check(np.array([[1.0, 150], [-50, 150]]), sizes)
    assert inside[0] >= 5
    assert np.isnan(outside).all()


def test_all_in_one_place() -> None:
    centres = check(np.full((300, 2), 150.0), np.full((300, 2), 12.0))
    assert centres[0].tolist() == [150, 150]
    assert 5 < (~np.isnan(centres[:, 0])).sum() < 300
