"""Settings of what is drawn: every bound."""

from typing import Any

import pytest

from nplm.checks import MAX_INDEX, MAX_SEED
from nplm.errors import UsageError
from nplm.generation import SamplingConfig, StreamConfig

NAN, INF = float("nan"), float("inf")

REFUSED: list[tuple[type, str, list[Any]]] = [
    (SamplingConfig, "temperature", [-0.1, NAN, INF, "1", True]),
    (SamplingConfig, "top_k", [0, -1, 1.0, "3", True]),
    (SamplingConfig, "top_p", [0, 0.0, -0.5, 1.01, NAN, "1", True]),
    (SamplingConfig, "min_length", [-1, 0.5, True]),
    (SamplingConfig, "max_length", [0, -1, 2.5, None]),
    (StreamConfig, "count", [-1, MAX_INDEX + 1, 1.0, "1", True, None]),
    (StreamConfig, "seed", [-1, MAX_SEED + 1, 1.0, None]),
    (StreamConfig, "start", [-1, MAX_INDEX + 1, MAX_INDEX - 19, True]),
    (StreamConfig, "indices", [-1, MAX_INDEX + 1, 2.0, False]),
]

ALLOWED: list[tuple[type, str, list[Any]]] = [
    (SamplingConfig, "temperature", [0, 0.0, 5]),
    (SamplingConfig, "top_k", [None, 1, 10**6]),
    (SamplingConfig, "top_p", [1, 1e-9]),
    (SamplingConfig, "min_length", [0]),
    (SamplingConfig, "max_length", [1]),
    (StreamConfig, "count", [0, MAX_INDEX]),
    (StreamConfig, "seed", [0, MAX_SEED]),
    (StreamConfig, "start", [0, MAX_INDEX - 20]),
    (StreamConfig, "indices", [None, 0, MAX_INDEX]),
]


def flat(cases: list[tuple[type, str, list[Any]]]) -> list[tuple[type, str, Any]]:
    return [(settings, key, value) for settings, key, values in cases for value in values]


@pytest.mark.parametrize(("settings", "key", "value"), flat(REFUSED))
def test_a_value_out_of_bounds_is_refused_by_name(settings: type, key: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        settings(**{key: value})
    assert caught.value.problem.startswith(f"`{key}` is ")
    assert caught.value.cure


@pytest.mark.parametrize(("settings", "key", "value"), flat(ALLOWED))
def test_the_bounds_themselves_are_allowed(settings: type, key: str, value: Any) -> None:
    assert getattr(settings(**{key: value}), key) == value
