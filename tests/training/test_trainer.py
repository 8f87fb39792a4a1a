"""Steps by hand: a trainer needs no table, no n-gram, no run."""

import pytest
import torch

from nplm.config import ModelConfig
from nplm.errors import DivergedError
from nplm.training.batches import Batch
from nplm.training.network import NeuralLM
from nplm.training.optimizer import Sgd
from nplm.training.torchstate import RandomState
from nplm.training.trainer import Trainer


class Alternating:
    """Batches of one row: symbol 1 is followed by 2 on even steps and by 0 on odd ones."""

    def batch(self, step: int) -> Batch:
        target = torch.tensor([0 if step % 2 else 2])
        return Batch(torch.tensor([[1, 1]]), target, torch.ones(1))


def networks_of(count: int) -> list[NeuralLM]:
    torch.manual_seed(0)
    return [NeuralLM(ModelConfig(2, 3, 4, dropout=0.0), 3) for _ in range(count)]


def trainer_of(networks: list[NeuralLM], rate: float) -> Trainer:
    parameters = [p for network in networks for p in network.parameters()]
    optimizer = Sgd(parameters, 0.0)
    random = RandomState(0, torch.device("cpu"))
    return Trainer(networks, Alternating(), optimizer, lambda step: rate / (step + 1), random)


def test_steps_are_those_of_plain_descent() -> None:
    """The rate is that of the step, and every network follows its own gradient."""
    networks, plain = networks_of(2), networks_of(2)
    trainer, losses = trainer_of(networks, 0.5), []
    for _ in range(3):
        losses += trainer.take(10)
    assert trainer.step == len(losses) == 3
    for step, found in enumerate(losses):
        batch, total = Alternating().batch(step), 0.0
        for network in plain:
            logits = network(batch.contexts)
            loss = torch.nn.functional.cross_entropy(logits, batch.targets)
            parameters = list(network.parameters())
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.sub_(0.5 / (step + 1) * gradient)
            total += loss.item() / 2
        assert found == pytest.approx(total, abs=1e-6)
    for one, two in zip(networks, plain, strict=True):
        for a, b in zip(one.parameters(), two.parameters(), strict=True):
            torch.testing.assert_close(a, b)


def test_a_loss_that_is_not_finite_ends_at_its_step() -> None:
    trainer = trainer_of(networks_of(1), 1e38)
    trainer.take(1)
    with pytest.raises(DivergedError, match="the loss is not finite at step 2; lower"):
        trainer.take(1)
    assert trainer.step == 2


def test_a_parameter_that_is_not_finite_is_found() -> None:
    trainer = trainer_of(networks := networks_of(2), 0.1)
    trainer.check_weights()
    with torch.no_grad():
        networks[1].output.bias[1] = torch.nan
    with pytest.raises(DivergedError, match="a parameter is not finite at step 0"):
        trainer.check_weights()
