"""How weights move: one update, its optimiser, and the schedule of the learning rate."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from nplm.config import TrainConfig
from nplm.training.batches import Batch
from nplm.training.network import NeuralLM

BETA1, EPSILON = 0.9, 1e-8  # of AdamW
LARGEST = torch.finfo(torch.float32).max


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of `step`, counted from 0."""
    warmup = int(config.warmup * config.steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, config.steps - warmup)
    if config.schedule == "step":
        return config.learning_rate / (1 if step < config.steps // 2 else 10)
    if config.schedule == "linear":
        return config.learning_rate * (1.0 - done)
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
    return config.learning_rate


class Optimizer:
    """All weights as one vector, and how it moves; parameters are views of it.

    So a step is a few operations on whole vectors, whatever the layers are. torch's own optimisers
    import its compiler when they are made, which takes as long as importing torch.

    Attributes:
        parameters: matrices first: weight decay is for them, not for biases and norms.
        weights, gradient: (P,) float32, the parameters and their gradients, in that order.
    """

    moments: ClassVar[tuple[str, ...]] = ()  # names of the vectors that it remembers

    def __init__(self, parameters: Sequence[nn.Parameter], weight_decay: float) -> None:
        self.parameters = sorted(parameters, key=lambda parameter: parameter.dim() == 1)
        self.weights = parameters_to_vector(self.parameters).detach()
        self.gradient = torch.zeros_like(self.weights)
        vector_to_parameters(self.weights, self.parameters)
        for parameter, gradient in zip(self.parameters, self._parts(self.gradient), strict=True):
            parameter.grad = gradient
        matrices = sum(p.numel() for p in self.parameters if p.dim() > 1)
        self._matrices, self._of_matrices = self.weights[:matrices], self.gradient[:matrices]
        self._weight_decay = _within(weight_decay)
        self._change = torch.zeros_like(self.weights)
        # What changes between steps is in tensors, which a captured step reads.
        self._rate = torch.zeros((), device=self.weights.device)

    def aim(self, step: int, rate: float) -> None:
        """Make `step`, counted from 0, the one that comes next, with this learning rate."""
        self._rate.fill_(rate)

    def move(self) -> None:
        """Take the step aimed at, down the gradient."""
        raise NotImplementedError

    def state(self, step: int) -> dict[str, Tensor]:
        """What is remembered after some steps, `PARAMETER.NAME`; copies on the CPU."""
        if not self.moments or not step:
            return {}
        taken = torch.tensor(float(step))
        state = {f"{index}.step": taken.clone() for index in range(len(self.parameters))}
        for name in self.moments:
            for index, part in enumerate(self._parts(getattr(self, name))):
                state[f"{index}.{name}"] = part.cpu().clone()
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `state` gave."""
        for name in self.moments:
            for index, part in enumerate(self._parts(getattr(self, name))):
                part.copy_(state[f"{index}.{name}"])

    @property
    def vectors(self) -> list[Tensor]:
        """All that steps change: the weights and what is remembered."""
        return [self.weights, *(getattr(self, name) for name in self.moments)]

    def _parts(self, vector: Tensor) -> list[Tensor]:
        """A vector like the weights as views of the parameters' shapes."""
        sizes = [parameter.numel() for parameter in self.parameters]
        pairs = zip(torch.split(vector, sizes), self.parameters, strict=True)
        return [part.view(parameter.shape) for part, parameter in pairs]


class Sgd(Optimizer):
    """w <- w - rate (g + weight_decay w)."""

    def move(self) -> None:
        self._of_matrices.add_(self._matrices, alpha=self._weight_decay)
        self.weights.sub_(torch.mul(self.gradient, self._rate, out=self._change))


class AdamW(Optimizer):
    """Loshchilov and Hutter (2019), algorithm 2, with the corrections of both moments."""

    moments = ("exp_avg", "exp_avg_sq")

    def __init__(
        self, parameters: Sequence[nn.Parameter], weight_decay: float, beta2: float
    ) -> None:
        super().__init__(parameters, weight_decay)
        self._beta2 = beta2
        self.exp_avg = torch.zeros_like(self.weights)
        self.exp_avg_sq = torch.zeros_like(self.weights)
        self._keep = torch.ones_like(self._rate)
        self._root = torch.ones_like(self._rate)

    def aim(self, step: int, rate: float) -> None:
        self._rate.fill_(_within(rate / (1 - BETA1 ** (step + 1))))
        self._root.fill_((1 - self._beta2 ** (step + 1)) ** -0.5)
        self._keep.fill_(_within(1 - rate * self._weight_decay))

    def move(self) -> None:
        self._matrices.mul_(self._keep)
        self.exp_avg.lerp_(self.gradient, 1 - BETA1)
        squares = self.exp_avg_sq.mul_(self._beta2)
        squares.addcmul_(self.gradient, self.gradient, value=1 - self._beta2)
        change = torch.sqrt(squares, out=self._change).mul_(self._root).add_(EPSILON)
        self.weights.sub_(torch.div(self.exp_avg, change, out=change).mul_(self._rate))


def _within(number: float) -> float:
    """The nearest number that float32 has room for: what it multiplies soon is not finite."""
    return max(-LARGEST, min(LARGEST, number))


def make_optimizer(config: TrainConfig, parameters: Sequence[nn.Parameter]) -> Optimizer:
    """The optimiser that the settings ask for."""
    if config.optimizer == "sgd":
        return Sgd(parameters, config.weight_decay)
    return AdamW(parameters, config.weight_decay, config.beta2)


def update(networks: Sequence[NeuralLM], batch: Batch, optimizer: Optimizer) -> Tensor:
    """Move the weights of K networks on one batch; the mean of their losses, a scalar, in nats.

    The networks share nothing, so the gradient of the sum is each network's own.
    """
    total, *others = (batch.loss(network(batch.contexts)) for network in networks)
    for loss in others:
        total = total + loss
    optimizer.gradient.zero_()
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.move()
    return total.detach() / len(networks)
