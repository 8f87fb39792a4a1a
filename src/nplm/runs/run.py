"""One training run in a folder: start or resume, train, log, save; yields what happens."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from nplm.config import RunConfig
from nplm.counts.contexts import ContextTable
from nplm.counts.tables import tables_of
from nplm.errors import DataError, DivergedError
from nplm.runs.checkpoint import Writer, locked
from nplm.runs.facts import RunFacts, new_facts, read_facts, write_facts
from nplm.runs.layout import DATASET, FACTS, LAST, MARK
from nplm.runs.order import settle_order
from nplm.runs.replacement import begin, destination, settle, take_place
from nplm.runs.runplace import clear, refuse_other, refuse_run, work_folder
from nplm.runs.steps import settle_steps
from nplm.text import datafolder
from nplm.text.dataset import Dataset
from nplm.training.device import for_training
from nplm.training.events import Evaluated, Event, Stepped
from nplm.training.recipe import Recipe
from nplm.training.torchmodel import count_parameters
from nplm.training.torchstate import each_within, process_settings
from nplm.transaction import remove_file

SAVE_SECONDS = 2.0
# One thread: a step is too small to gain much from two, and two stall one another when anything
# else runs on the machine (docs/log.md).
THREADS = 1


@dataclass(frozen=True)
class Started:
    """The run is set up and starts after `step` steps.

    Attributes:
        steps: that it is to take at most.
        parameters: of all networks.
        contexts: distinct ones of the training data.
        floor: nats per symbol below which no model of that block size can come on them.
        ngram_contexts: of all lengths, where an n-gram is part of the model; and its order.
    """

    step: int
    steps: int
    parameters: int
    contexts: int
    floor: float
    device: str
    ngram_contexts: int
    ngram_order: int


@dataclass(frozen=True)
class Saved:
    """A whole checkpoint of `step` is on disk."""

    step: int


RunEvent = Event | Started | Saved


def train(
    folder: Path,
    config: RunConfig,
    dataset: Dataset,
    dataset_folder: Path,
    device: str = "cpu",
    *,
    resume: bool = False,
    force: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[RunEvent, None, None]:
    """Train in `folder`, saving at least every two seconds and at the end.

    A run that `force` replaces stays until the new one has succeeded: that one is trained in
    `work_folder`, where it can be resumed, and then takes the place of the old one.

    Torch's settings for the process and its random state are the caller's at every event.

    Args:
        dataset_folder: where `dataset` is; in `folder`/dataset it is saved, if it is not there.
        device: "cpu", "cuda", "cuda:N" or "auto": to resume, the one it was trained on, else CUDA
            where that gains time.
        stop: asked between steps; when it says so, the run is saved and the iteration ends.

    Raises:
        ExistsError: the folder holds a run and neither `resume` nor `force` is given, or files
            that are not of a run.
        NotFoundError: it holds none to resume.
        InUseError: another process works in it.
        DataError: with `resume` it holds a run with other settings or of another data set; or the
            order is larger than any string, or the n-gram's tables too large.
        DeviceError: the device is unknown or not there.
        DivergedError: a loss or parameter is not finite; the best weights so far are saved.
    """
    if resume and device == "auto":
        device = read_facts(folder).device
    device = for_training(device, settle_steps(config, dataset), dataset)
    if not resume:
        refuse_run(folder, force=force)
        config = settle_order(settle_steps(config, dataset), dataset)
    with locked(destination(folder)):
        settle(folder)
        if resume:
            work, facts = folder, _matching_facts(folder, config, dataset, device)
        else:
            refuse_run(folder, force=force)  # again: another process may have been faster
            work = work_folder(folder, force=force)
            own = dataset_folder.resolve() == (folder / DATASET).resolve()
            place = work / DATASET if own else dataset_folder
            facts = new_facts(config, dataset, place, work, device, THREADS, torch.__version__)
        settings = partial(process_settings, facts.threads, deterministic=device == "cpu")
        events = _train_locked(work, folder, facts, dataset, resume=resume, stop=stop)
        try:
            yield from each_within(settings, events)
        except DivergedError as error:
            if destination(work) == work:
                raise
            cure = f"{error.cure}; {destination(work)} is as it was, the new run is in {work}"
            raise DivergedError(error.problem, cure) from error


def _train_locked(
    work: Path,
    folder: Path,
    facts: RunFacts,
    dataset: Dataset,
    *,
    resume: bool,
    stop: Callable[[], bool],
) -> Generator[RunEvent, None, None]:
    table, val = tables_of(dataset, facts.config.block_size)
    recipe = Recipe(facts.config, table, val, facts.device)
    with ExitStack() as locks:
        if work != folder:  # only now, when all that could be refused has been
            begin(work, folder, refuse_other)
        if work != destination(folder):
            locks.enter_context(locked(work))
        if work == folder and not resume:
            remove_file(work / MARK)  # of a try to replace another run, which this one is not
        writer = _writer(work, facts, recipe, resume=resume)
        if facts.dataset == DATASET and not (resume and (work / DATASET).exists()):
            datafolder.save(dataset, work / DATASET, force=True)
        yield _started(recipe, table)
        yield from _steps(recipe, writer, stop)
        if recipe.finished:
            take_place(work, refuse_other)


def _writer(folder: Path, facts: RunFacts, recipe: Recipe, *, resume: bool) -> Writer:
    """A folder in which `recipe` can be trained: from its last checkpoint, or from the start."""
    if not resume:
        clear(folder)  # of a run that a kill cut short
        write_facts(folder, facts)
    writer = Writer(folder)
    if (folder / LAST).exists():
        recipe.restore(writer.resume(recipe))
    else:
        clear(folder, keep=FACTS)
    if recipe.ngram:
        writer.save_ngram(recipe.ngram)
    return writer


def _started(recipe: Recipe, table: ContextTable) -> Started:
    return Started(
        recipe.step,
        recipe.config.steps,
        count_parameters(recipe.module),
        len(table),
        table.floor(),
        str(recipe.device),
        recipe.ngram.contexts if recipe.ngram else 0,
        recipe.config.mixture.order if recipe.ngram else 0,
    )


def _steps(recipe: Recipe, writer: Writer, stop: Callable[[], bool]) -> Iterator[RunEvent]:
    """The recipe's events, each logged before it is handed on, and the saves."""
    saved = time.monotonic()
    try:
        for event in recipe.run(stop):
            if isinstance(event, Stepped):
                writer.log_losses(event.losses)
            elif isinstance(event, Evaluated):
                writer.log_evaluation(event)
            yield event
            # Between the last step of an interval and its evaluation a checkpoint would lose that.
            if time.monotonic() - saved >= SAVE_SECONDS and not recipe.evaluation_due:
                writer.save(recipe)
                saved = time.monotonic()
                yield Saved(recipe.step)
    except DivergedError:
        writer.save_best(recipe)
        raise
    writer.save(recipe)
    yield Saved(recipe.step)


