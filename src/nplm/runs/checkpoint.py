"""The run folder: settings, vocabulary, weights, logs; whole at any moment, checked when read.

    config.toml         settings as resolved, and which data set (see `runs.facts`)
    vocab.json          symbols, normalisation, longest training string (likewise)
    model.safetensors   the best weights on val; not there before the first evaluation
    ngram.safetensors   the tables of the n-gram, where one is part of the model
    last.safetensors    everything needed to go on
    metrics.jsonl       one line per exact evaluation
    batch_loss.f32      every step's loss, raw float32

`last.safetensors` is what counts: the logs may run ahead of it and are cut back to its step.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from nplm.errors import DataError
from nplm.files import read_bytes, sha256, write_bytes
from nplm.runs.facts import RunFacts, read_facts
from nplm.runs.layout import BEST, CONFIG, LOCK, VOCAB
from nplm.runs.tensorfile import NO_RUN, read_header, read_tensors, write_tensors
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel
from nplm.training.mixture import Mixture, NGramTable
from nplm.training.network import NeuralLM
from nplm.training.torchmodel import LanguageModel, TorchModel, assemble
from nplm.training.trainer import Evaluated, Trainer, TrainerState

LAST, NGRAM = "last.safetensors", "ngram.safetensors"
METRICS, LOSSES = "metrics.jsonl", "batch_loss.f32"


@dataclass(frozen=True)
class Run:
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


def load_run(folder: Path) -> Run:
    """Open a run with its best weights.

    Raises:
        DataError: there is none, it was never evaluated, or a file is damaged; the message names
            it.
    """
    facts = read_facts(folder)
    if not is_evaluated(folder):
        going_on = facts.resume_command(folder)
        if is_finished(folder) and not (folder / BEST).exists():
            raise DataError(f"there is no {folder / BEST}", f"this writes it again: {going_on}")
        first = min(facts.config.train.eval_interval, facts.config.steps)
        raise DataError(
            f"the weights in {folder} were never evaluated: that is first done at step {first:,}",
            f"go on: {going_on}",
        )
    header, tensors = read_tensors(folder / BEST, _hashes(folder))
    mixture, vocab_size = facts.config.mixture, len(facts.card.vocab)
    with torch.random.fork_rng(devices=[]):  # a new network draws weights, for nothing here
        networks = [NeuralLM(facts.config.model, vocab_size) for _ in range(mixture.networks)]
    ngram = None
    if mixture.ngram:
        _, tables = read_tensors(folder / NGRAM, _hashes(folder))
        ngram = NGramTable(mixture.order, tables["transitions"], tables["rows"])
    module = assemble(networks, ngram)
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise DataError(
            f"{folder / BEST} does not fit {CONFIG}: {reason}", "train again"
        ) from error
    return Run(folder, facts, module.eval(), int(header["step"]))


class Writer:
    """Writes a run folder while it trains. Use inside `locked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._losses: list[float] = []
        self._best_written = -1
        self._hashes = _hashes(folder)

    def log_losses(self, losses: list[float]) -> None:
        self._losses += losses

    def log_evaluation(self, evaluation: Evaluated) -> None:
        line = json.dumps(asdict(evaluation)) + "\n"
        _append(self.folder / METRICS, line.encode("utf-8"))

    def save(self, trainer: Trainer) -> None:
        """Write a whole checkpoint: the logs, the best weights, then the state that counts."""
        _append(self.folder / LOSSES, np.array(self._losses, np.float32).tobytes())
        self._losses.clear()
        state = trainer.state()
        numbers = {
            "step": state.step,
            "train_seconds": state.train_seconds,
            "best_step": state.best_step,
            "best_nats": state.best_nats,
        }
        self.save_best(trainer)  # first: a best that is ahead of the state is found again
        write_tensors(self.folder / LAST, numbers, self._hashes, state.tensors)

    def save_best(self, trainer: Trainer) -> None:
        if trainer.has_best and trainer.best_step != self._best_written:
            number = {"step": trainer.best_step}
            write_tensors(self.folder / BEST, number, self._hashes, trainer.best)
            self._best_written = trainer.best_step

    def save_ngram(self, table: NGramTable) -> None:
        tensors = {"transitions": table.transitions.cpu(), "rows": table.rows.cpu()}
        write_tensors(self.folder / NGRAM, {}, self._hashes, tensors)

    def resume(self) -> TrainerState:
        """Read the last checkpoint and cut the logs back to its step."""
        header, tensors = read_tensors(self.folder / LAST, self._hashes)
        state = TrainerState(
            tensors,
            int(header["step"]),
            float(header["train_seconds"]),
            int(header["best_step"]),
            float(header["best_nats"]),
        )
        kept = [
            line for line in _metric_lines(self.folder) if json.loads(line)["step"] <= state.step
        ]
        write_bytes(self.folder / METRICS, b"".join(kept))
        losses = read_bytes(self.folder / LOSSES)[: 4 * state.step]
        write_bytes(self.folder / LOSSES, losses)
        return state


def metrics(folder: Path) -> list[Evaluated]:
    """The evaluations a run has logged.

    Raises:
        DataError: a line is not one; the message names the file.
    """
    try:
        return [Evaluated(**json.loads(line)) for line in _metric_lines(folder)]
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder / METRICS} is damaged: {error}", "train again") from error


def batch_losses(folder: Path) -> NDArray[np.float32]:
    """(steps,) the loss of every batch a run has logged, in nats per symbol."""
    path = folder / LOSSES
    content = read_bytes(path) if path.exists() else b""
    return np.frombuffer(content[: len(content) // 4 * 4], np.float32)


def is_finished(folder: Path) -> bool:
    """Whether a run has taken all its steps."""
    if not (folder / LAST).exists():
        return False
    return _step_of(folder / LAST) == read_facts(folder).config.steps


def is_evaluated(folder: Path) -> bool:
    """Whether a run has weights that an evaluation chose.

    Before the first one there are none; 0.1.0 saved those of step 0 then.
    """
    if not (folder / BEST).exists():
        return False
    return _step_of(folder / BEST) > 0 or not read_facts(folder).config.steps


def _step_of(path: Path) -> int:
    """The step that a file of weights is of, unchecked."""
    try:
        return int(read_header(path)["step"])
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is damaged: it has no step", "train again") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process, made if it is not there; it is let go when the process ends.

    Raises:
        DataError: another process works there, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error.strerror}", "choose another --out"
        ) from error
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise DataError(
            f"{folder} is in use by another process", "wait for it or stop it"
        ) from None
    except OSError as error:
        raise DataError(
            f"cannot write in {folder}: {error.strerror}", "choose another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _metric_lines(folder: Path) -> list[bytes]:
    """Whole lines of the metrics; a kill may have left a part of one at the end."""
    if not (folder / METRICS).exists():
        return []
    lines = read_bytes(folder / METRICS).splitlines(keepends=True)
    return [line for line in lines if line.endswith(b"\n")]


def _append(path: Path, content: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror}", "the last checkpoint stands"
        ) from error


def _hashes(folder: Path) -> dict[str, str]:
    """Hashes of the small files that the tensors only make sense with."""
    return {f"sha256_{name}": sha256(read_bytes(folder / name, NO_RUN)) for name in (CONFIG, VOCAB)}
