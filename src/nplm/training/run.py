"""One training run in a folder: start or resume, train, log, save; yields what happens."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from nplm.config import RunConfig
from nplm.corpus.dataset import Dataset
from nplm.errors import DataError, DivergedError
from nplm.training.checkpoint import (
    BEST,
    LAST,
    LOSSES,
    METRICS,
    RunFacts,
    Writer,
    locked,
    new_facts,
    read_facts,
    write_facts,
)
from nplm.training.loop import Evaluated, Event, Stepped, Trainer

SAVE_SECONDS = 2.0
# One thread: a step is too small to gain much from two, and two stall one another when anything
# else runs on the machine (docs/log.md).
THREADS = 1


@dataclass(frozen=True)
class Started:
    """The run is set up and starts after `step` steps."""

    step: int
    parameters: int
    contexts: int
    floor: float
    device: str


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
) -> Iterator[RunEvent]:
    """Train in `folder`, saving at least every two seconds and at the end.

    Args:
        stop: asked between steps; when it says so, the run is saved and the iteration ends.

    Raises:
        DataError: the folder holds a run and neither `resume` nor `force` is given, is in use, or
            (with `resume`) holds a run with other settings or of another data set.
        DivergedError: a loss or parameter is not finite; the best weights so far are saved.
    """
    if not resume:
        refuse_run(folder, force=force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error.strerror}", "choose another --out"
        ) from error
    with locked(folder):
        torch.set_num_threads(THREADS)
        facts = new_facts(config, dataset, dataset_folder, folder, device)
        if resume:
            facts = _matching_facts(folder, config, dataset, device)
            torch.set_num_threads(facts.threads)
        torch.use_deterministic_algorithms(device == "cpu")
        yield from _train_locked(folder, facts, dataset, resume=resume, stop=stop)


def refuse_run(folder: Path, *, force: bool) -> None:
    """Raise DataError when `folder` holds anything that a new run would replace."""
    taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if taken and not force:
        raise DataError(
            f"{folder} already exists",
            "go on with --resume, replace it with --force, or choose another --out",
        )


def _train_locked(
    folder: Path, facts: RunFacts, dataset: Dataset, *, resume: bool, stop: Callable[[], bool]
) -> Iterator[RunEvent]:
    config, device = facts.config, facts.device
    table = dataset.table("train", config.model.block_size)
    val = dataset.table("val", config.model.block_size) if dataset.symbols("val") else None
    trainer = Trainer(config, table, val, device)
    if not resume:  # only now, when all that could be refused has been
        (folder / LAST).unlink(missing_ok=True)
        write_facts(folder, facts)
    writer = Writer(folder)
    if (folder / LAST).exists():
        trainer.restore(writer.resume())
    else:
        _clear(folder)  # of an earlier run, or one killed before its first save
    yield Started(
        trainer.step, trainer.network.parameter_count(), len(table), table.floor(), device
    )
    saved = time.monotonic()
    try:
        for event in trainer.run(stop):
            if isinstance(event, Stepped):
                writer.log_losses(event.losses)
            elif isinstance(event, Evaluated):
                writer.log_evaluation(event)
            yield event
            # Between the last step of an interval and its evaluation a checkpoint would lose that.
            if time.monotonic() - saved >= SAVE_SECONDS and not trainer.evaluation_due:
                writer.save(trainer)
                saved = time.monotonic()
                yield Saved(trainer.step)
    except DivergedError:
        writer.save_best(trainer)
        raise
    writer.save(trainer)
    yield Saved(trainer.step)


def _matching_facts(folder: Path, config: RunConfig, dataset: Dataset, device: str) -> RunFacts:
    facts = read_facts(folder)
    if facts.card.dataset_sha256 != dataset.sha256:
        raise DataError(
            f"{folder} was trained on another data set ({facts.dataset_name})",
            "give that one, or start anew with --force",
        )
    if facts.device != device:
        raise DataError(
            f"{folder} was trained on {facts.device}, not {device}",
            f"resume with --device {facts.device}",
        )
    if facts.config != config:
        raise DataError(
            f"{folder} has other settings than asked for: {_difference(facts.config, config)}",
            "leave them out to resume, or start anew with --force",
        )
    return facts


def _difference(stored: RunConfig, asked: RunConfig) -> str:
    """The settings that differ, as `hidden_size 200, not 300`."""
    pairs = []
    for part in ("model", "train"):
        one, two = vars(getattr(stored, part)), vars(getattr(asked, part))
        pairs += [f"{key} {one[key]}, not {two[key]}" for key in one if one[key] != two[key]]
    return "; ".join(pairs) or f"preset {stored.preset}, not {asked.preset}"


def _clear(folder: Path) -> None:
    """Remove the weights and logs of an earlier run, and what a kill left of unfinished writes."""
    for path in [folder / BEST, folder / METRICS, folder / LOSSES, *folder.glob(".*.tmp")]:
        path.unlink(missing_ok=True)
