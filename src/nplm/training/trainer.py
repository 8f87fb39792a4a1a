"""The training loop: yields what happened, prints nothing, saves nothing.

Everything a run needs to go on bit for bit is in `Trainer.state` (see `runs.checkpoint` for its
file). On the CPU the result depends only on settings, data, torch version and thread count. A
trainer has a random state of its own: the caller's is what it was whenever he has control.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nplm.config import RunConfig
from nplm.counts.contexts import ContextTable
from nplm.counts.evaluate import evaluate, pair_log_probabilities
from nplm.counts.ngram import NGram, fit
from nplm.errors import DivergedError
from nplm.training.batches import losses, make_sampler
from nplm.training.captured import CapturedStep, DeviceStep
from nplm.training.mixture import Mixture, NGramTable, learn_weights, share_out
from nplm.training.network import NeuralLM
from nplm.training.optimizer import learning_rate, make_optimizer
from nplm.training.torchmodel import LanguageModel, TorchModel, assemble
from nplm.training.torchstate import RandomState

STEPS_PER_READ = 64


@dataclass(frozen=True)
class Stepped:
    """Steps were taken, up to `step`. `losses` are the batches', in nats per symbol."""

    step: int
    losses: list[float]


@dataclass(frozen=True)
class Evaluated:
    """An exact evaluation; `val_nats_per_symbol` is None when there is no val split."""

    step: int
    train_seconds: float
    train_nats_per_symbol: float
    val_nats_per_symbol: float | None
    learning_rate: float


Event = Stepped | Evaluated


@dataclass(frozen=True)
class TrainerState:
    """All that is needed to go on: tensors by name, and numbers for a file's header."""

    tensors: dict[str, Tensor]
    step: int
    train_seconds: float
    best_step: int
    best_nats: float