def _matching_facts(folder: Path, config: RunConfig, dataset: Dataset, device: str) -> RunFacts:
    facts = read_facts(folder)
    if facts.card.dataset_sha256 != dataset.sha256:
        raise DataError(
            f"{folder} was trained on another data set ({facts.dataset_name})",
            "give that one, or start anew with `force=True`",
        )
    if facts.device != device:
        raise DataError(
            f"{folder} was trained on {facts.device}, not {device}",
            f'resume with `device="{facts.device}"`',
        )
    # What was settled stands where nothing else is asked for.
    if not config.mixture.order:
        order = facts.config.mixture.order
        config = replace(config, mixture=replace(config.mixture, order=order))
    config = settle_order(config, dataset)
    if not config.train.steps:
        config = replace(config, train=replace(config.train, steps=facts.config.train.steps))
    if facts.config != config:
        raise DataError(
            f"{folder} has other settings than asked for: {_difference(facts.config, config)}",
            "leave them out to resume, or start anew with `force=True`",
        )
    return facts


def _difference(stored: RunConfig, asked: RunConfig) -> str:
    """The settings that differ, as `hidden_size 200, not 300`."""
    pairs = []
    for part in ("model", "train", "mixture"):
        old, new = vars(getattr(stored, part)), vars(getattr(asked, part))
        pairs += [f"{key} {old[key]}, not {new[key]}" for key in old if old[key] != new[key]]
    return "; ".join(pairs) or f"preset {stored.preset}, not {asked.preset}"
