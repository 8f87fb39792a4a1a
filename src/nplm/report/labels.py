"""Where labels go so that none lies on another: at their places, beside them, or nowhere."""

import numpy as np
from numpy.typing import NDArray

DISTANCES = (0.65, 0.9, 1.2, 1.6, 2.0)  # of a label that is moved, in its widths and heights
DIRECTIONS = 16

Array = NDArray[np.float64]


def arrange(places: Array, sizes: Array, low: Array, high: Array) -> Array:
    """Centres (n, 2) of labels of which no two overlap; NaN where there is no room for one.

    First each label in turn takes its place if that is free. Then each of the others takes the
    nearest room beside its place that covers neither its own nor the place of another of them.

    Args:
        places: (n, 2) where labels belong.
        sizes: (n, 2) their widths and heights, the room between them included.
        low: (2,) the lower left corner of the frame in which all must lie.
        high: (2,) the upper right one.
    """
    centres = np.full(places.shape, np.nan)
    placed: list[int] = []
    for k, place in enumerate(places):
        if not _covered(place[None], sizes[k], centres[placed], sizes[placed], low, high).any():
            centres[k] = place
            placed.append(k)
    moved = np.flatnonzero(np.isnan(centres[:, 0])).tolist()
    others, points, steps = places[moved], np.zeros((len(moved), 2)), _steps()
    for k in moved:
        candidates = places[k] + sizes[k] * steps
        covered = _covered(candidates, sizes[k], centres[placed], sizes[placed], low, high)
        covered |= _covered(candidates, sizes[k], others, points, low, high)
        away = np.linalg.norm(candidates - places[k], axis=1)
        if not covered.all():
            centres[k] = candidates[np.where(covered, np.inf, away).argmin()]
            placed.append(k)
    return centres


def _steps() -> Array:
    """(m, 2) steps around a place, in label sizes: on squares, so that they leave it free."""
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    square = circle / np.abs(circle).max(axis=1, keepdims=True)
    return np.concatenate([distance * square for distance in DISTANCES])


def _covered(
    at: Array, size: Array, centres: Array, sizes: Array, low: Array, high: Array
) -> NDArray[np.bool_]:
    """(m,) whether a label at each of `at` (m, 2) lies outside the frame or on another label."""
    reach = (size + sizes) / 2
    near = ((centres + reach > at.min(axis=0)) & (centres - reach < at.max(axis=0))).all(axis=1)
    apart = np.abs(at[:, None] - centres[near])
    on_another = (apart < reach[near]).all(axis=2).any(axis=1)
    outside = (at - size / 2 < low).any(axis=1) | (at + size / 2 > high).any(axis=1)
    return np.asarray(on_another | outside, np.bool_)
