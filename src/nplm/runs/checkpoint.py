"""The run folder as it is written: settings, vocabulary, weights, logs; whole at any moment.

    config.toml         settings as resolved, and which data set (see `runs.facts`)
    vocab.json          symbols, normalisation, longest training string (likewise)
    model.safetensors   the best weights on val; not there before the first evaluation
    ngram.safetensors   the tables of the n-gram, where one is part of the model
    last.safetensors    everything needed to go on
    metrics.jsonl       one line per exact evaluation
    batch_loss.f32      every step's loss, raw float32
    dataset/            the data set, where it was in memory alone when training began

`last.safetensors` is what counts: the logs may run ahead of it and are cut back to its step.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout

from nplm.errors import DamagedError, InUseError, PathError
from nplm.files import sha256
from nplm.runs.facts import CURE
from nplm.runs.header import numbers_of
from nplm.runs.layout import BEST, CONFIG, LAST, LOCK, LOSSES, METRICS, NGRAM, NO_RUN, VOCAB
from nplm.runs.metrics import batch_losses, lines_until
from nplm.runs.tensorfile import check_layout, read_tensors, write_tensors
from nplm.stored import MAX_DOCUMENT, read_stored
from nplm.training.events import Evaluated
from nplm.training.ngrammodule import NGramModule
from nplm.training.recipe import Recipe, RecipeState
from nplm.transaction import append, place_of, write_bytes

STANDS = "the last checkpoint stands"


class Writer:
    """Writes a run folder while it trains. Use inside `locked`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._losses: list[float] = []
        self._best_written = -1
        self._hashes = hashes_of_facts(folder)

    def log_losses(self, losses: list[float]) -> None:
        self._losses += losses

    def log_evaluation(self, evaluation: Evaluated) -> None:
        line = json.dumps(asdict(evaluation)) + "\n"
        append(self.folder / METRICS, line.encode("utf-8"), STANDS)

    def save(self, recipe: Recipe) -> None:
        """Write a whole checkpoint: the logs, the best weights, then the state that counts."""
        append(self.folder / LOSSES, np.array(self._losses, np.float32).tobytes(), STANDS)
        self._losses.clear()
        state = recipe.state()
        numbers = {
            "step": state.step,
            "train_seconds": state.train_seconds,
            "best_step": state.best_step,
            "best_nats": state.best_nats,
        }
        self.save_best(recipe)  # first: a best that is ahead of the state is found again
        write_tensors(self.folder / LAST, numbers, self._hashes, state.tensors)

    def save_best(self, recipe: Recipe) -> None:
        if recipe.has_best and recipe.best_step != self._best_written:
            number = {"step": recipe.best_step}
            write_tensors(self.folder / BEST, number, self._hashes, recipe.best)
            self._best_written = recipe.best_step

    def save_ngram(self, table: NGramModule) -> None:
        tensors = {name: tensor.cpu() for name, tensor in table.tables.items()}
        write_tensors(self.folder / NGRAM, {}, self._hashes, tensors)

    def resume(self, recipe: Recipe) -> RecipeState:
        """Read the last checkpoint, which must fit the recipe, and cut the logs back to its step.

        Raises:
            DamagedError: it is damaged or does not fit.
        """
        header, tensors = read_tensors(self.folder / LAST, self._hashes)
        numbers = numbers_of(self.folder / LAST, header)
        step, best = numbers.integer("step", 0, recipe.config.steps), header.get("best_nats")
        state = RecipeState(
            tensors,
            step,
            numbers.number("train_seconds", 0.0),
            numbers.integer("best_step", 0, step),
            math.inf if best == repr(math.inf) else numbers.number("best_nats"),
        )
        _check_state(self.folder / LAST, state, recipe)
        write_bytes(self.folder / METRICS, b"".join(lines_until(self.folder, step)))
        losses = np.full(step, np.nan, np.float32)  # where the log has lost some
        logged = batch_losses(self.folder)[:step]
        losses[: len(logged)] = logged
        write_bytes(self.folder / LOSSES, losses.tobytes())
        return state


def _check_state(path: Path, state: RecipeState, recipe: Recipe) -> None:
    """Raise DamagedError where a recipe cannot go on from a state."""
    like = recipe.tensors_like(state.step, state.best_step)
    # 0.1.0 kept the weights of step 0 as the best until there were others.
    tensors = {n: t for n, t in state.tensors.items() if n in like or not n.startswith("best.")}
    check_layout(path, tensors, like)
    try:
        torch.Generator().set_state(state.tensors["rng.cpu"])
    except RuntimeError as error:
        raise DamagedError(path, f"{path} is damaged: rng.cpu is no random state", CURE) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process, made if it is not there; it is let go when the process ends.

    Raises:
        InUseError: another process works there.
        PathError: it cannot be made.
    """
    try:
        place_of(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PathError(
            folder, f"cannot write {folder}: {error.strerror}", "choose another `out`"
        ) from error
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InUseError(
            folder, f"{folder} is in use by another process", "wait for it or stop it"
        ) from None
    except OSError as error:
        raise PathError(
            folder, f"cannot write in {folder}: {error.strerror}", "choose another `out`"
        ) from error
    try:
        yield
    finally:
        lock.release()


def hashes_of_facts(folder: Path) -> dict[str, str]:
    """Hashes of the files without which the tensors mean nothing: settings and vocabulary."""
    return {
        f"sha256_{name}": sha256(read_stored(folder / name, MAX_DOCUMENT, NO_RUN))
        for name in (CONFIG, VOCAB)
    }
