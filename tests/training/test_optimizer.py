"""The schedules of the learning rate."""

import math

import pytest

from nplm.config import TrainConfig
from nplm.presets import PRESETS
from nplm.training.optimizer import learning_rate


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5 * (1 + math.cos(math.pi * k / 4)) for k in range(4)]),
    ],
)
def test_schedules(schedule: str, rates: list[float]) -> None:
    config = TrainConfig(steps=4, learning_rate=1, schedule=schedule)
    assert [learning_rate(config, step) for step in range(4)] == pytest.approx(rates)


def test_warm_up_rises_to_the_rate() -> None:
    config = TrainConfig(steps=10, learning_rate=1, schedule="constant", warmup=0.4)
    rates = [learning_rate(config, step) for step in range(10)]
    assert rates == pytest.approx([0.25, 0.5, 0.75] + [1] * 7)


def test_the_notebook_preset_is_the_notebook() -> None:
    train = PRESETS["notebook"].train
    assert [learning_rate(train, step) for step in (0, 9_999, 10_000, 19_999)] == [
        0.1,
        0.1,
        0.01,
        0.01,
    ]
