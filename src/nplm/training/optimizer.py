"""How weights move: one update, its optimiser, and the schedule of the learning rate."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nplm.config import TrainConfig
from nplm.training.batches import Batch
from nplm.training.network import NeuralLM


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


def make_optimizer(config: TrainConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """SGD or AdamW; weight decay is for matrices, not for biases and norms."""
    matrices = [p for p in parameters if p.dim() > 1]
    vectors = [p for p in parameters if p.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    on_gpu = vectors[0].is_cuda
    # A captured step reads the learning rate from the device, so it is a tensor there.
    rate = (
        torch.tensor(config.learning_rate, device=vectors[0].device)
        if on_gpu
        else config.learning_rate
    )
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, fused=on_gpu)
    return torch.optim.AdamW(groups, rate, fused=True, capturable=on_gpu)


def update(networks: Sequence[NeuralLM], batch: Batch, optimizer: torch.optim.Optimizer) -> Tensor:
    """Move the weights of K networks on one batch; the mean of their losses, a scalar, in nats.

    The networks share nothing, so the gradient of the sum is each network's own.
    """
    each = torch.stack([batch.loss(n.forward_by_tables(batch.contexts)) for n in networks])  # (K,)
    optimizer.zero_grad(set_to_none=True)
    each.sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return each.detach().mean()
