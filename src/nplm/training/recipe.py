"""How a model is made of counts: n-gram, networks, the weights of their mixture, the best on val.

Steps are the trainer's, files are in `runs`. A recipe yields what happened, prints nothing, saves
nothing; everything needed to go on bit for bit is in `Recipe.state` (`runs.checkpoint` has its
file). On the CPU the result depends only on settings, data, torch version and thread count.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nplm.config import RunConfig
from nplm.counts.contexts import ContextTable
from nplm.counts.evaluate import evaluate, pair_log_probabilities
from nplm.counts.ngram import NGram, fit
from nplm.errors import DivergedError
from nplm.training.batches import make_sampler
from nplm.training.captured import make_device_sampler
from nplm.training.events import Evaluated, Event, Stepped
from nplm.training.masks import Dropout, Masks
from nplm.training.mixture import Mixture, learn_weights, share_out
from nplm.training.network import NeuralLM
from nplm.training.ngrammodule import NGramModule, make_ngram
from nplm.training.optimizer import learning_rate, make_optimizer
from nplm.training.targets import Smoothing
from nplm.training.torchmodel import LanguageModel, assemble, step_model
from nplm.training.torchstate import RandomState
from nplm.training.trainer import Trainer, diverged


@dataclass(frozen=True)
class RecipeState:
    """All that is needed to go on: tensors by name, and numbers for a file's header."""

    tensors: dict[str, Tensor]
    step: int
    train_seconds: float
    best_step: int
    best_nats: float


