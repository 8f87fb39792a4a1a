"""A run, opened for use: its module with the best weights."""

from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nplm.errors import DamagedError, DataError, NotFoundError
from nplm.runs.checkpoint import hashes_of_facts
from nplm.runs.facts import CURE, RunFacts, read_facts
from nplm.runs.header import is_evaluated, is_finished, numbers_of
from nplm.runs.layout import BEST, NGRAM
from nplm.runs.tensorfile import check_layout, read_tensors
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel
from nplm.training.densengram import DEAD, ROOT, DenseNGram
from nplm.training.mixture import Mixture
from nplm.training.network import NeuralLM
from nplm.training.ngrammodule import NGramModule
from nplm.training.sparsengram import NAMES, SparseNGram, level_ends
from nplm.training.torchmodel import LanguageModel, TorchModel, assemble, step_model

SYMBOLS = ("symbols", "targets")  # the tables of a sparse n-gram that hold ids


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
            return step_model(self.module, place)
        return step_model(deepcopy(self.module).to(place), place)

    @property
    def kind(self) -> str:
        """What the module is, in a word."""
        if isinstance(self.module, Mixture):
            return "mixture"
        return "network" if isinstance(self.module, NeuralLM) else "n-gram"

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

    def output_bias(self) -> NDArray[np.float32]:
        """(V,) of the first network: about the logarithm of how often each symbol comes."""
        return np.asarray(self.networks[0].output.bias.detach().cpu().numpy())

    def parts(self) -> dict[str, StepModel]:
        """What a mixture is made of, each as a model by itself; empty for a single part."""
        if not isinstance(self.module, Mixture):
            return {}
        names = (["n-gram"] if self.module.ngram else []) + [
            f"network {k}" for k in range(1, len(self.module.networks) + 1)
        ]
        return dict(zip(names, map(step_model, self.module.parts), strict=True))

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
        first = facts.config.train.next_evaluation(0)
        raise DataError(
            f"the weights in {folder} were never evaluated: that is first done at step {first:,}",
            f"go on: {going_on}",
        )
    header, tensors = read_tensors(folder / BEST, hashes_of_facts(folder))
    step = numbers_of(folder / BEST, header).integer("step")
    mixture, vocab_size = facts.config.mixture, len(facts.card.vocab)
    with torch.random.fork_rng(devices=[]):  # a new network draws weights, for nothing here
        networks = [NeuralLM(facts.config.model, vocab_size) for _ in range(mixture.networks)]
    ngram = None
    if mixture.ngram:
        _, tables = read_tensors(folder / NGRAM, hashes_of_facts(folder))
        ngram = _ngram(folder / NGRAM, tables, mixture.order, vocab_size)
    module = assemble(networks, ngram)
    check_layout(folder / BEST, tensors, module.state_dict())
    module.load_state_dict(tensors)
    return LoadedRun(folder, facts, module.eval(), step)


def _ngram(path: Path, tables: dict[str, Tensor], order: int, vocab_size: int) -> NGramModule:
    """The n-gram of a file of tables; DamagedError where a look-up would leave them."""
    if "transitions" in tables:
        return _dense_ngram(path, tables, order, vocab_size)
    return _sparse_ngram(path, tables, order, vocab_size)


def _dense_ngram(path: Path, tables: dict[str, Tensor], order: int, vocab_size: int) -> DenseNGram:
    sizes = {name: len(table) if table.dim() else 0 for name, table in tables.items()}
    inner, states = sizes.get("transitions", 0) // vocab_size, sizes.get("rows", 0)
    of_0_1_0 = "rows" in tables and tables["rows"].dtype == torch.float16
    kind = torch.float16 if of_0_1_0 else torch.float32
    like = {
        "transitions": torch.empty(inner * vocab_size, dtype=torch.int32),
        "rows": torch.empty(states, vocab_size, dtype=kind),
    }
    check_layout(path, tables, like)
    transitions, highest = tables["transitions"], ROOT
    for _ in range(order - 1):  # from the states up to `highest`, one symbol further back
        from_states = transitions[: (highest + 1) * vocab_size]
        if highest >= inner or int(from_states.min()) < DEAD:
            highest = states
            break
        highest = max(ROOT, int(from_states.max()))
    if highest >= states:
        raise DamagedError(path, f"{path} is damaged: it names states it does not have", CURE)
    return DenseNGram(order, tables["transitions"], tables["rows"])


def _sparse_ngram(
    path: Path, tables: dict[str, Tensor], order: int, vocab_size: int
) -> SparseNGram:
    sizes = {name: len(table) if table.dim() else 0 for name, table in tables.items()}
    integers = dict.fromkeys(("longer", "symbols", "offsets", "targets"), torch.int32)
    like = {
        name: torch.empty(sizes.get(name, 0), dtype=integers.get(name, torch.float32))
        for name in NAMES
    }
    check_layout(path, tables, like)
    contexts, pairs = sizes["symbols"], sizes["targets"] - 1
    longer, offsets = tables["longer"], tables["offsets"]
    is_whole = (
        sizes["left"] == contexts == sizes["offsets"] - 1
        and sizes["gains"] == sizes["targets"] == pairs + 1 > 0
        and sizes["unigram"] == vocab_size
        and 1 <= sizes["longer"] <= contexts + 1
        and _ascends(longer, 1, contexts)
        and _ascends(offsets, 0, pairs)
        and level_ends(longer.numpy(), order - 1)[-2:] == [sizes["longer"] - 1, contexts]
        and all(_ascends(tables[name].msort(), 0, vocab_size - 1) for name in SYMBOLS)
    )
    if not is_whole:
        raise DamagedError(path, f"{path} is damaged: it names contexts it does not have", CURE)
    return SparseNGram(order, tables)


def _ascends(numbers: Tensor, first: int, last: int) -> bool:
    """Whether they ascend from no less than `first` to no more than `last`."""
    inside = int(numbers[0]) >= first and int(numbers[-1]) <= last
    return inside and bool((numbers[1:] >= numbers[:-1]).all())
