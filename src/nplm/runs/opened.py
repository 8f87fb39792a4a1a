"""A run, opened for use: its module with the best weights."""

from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nplm.errors import DamagedError, DataError, NotFoundError
from nplm.runs.checkpoint import hashes_of_facts
from nplm.runs.facts import RunFacts, read_facts
from nplm.runs.header import is_evaluated, is_finished
from nplm.runs.layout import BEST, CONFIG, NGRAM
from nplm.runs.tensorfile import read_tensors
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel
from nplm.training.mixture import Mixture, NGramTable
from nplm.training.network import NeuralLM
from nplm.training.torchmodel import LanguageModel, TorchModel, assemble


@dataclass(frozen=True)
class LoadedRun:
    """A run folder, opened for use: the module with the best weights."""

    folder: Path
    facts: RunFacts
    module: LanguageModel
    best_step: int

    @property
    def model(self) -> TorchModel:
        return self.on("cpu")

    def on(self, device: str) -> TorchModel:
        """The module as a StepModel on a torch device: itself where it is there, else a copy."""
        place = torch.device(device)
        tensors = chain(self.module.parameters(), self.module.buffers())
        if all(tensor.device == place for tensor in tensors):
            return TorchModel(self.module, place)
        return TorchModel(deepcopy(self.module).to(place), place)

    @property
    def kind(self) -> str:
        """What the module is, in a word."""
        return {NeuralLM: "network", NGramTable: "n-gram"}.get(type(self.module), "mixture")

    @property
    def networks(self) -> list[NeuralLM]:
        """The networks among its parts."""
        parts = self.module.parts if isinstance(self.module, Mixture) else [self.module]
        return [part for part in parts if isinstance(part, NeuralLM)]

    def embedding(self) -> NDArray[np.float32]:
        """(V, E) of the first network.

        Raises:
            DataError: an n-gram alone has none.
        """
        if not self.networks:
            raise DataError(f"{self.folder} is an n-gram: it has no embedding", "choose a network")
        return np.asarray(self.networks[0].embedding.weight.detach().cpu().numpy())

    def parts(self) -> dict[str, StepModel]:
        """What a mixture is made of, each as a model by itself; empty for a single part."""
        if not isinstance(self.module, Mixture):
            return {}
        names = (["n-gram"] if self.module.ngram else []) + [
            f"network {k}" for k in range(1, len(self.module.networks) + 1)
        ]
        return dict(zip(names, map(TorchModel, self.module.parts), strict=True))

    @property
    def card(self) -> ModelCard:
        return self.facts.card


def load_run(folder: Path) -> LoadedRun:
    """Open a run with its best weights.

    Raises:
        NotFoundError: there is none, or its weights are gone.
        DataError: it was never evaluated.
        DamagedError: a file of it is damaged; the message names it.
    """
    facts = read_facts(folder)
    if not is_evaluated(folder):
        going_on = facts.resume_command(folder)
        if is_finished(folder) and not (folder / BEST).exists():
            raise NotFoundError(
                folder / BEST, f"there is no {folder / BEST}", f"this writes it again: {going_on}"
            )
        first = min(facts.config.train.eval_interval, facts.config.steps)
        raise DataError(
            f"the weights in {folder} were never evaluated: that is first done at step {first:,}",
            f"go on: {going_on}",
        )
    header, tensors = read_tensors(folder / BEST, hashes_of_facts(folder))
    mixture, vocab_size = facts.config.mixture, len(facts.card.vocab)
    with torch.random.fork_rng(devices=[]):  # a new network draws weights, for nothing here
        networks = [NeuralLM(facts.config.model, vocab_size) for _ in range(mixture.networks)]
    ngram = None
    if mixture.ngram:
        _, tables = read_tensors(folder / NGRAM, hashes_of_facts(folder))
        ngram = NGramTable(mixture.order, tables["transitions"], tables["rows"])
    module = assemble(networks, ngram)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise DamagedError(
            folder / BEST, f"{folder / BEST} does not fit {CONFIG}: {reason}", "train again"
        ) from error
    return LoadedRun(folder, facts, module.eval(), int(header["step"]))