class Recipe:
    """A model in the making.

    Attributes:
        module: the whole model; `networks` are those of its parts that are trained by steps.
        ngram: the part that is not, where there is one.
        trainer: of the networks; None where there are none.
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
        self._masks: Masks | None = None
        without_state = config.train.masks == "step" or not config.model.dropout
        if without_state and self.device.type == "cpu":
            self._masks = Masks(config.train.seed)
            for network in self.networks:
                network.dropout = Dropout(config.model.dropout, self._masks)
        self.ngram: NGramModule | None = None
        if config.mixture.ngram:
            self.ngram = make_ngram(self._fit(train, config.mixture.order))
        self.module = assemble(self.networks, self.ngram).to(self.device)
        self.trainer = self._trainer() if self.networks else None
        self.best: dict[str, Tensor] = {}
        self.best_step = 0
        self.best_nats = math.inf
        self._evaluated = -1  # the step of the newest evaluation
        self._ngram_on_val: NDArray[np.float64] | None = None

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.trainer.step if self.trainer else 0

    @property
    def has_best(self) -> bool:
        """Whether an evaluation has chosen weights; where nothing is trained the first one does."""
        return self.best_step > 0 or not self.config.steps

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.config.is_over(self.step, self.best_step)

    @property
    def evaluation_due(self) -> bool:
        """Whether the step just taken is one to evaluate at, and has not been evaluated."""
        step, train = self.step, self.config.train
        at = step == self.config.steps or (step > 0 and train.next_evaluation(step - 1) == step)
        return at and step != self._evaluated

    def run(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Train to the end, or until `stop` says so; it is asked between steps.

        Raises:
            DivergedError: a loss or a parameter is not finite; the message says what is kept.
        """
        self.module.train()
        try:
            yield from self._events(stop)
        except DivergedError as error:
            advice = (
                f"the best weights are those of step {self.best_step}"
                if self.has_best
                else "there are no best weights: nothing was evaluated before"
            )
            raise DivergedError(error.problem, f"{error.cure}; {advice}") from None

    def _events(self, stop: Callable[[], bool]) -> Iterator[Event]:
        while self.trainer and not self.finished and not stop():
            until = self.config.train.next_evaluation(self.step)
            with self._timed():
                losses = self.trainer.take(until - self.step)
            yield Stepped(self.step, losses)
            if self.evaluation_due:
                yield self._evaluate()
        if self.evaluation_due:  # where there is nothing to train
            yield self._evaluate()

    def _evaluate(self) -> Evaluated:
        if self.trainer:
            self.trainer.check_weights()
        model = step_model(self.module, self.device)
        with np.errstate(invalid="ignore"):  # logits that are not finite end the run below
            if isinstance(self.module, Mixture):
                self._weigh(self.module)
            train = evaluate(model, self._train).per_symbol
            val = evaluate(model, self._val).per_symbol if self._val else None
        if not (math.isfinite(train) and math.isfinite(val or 0.0)):
            raise diverged("the loss", self.step)
        if val is None or val < self.best_nats:
            self.best, self.best_step = _copy(self.module), self.step
            self.best_nats = math.inf if val is None else val
        rate = learning_rate(self.config.train, self.step - 1) if self.step else 0.0
        self._evaluated = self.step
        return Evaluated(self.step, self.train_seconds, train, val, rate)

    def _weigh(self, mixture: Mixture) -> None:
        """Set the weights of the parts: as asked for, or learnt, on val and nothing else."""
        weight = self.config.mixture.ngram_weight
        if isinstance(weight, float | int):
            mixture.weigh(share_out(weight, len(self.networks)))
        elif self._val is not None:
            log_p = [self._on_val(part, self._val) for part in mixture.parts]
            mixture.weigh(learn_weights(np.array(log_p), self._val.counts))

    def _on_val(self, part: NeuralLM | NGramModule, val: ContextTable) -> NDArray[np.float64]:
        """(E,) log-probabilities of the pairs of val; the n-gram's never change."""
        if isinstance(part, NeuralLM):
            return pair_log_probabilities(step_model(part, self.device), val)
        if self._ngram_on_val is None:
            self._ngram_on_val = pair_log_probabilities(step_model(part, self.device), val)
        return self._ngram_on_val

    def state(self) -> RecipeState:
        """A snapshot; its tensors share no memory with the model."""
        tensors = _prefixed("weights.", _copy(self.module)) | _prefixed("best.", self.best)
        if self.trainer:
            tensors |= _prefixed("optimizer.", self.trainer.optimizer.state(self.step))
        tensors |= _prefixed("rng.", self._random.states)
        return RecipeState(tensors, self.step, self.train_seconds, self.best_step, self.best_nats)

    def tensors_like(self, step: int, best_step: int) -> dict[str, Tensor]:
        """Tensors of the names, shapes and types of a state after `step`."""
        weights = self.module.state_dict()
        like = _prefixed("weights.", weights) | _prefixed("rng.", self._random.states)
        if best_step > 0 or not self.config.steps:
            like |= _prefixed("best.", weights)
        if self.trainer:
            like |= _prefixed("optimizer.", self.trainer.optimizer.state(step))
        return like

    def restore(self, state: RecipeState) -> None:
        """Go on from a snapshot of a recipe with the same settings and data."""
        self.module.load_state_dict(_under("weights.", state.tensors))
        if self.trainer:
            self.trainer.restore(_under("optimizer.", state.tensors), state.step)
        self._random.states = _under("rng.", state.tensors)
        self.train_seconds = state.train_seconds
        self._evaluated = state.step  # a checkpoint is never taken while an evaluation is due
        self.best_step, self.best_nats = state.best_step, state.best_nats
        # 0.1.0 kept the weights of step 0 until there were better ones.
        self.best = _under("best.", state.tensors) if self.has_best else {}

    def _trainer(self) -> Trainer:
        """What only networks need: batches of what they are to learn, and an optimiser."""
        config = self.config.train
        counts = self._train.shorten(self.config.model.block_size)
        smoothing = None
        if config.smoothing:  # no longer contexts than a network sees
            order = min(self.config.mixture.order, counts.block_size + 1)
            smoothing = Smoothing(config.smoothing, self._fit(counts, order))
        sampler = (
            make_device_sampler(config, counts, smoothing, self.device)
            if self.device.type == "cuda"
            else make_sampler(config, counts, smoothing)
        )
        optimizer = make_optimizer(config, [*self.module.parameters()])
        rate = partial(learning_rate, config)
        return Trainer(self.networks, sampler, optimizer, rate, self._masks or self._random)

    def _fit(self, table: ContextTable, order: int) -> NGram:
        """An n-gram; the time that takes is training."""
        with self._timed():
            return fit(table, order)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.train_seconds += time.perf_counter() - started


def _networks(config: RunConfig, train: ContextTable) -> list[NeuralLM]:
    """Networks before their first step, each with its own random weights."""
    config.refuse_size(train.vocab_size)
    networks = [NeuralLM(config.model, train.vocab_size) for _ in range(config.mixture.networks)]
    if config.model.init == "scaled":
        counts = torch.from_numpy(np.bincount(train.targets, train.counts, train.vocab_size))
        for network in networks:
            network.start_from(counts)
    return networks


def _copy(module: LanguageModel) -> dict[str, Tensor]:
    return {name: t.detach().cpu().clone() for name, t in module.state_dict().items()}


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: tensor for key, tensor in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