class Trainer:
    """A model, the optimiser of its networks, and where they are.

    Attributes:
        module: the whole model; `networks` are those of its parts that are trained by steps.
        step: steps taken.
        train_seconds: time in steps and in fitting n-grams, without imports, evaluation or saving.
        best: the weights with the lowest val so far (without val: those evaluated last), on the
            CPU; empty before the first evaluation.
        best_step: the step they are of; 0 before the first evaluation.
    """

    def __init__(
        self,
        config: RunConfig,
        train: ContextTable,
        val: ContextTable | None,
        device: torch.device | str = "cpu",
    ) -> None:
        assert train.block_size == config.block_size
        self.config = config
        self._train, self._val = train, val
        self.device = torch.device(device)
        self.train_seconds = 0.0
        self._random = RandomState(config.train.seed, self.device)
        with self._random.in_place():
            self.networks = _networks(config, train)
        self.ngram: NGramTable | None = None
        if config.mixture.ngram:
            self.ngram = NGramTable.of(self._fit(train, config.mixture.order))
        self.module = assemble(self.networks, self.ngram).to(self.device)
        self._step_on_device: CapturedStep | None = None
        if config.mixture.networks:
            self._prepare_steps(config, train.shorten(config.model.block_size))
        self.step = 0
        self.best: dict[str, Tensor] = {}
        self.best_step = 0
        self.best_nats = math.inf
        self._evaluated = -1  # the step of the newest evaluation
        self._ngram_on_val: NDArray[np.float64] | None = None

    def _fit(self, table: ContextTable, order: int) -> NGram:
        """An n-gram; the time that takes is training."""
        started = time.perf_counter()
        ngram = fit(table, order)
        self.train_seconds += time.perf_counter() - started
        return ngram

    def _prepare_steps(self, config: RunConfig, table: ContextTable) -> None:
        """What only networks need: an optimiser, and batches of what they are to learn."""
        self.optimizer = make_optimizer(config.train, [*self.module.parameters()])
        smooth = None
        if config.train.smoothing:  # no longer contexts than a network sees
            smooth = self._fit(table, min(config.mixture.order, table.block_size + 1))
        if self.device.type == "cuda":
            step = DeviceStep(config.train, table, self.networks, self.optimizer, smooth)
            self._step_on_device = CapturedStep(step)
        else:
            self._sampler = make_sampler(config.train, table, smooth)

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the last step, or until `stop` says so; it is asked between steps.

        Raises:
            DivergedError: a loss or a parameter is not finite.
        """
        self.module.train()
        interval = self.config.train.eval_interval
        while self.step < self.config.steps and not stop():
            until = min((self.step // interval + 1) * interval, self.config.steps)
            taken = self._take_steps(until - self.step)
            yield Stepped(self.step, taken)
            if self.evaluation_due:
                yield self._evaluate()
        if self.evaluation_due:  # where there is nothing to train
            yield self._evaluate()

    @property
    def has_best(self) -> bool:
        """Whether an evaluation has chosen weights; where nothing is trained the first one does."""
        return self.best_step > 0 or not self.config.steps

    @property
    def evaluation_due(self) -> bool:
        """Whether the step just taken is one to evaluate at, and has not been evaluated."""
        interval, last = self.config.train.eval_interval, self.step == self.config.steps
        at = last or (self.step > 0 and self.step % interval == 0)
        return at and self.step != self._evaluated

    def _take_steps(self, at_most: int) -> list[float]:
        """One step on the CPU; on a GPU as many as are worth reading the losses back once."""
        started = time.perf_counter()
        with self._random.in_place():
            if self._step_on_device:
                steps = range(self.step, self.step + min(at_most, STEPS_PER_READ))
                rates = [learning_rate(self.config.train, step) for step in steps]
                taken = self._step_on_device.take(steps, rates)
            else:
                taken = [self._take_step()]
        self.step += len(taken)
        self.train_seconds += time.perf_counter() - started
        finite = list(map(math.isfinite, taken))
        if not all(finite):
            self.step += finite.index(False) + 1 - len(taken)
            raise self._diverged("the loss")
        return taken

    def _take_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.train, self.step)
        batch = self._sampler.batch(self.step)
        each = losses(self.networks, batch)
        self.optimizer.zero_grad(set_to_none=True)
        each.sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(each.detach().mean())

    def _evaluate(self) -> Evaluated:
        if not all(bool(torch.isfinite(p).all()) for p in self.module.parameters()):
            raise self._diverged("a parameter")
        model = TorchModel(self.module, self.device)
        with np.errstate(invalid="ignore"):  # logits that are not finite end the run below
            if isinstance(self.module, Mixture):
                self._weigh(self.module)
            train = evaluate(model, self._train).per_symbol
            val = evaluate(model, self._val).per_symbol if self._val else None
        if not (math.isfinite(train) and math.isfinite(val or 0.0)):
            raise self._diverged("the loss")
        if val is None or val < self.best_nats:
            self.best, self.best_step = _copy(self.module), self.step
            self.best_nats = math.inf if val is None else val
        rate = learning_rate(self.config.train, self.step - 1) if self.step else 0.0
        self._evaluated = self.step
        return Evaluated(self.step, self.train_seconds, train, val, rate)

    def _weigh(self, mixture: Mixture) -> None:
        """Learn the weights of the parts on val, never on anything else."""
        asked = self.config.mixture.ngram_weight
        if isinstance(asked, float | int):
            mixture.weigh(share_out(asked, len(self.networks)))
        elif self._val is not None:
            log_p = [self._on_val(part, self._val) for part in mixture.parts]
            mixture.weigh(learn_weights(np.array(log_p), self._val.counts))

    def _on_val(self, part: NeuralLM | NGramTable, val: ContextTable) -> NDArray[np.float64]:
        """(E,) log-probabilities of the pairs of val; the n-gram's never change."""
        if isinstance(part, NeuralLM):
            return pair_log_probabilities(TorchModel(part, self.device), val)
        if self._ngram_on_val is None:
            self._ngram_on_val = pair_log_probabilities(TorchModel(part, self.device), val)
        return self._ngram_on_val

    def _diverged(self, what: str) -> DivergedError:
        kept = (
            f"the best weights are those of step {self.best_step}"
            if self.has_best
            else "there are no best weights: nothing was evaluated before"
        )
        return DivergedError(
            f"{what} is not finite at step {self.step}", f"lower `learning_rate`; {kept}"
        )

    def state(self) -> TrainerState:
        """A snapshot; its tensors share no memory with the network."""
        tensors = {f"weights.{name}": tensor for name, tensor in _copy(self.module).items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        moments = self.optimizer.state_dict()["state"] if self.networks else {}
        for index, values in moments.items():
            for name, value in values.items():
                tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).cpu().clone()
        tensors |= {f"rng.{kind}": state for kind, state in self._random.states.items()}
        return TrainerState(tensors, self.step, self.train_seconds, self.best_step, self.best_nats)

    def restore(self, state: TrainerState) -> None:
        """Go on from a snapshot of a trainer with the same settings and data."""
        self.module.load_state_dict(_under("weights.", state.tensors))
        optimizer: dict[int, dict[str, Tensor]] = {}
        for key, value in _under("optimizer.", state.tensors).items():
            index, name = key.split(".", 1)
            optimizer.setdefault(int(index), {})[name] = value.clone()
        if self.networks:
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        if self._step_on_device:
            self._step_on_device.forget()  # what was captured wrote to other tensors
        self._random.states = _under("rng.", state.tensors)
        self.step, self.train_seconds = state.step, state.train_seconds
        self._evaluated = state.step  # a checkpoint is never taken while an evaluation is due
        self.best_step, self.best_nats = state.best_step, state.best_nats
        # 0.1.0 kept the weights of step 0 until there were better ones.
        self.best = _under("best.", state.tensors) if self.has_best else {}


def symbol_counts(table: ContextTable) -> Tensor:
    """(V,) how often each symbol is to be predicted."""
    counts = np.bincount(table.targets, table.counts, table.vocab_size)
    return torch.from_numpy(counts)


def _networks(config: RunConfig, train: ContextTable) -> list[NeuralLM]:
    """Networks before their first step, each with its own random weights."""
    networks = [NeuralLM(config.model, train.vocab_size) for _ in range(config.mixture.networks)]
    if config.model.init == "scaled":
        for network in networks:
            network.start_from(symbol_counts(train))
    return networks


def _copy(module: LanguageModel) -> dict[str, Tensor]:
    return {name: t.detach().cpu().clone() for name, t in module.state_dict().items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
