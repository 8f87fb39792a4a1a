"""A training step on a GPU, captured once as a CUDA graph and replayed.

Launching a step's few dozen kernels one by one takes longer than running them. A graph needs fixed
shapes, so the draw keeps its B rows unmerged and is made on the device. Letters as in `batches`.
"""

from collections.abc import Sequence

import numpy as np
import torch

from nplm.config import TrainConfig
from nplm.counts.contexts import ContextTable
from nplm.errors import DeviceError
from nplm.training.batches import Batch, contexts_of, first_shift, shift_of
from nplm.training.network import NeuralLM
from nplm.training.optimizer import Optimizer, update
from nplm.training.targets import DenseTargets, Smoothing, is_dense

WARM_UP_STEPS = 3


def draws_on_device(config: TrainConfig) -> bool:
    """Whether a GPU makes the draw that the settings ask for."""
    return config.draw == "contexts" and config.batch_size != "full"


class DeviceSampler:
    """The draw of `ContextSampler` with fixed shapes, on a device: B rows, repeats not merged."""

    def __init__(
        self,
        table: ContextTable,
        batch_size: int,
        seed: int,
        targets: DenseTargets,
        device: torch.device,
    ) -> None:
        self._contexts = contexts_of(table, np.arange(len(table))).to(device)  # (C, T)
        self._targets = targets.table.to(device)  # (C, V)
        self._ends = torch.from_numpy(np.cumsum(table.totals)).double().to(device)  # (C,)
        self._places = torch.arange(batch_size, device=device, dtype=torch.float64)  # (B,)
        self._weights = torch.full((batch_size,), 1 / batch_size, device=device)  # (B,)
        self._first_shift = first_shift(seed)
        self._shift = torch.zeros((), dtype=torch.float64, device=device)

    def aim(self, step: int) -> None:
        """Make the batch of `step` the one that comes next."""
        self._shift.fill_(shift_of(self._first_shift, step))

    def batch(self) -> Batch:
        """The batch aimed at: all that changes between steps is in tensors."""
        points = (self._places + self._shift) * (self._ends[-1] / len(self._places))
        rows = torch.searchsorted(self._ends, points, right=True).clamp(max=len(self._ends) - 1)
        contexts = torch.nn.functional.embedding(rows, self._contexts)
        return Batch(contexts, torch.nn.functional.embedding(rows, self._targets), self._weights)


def make_device_sampler(
    config: TrainConfig, table: ContextTable, smoothing: Smoothing | None, device: torch.device
) -> DeviceSampler:
    """The sampler that the settings ask for, on a GPU.

    Raises:
        DeviceError: they ask for a draw that only the CPU makes, or the table is too large.
    """
    if not draws_on_device(config):
        raise DeviceError("a GPU trains on batches of drawn contexts only", 'use `device="cpu"`')
    if not is_dense(len(table), table.vocab_size):
        raise DeviceError(
            f"{len(table):,} contexts times {table.vocab_size:,} symbols are too many there",
            'use `device="cpu"`',
        )
    targets = DenseTargets(table, smoothing)
    return DeviceSampler(table, int(config.batch_size), config.seed, targets, device)


class DeviceStep:
    """Draw, forward, backward and update, where all that changes between steps is in tensors.

    Attributes:
        networks: whose weights it moves, with `optimizer`.
        loss: of the step that ran last, in nats per symbol; stays on the device.
    """

    def __init__(
        self,
        networks: Sequence[NeuralLM],
        sampler: DeviceSampler,
        optimizer: Optimizer,
    ) -> None:
        self.networks, self.optimizer, self._sampler = networks, optimizer, sampler
        self.device = networks[0].output.bias.device
        self.loss = torch.zeros((), device=self.device)

    def aim(self, step: int, rate: float) -> None:
        """Make `step` with this learning rate the one that runs next."""
        self._sampler.aim(step)
        self.optimizer.aim(step, rate)

    def run(self) -> None:
        self.loss.copy_(update(self.networks, self._sampler.batch(), self.optimizer))


class CapturedStep:
    """A step as one CUDA graph, captured on first use."""

    def __init__(self, step: DeviceStep) -> None:
        self._step = step
        self._graph: torch.cuda.CUDAGraph | None = None

    def take(self, steps: range, rates: Sequence[float]) -> list[float]:
        """Take `steps` with their learning rates; the losses, read back once."""
        device = self._step.device
        losses = torch.empty(len(steps), device=device)
        with torch.cuda.device(device):
            for k, (step, rate) in enumerate(zip(steps, rates, strict=True)):
                self._step.aim(step, rate)
                if self._graph is None:
                    self._graph = self._capture(device)
                self._graph.replay()
                losses[k] = self._step.loss
        read: list[float] = losses.tolist()
        return read

    def _capture(self, device: torch.device) -> torch.cuda.CUDAGraph:
        """Run a few steps to settle memory, undo them, and record one."""
        random = torch.cuda.get_rng_state(device)
        vectors = self._step.optimizer.vectors
        before = [vector.clone() for vector in vectors]
        side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                self._step.run()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Without a stream torch takes one that it made on whichever device captured first.
        with torch.cuda.graph(graph, stream=side):
            self._step.run()
        for vector, old in zip(vectors, before, strict=True):
            vector.copy_(old)
        torch.cuda.set_rng_state(random, device)
        return graph
