"""Steps: networks, batches and an optimiser. What they are taken for is `training.recipe`'s.

On the CPU the result depends only on networks, batches, torch version and thread count. A trainer
has a random state of its own and leaves the caller's as it was.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from nplm.errors import DivergedError
from nplm.training.batches import Sampler
from nplm.training.captured import CapturedStep, DeviceSampler, DeviceStep
from nplm.training.masks import Masks
from nplm.training.network import NeuralLM
from nplm.training.optimizer import Optimizer, update
from nplm.training.torchstate import RandomState

STEPS_PER_READ = 64


class Trainer:
    """Networks, the optimiser of their weights, and how far they are.

    Args:
        networks: at least one, all on one device.
        sampler: of batches; one on a device takes captured steps.
        rate: the learning rate of a step, counted from 0.
        random: what dropout draws from: torch's random state, or the masks of a step.

    Attributes:
        step: steps taken.
    """

    def __init__(
        self,
        networks: Sequence[NeuralLM],
        sampler: Sampler | DeviceSampler,
        optimizer: Optimizer,
        rate: Callable[[int], float],
        random: RandomState | Masks,
    ) -> None:
        self.networks, self.optimizer = networks, optimizer
        self._rate, self._random = rate, random
        self._captured: CapturedStep | None = None
        if isinstance(sampler, DeviceSampler):
            self._captured = CapturedStep(DeviceStep(networks, sampler, optimizer))
        else:
            self._sampler = sampler
        self.step = 0

    def take(self, at_most: int) -> list[float]:
        """Take one step; on a GPU several, up to `at_most`, before their losses are read back.

        Returns:
            their losses, in nats per symbol.

        Raises:
            DivergedError: one is not finite.
        """
        with self._random.of_step(self.step):
            if self._captured:
                steps = range(self.step, self.step + min(at_most, STEPS_PER_READ))
                losses = self._captured.take(steps, [self._rate(step) for step in steps])
            else:
                losses = [self._take_step()]
        self.step += len(losses)
        finite = list(map(math.isfinite, losses))
        if not all(finite):
            self.step += finite.index(False) + 1 - len(losses)
            raise diverged("the loss", self.step)
        return losses

    def check_weights(self) -> None:
        """Raise DivergedError where a parameter is not finite."""
        if not bool(torch.isfinite(self.optimizer.weights).all()):
            raise diverged("a parameter", self.step)

    def restore(self, moments: Mapping[str, Tensor], step: int) -> None:
        """Go on after `step` with what the optimiser remembers; weights are the caller's."""
        if step:
            self.optimizer.restore(moments)
        self.step = step

    def _take_step(self) -> float:
        self.optimizer.aim(self.step, self._rate(self.step))
        return float(update(self.networks, self._sampler.batch(self.step), self.optimizer))


def diverged(what: str, step: int) -> DivergedError:
    """The error of a loss or a parameter that is not finite at a step."""
    return DivergedError(f"{what} is not finite at step {step}", "lower `learning_rate`")
