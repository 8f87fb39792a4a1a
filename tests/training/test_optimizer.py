"""The schedules of the learning rate, and the optimisers against torch's own."""

import math

import pytest
import torch
from torch import nn

from nplm.config import TrainConfig
from nplm.presets import PRESETS
from nplm.training.optimizer import Optimizer, learning_rate, make_optimizer


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


def layers() -> list[nn.Parameter]:
    """Matrices and vectors in turn, as of a network."""
    torch.manual_seed(0)
    shapes = ((5, 3), (7,), (4, 6), (1,), (2, 2), (9,))
    return [nn.Parameter(torch.randn(*shape)) for shape in shapes]


def plain(config: TrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    kinds = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
    matrices = {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.3}
    vectors = {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}
    return kinds[config.optimizer]([matrices, vectors], lr=config.learning_rate)


def loss_of(parameters: list[nn.Parameter], step: int) -> torch.Tensor:
    """With gradients of many sizes, that change sign from step to step."""
    scale = torch.tensor(3.0 ** (step % 7 - 3))
    terms = (torch.sin(p * (k + 1) + step).sum() for k, p in enumerate(parameters))
    return scale * torch.stack([*terms]).sum()


def walk(
    parameters: list[nn.Parameter], flat: Optimizer, config: TrainConfig, steps: range
) -> None:
    for step in steps:
        flat.gradient.zero_()
        loss_of(parameters, step).backward()
        flat.aim(step, learning_rate(config, step))
        flat.move()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_thousand_steps_are_those_of_torch(optimizer: str) -> None:
    config = TrainConfig(
        optimizer=optimizer, steps=1000, learning_rate=0.002, weight_decay=0.3, smoothing=0.0
    )
    ours, theirs = layers(), layers()
    flat, reference = make_optimizer(config, ours), plain(config, theirs)
    for step in range(config.steps):
        walk(ours, flat, config, range(step, step + 1))
        reference.zero_grad()
        loss_of(theirs, step).backward()
        for group in reference.param_groups:
            group["lr"] = learning_rate(config, step)
        reference.step()
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(ours[0], layers()[0], atol=0.1)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_what_is_remembered_goes_on_bit_for_bit(optimizer: str) -> None:
    config = TrainConfig(optimizer=optimizer, steps=30, learning_rate=0.01, smoothing=0.0)
    whole, first = layers(), layers()
    walk(whole, make_optimizer(config, whole), config, range(30))
    flat = make_optimizer(config, first)
    walk(first, flat, config, range(10))
    second = [nn.Parameter(p.detach().clone()) for p in first]
    again = make_optimizer(config, second)
    again.restore(flat.state(10))
    walk(second, again, config, range(10, 30))
    assert all(torch.equal(one, two) for one, two in zip(whole, second, strict=True))


def test_weights_written_from_outside_are_the_vector() -> None:
    """As a restored checkpoint is: the parameters are views of it."""
    module = nn.Linear(2, 2)
    flat = make_optimizer(TrainConfig(), [*module.parameters()])
    module.load_state_dict({"weight": torch.full((2, 2), 3.0), "bias": torch.full((2,), 5.0)})
    assert flat.weights.tolist() == [3.0] * 4 + [5.0] * 2


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize(("rate", "decay"), [(1e38, 0.0), (1e38, 1e300), (1.0, 1e300)])
def test_settings_that_diverge_do_so(optimizer: str, rate: float, decay: float) -> None:
    """They are refused at once by torch where a tensor has no room for them."""
    config = TrainConfig(
        optimizer=optimizer, steps=3, learning_rate=rate, weight_decay=decay, schedule="constant"
    )
    weights = layers()
    walk(weights, flat := make_optimizer(config, weights), config, range(3))
    assert flat.weights.abs().max() > 1e37 or not flat.weights.isfinite().all()
