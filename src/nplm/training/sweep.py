"""Many runs of one data set, one for each point of a grid of settings, in parallel processes.

Each trial is a run folder of its own under `trials/`; `sweep.jsonl` has a line for each that ended,
well or not, and is what a repeated sweep goes on from. Yields what happens; prints nothing.
"""

import itertools
import json
import multiprocessing
import os
import queue
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from nplm.config import RunConfig, override, shown
from nplm.corpus.dataset import load
from nplm.errors import DataError, DivergedError
from nplm.files import read_bytes, sha256, write_bytes
from nplm.training.checkpoint import LAST, metrics
from nplm.training.loop import Stepped
from nplm.training.run import settle_order, train

RESULTS, TRIALS = "sweep.jsonl", "trials"
POLL_SECONDS = 0.1
LONGEST_NAME = 120  # of a trial's folder
REPORT_STEPS = 20  # a worker tells of its progress this often
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """One point of the grid: the swept values, all settings, and where it runs."""

    values: Values
    config: RunConfig
    folder: Path

    @property
    def name(self) -> str:
        return name_of(self.values)


@dataclass(frozen=True)
class Progress:
    """A trial has taken some steps."""

    trial: Trial
    step: int


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: "done" or "diverged".
        nats: the lowest val nats per symbol; None when it diverged before any evaluation.
        train_nats: of train, at that step.
    """

    values: Values
    status: str
    step: int
    nats: float | None
    train_nats: float | None
    train_seconds: float

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorts: trials that ended well by val, then those that diverged."""
        return self.status != "done", float("inf") if self.nats is None else self.nats


def plan(base: RunConfig, grid: Mapping[str, list[Any]], folder: Path) -> list[Trial]:
    """All points of the grid, each checked before any is tried.

    Raises:
        UsageError: a setting is unknown, or a value is out of bounds.
    """
    trials = []
    for point in itertools.product(*grid.values()):
        values = dict(zip(grid, point, strict=True))
        config = override(base, values, "--grid")
        trials.append(Trial(values, config, folder / TRIALS / _folder_name(values)))
    return trials


def sweep(
    trials: list[Trial],
    folder: Path,
    dataset_folder: Path,
    workers: int,
    stop: Callable[[], bool] = lambda: False,
    *,
    force: bool = False,
) -> Iterator[Progress | Outcome]:
    """Run the trials that have not ended yet; outcomes of the others come first.

    Args:
        stop: asked a few times a second; when it says so, running trials are saved where they are.
        force: forget the trials that have ended.

    Raises:
        DataError: the folder cannot be written, or holds something else than a sweep of the same
            settings over the same data; or a trial cannot be run.
    """
    dataset = load(dataset_folder)
    if not dataset.symbols("val"):
        raise DataError(
            f"{dataset_folder} has no val split to compare trials on",
            "build it with a share for val",
        )
    if force and (folder / RESULTS).exists():
        shutil.rmtree(folder)
    ended = _ended(folder, trials, dataset.sha256)
    for trial in trials:
        if trial.name in ended:
            yield _outcome(ended[trial.name])
    todo = [trial for trial in trials if trial.name not in ended]
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    reports, stopping = context.Queue(), context.Event()
    with ProcessPoolExecutor(
        min(workers, max(1, len(todo))), context, _start_worker, (reports, stopping)
    ) as pool:
        with _deaf_children():
            running = {pool.submit(_run, trial, dataset_folder): trial for trial in todo}
        try:
            while running:
                yield from _reported(reports, todo)
                for future in [future for future in running if future.done()]:
                    trial = running.pop(future)
                    record = _record(future)
                    if record is None:  # stopped before its end
                        continue
                    tables = trial.config.as_tables()
                    ended[trial.name] = record | {
                        "config": tables,
                        "dataset_sha256": dataset.sha256,
                    }
                    _write(folder, ended)
                    yield _outcome(record)
                if stop():
                    stopping.set()
                    for future in running:
                        future.cancel()
                    running = {f: trial for f, trial in running.items() if not f.cancelled()}
        finally:
            stopping.set()  # a caller that goes away stops the workers too
            for future in running:
                future.cancel()


def name_of(values: Values) -> str:
    """`learning_rate=0.1,hidden_size=100`: of a trial and its folder."""
    return ",".join(f"{key}={shown(value)}" for key, value in values.items())


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started here never see Ctrl-C, not even before their first line runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def best(outcomes: list[Outcome]) -> Outcome | None:
    """The trial with the lowest val; None when none ended well."""
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    return min(done, key=lambda outcome: outcome.rank) if done else None


def results(folder: Path) -> list[Outcome]:
    """The trials of a sweep that have ended, best first.

    Raises:
        DataError: there is no sweep in `folder`, or its results are damaged.
    """
    if not (folder / RESULTS).exists():
        raise DataError(f"there is no sweep in {folder}", "make one: nplm sweep --grid NAME=VALUES")
    return sorted(map(_outcome, _read(folder).values()), key=lambda outcome: outcome.rank)


def _folder_name(values: Values) -> str:
    """The name of a trial, cut to what file systems take."""
    name = name_of(values)
    return name if len(name) <= LONGEST_NAME else f"{name[:100]}...{sha256(name.encode())[:16]}"


def _start_worker(reports: "Queue[tuple[str, int]]", stopping: Event) -> None:
    """In each worker: Ctrl-C is for the parent, which says when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker["reports"], _worker["stopping"] = reports, stopping


_worker: dict[str, Any] = {}  # what a worker process was started with


def _run(trial: Trial, dataset_folder: Path) -> dict[str, Any] | None:
    """In a worker: train, or go on; the record of the trial, or None when it was stopped."""
    dataset = load(dataset_folder)
    stop: Callable[[], bool] = _worker["stopping"].is_set
    status, shown = "done", 0
    resume = (trial.folder / LAST).exists()
    try:
        for event in train(
            trial.folder,
            settle_order(trial.config, dataset),
            dataset,
            dataset_folder,
            resume=resume,
            force=not resume,
            stop=stop,
        ):
            if isinstance(event, Stepped) and event.step >= shown + REPORT_STEPS:
                shown = event.step
                _worker["reports"].put((trial.name, shown))
    except DivergedError:
        status = "diverged"
    evaluations = metrics(trial.folder)
    last = evaluations[-1].step if evaluations else 0
    if status == "done" and last < trial.config.steps:
        return None
    lowest = min(evaluations, key=lambda e: e.val_nats_per_symbol or 0.0, default=None)
    return {
        "values": dict(trial.values),
        "status": status,
        "step": lowest.step if lowest else 0,
        "val_nats_per_symbol": lowest.val_nats_per_symbol if lowest else None,
        "train_nats_per_symbol": lowest.train_nats_per_symbol if lowest else None,
        "train_seconds": evaluations[-1].train_seconds if evaluations else 0.0,
    }


def _reported(reports: "Queue[tuple[str, int]]", trials: list[Trial]) -> Iterator[Progress]:
    """What workers have told since last asked; waits a little for the first."""
    by_name = {trial.name: trial for trial in trials}
    wait = POLL_SECONDS
    while True:
        try:
            name, step = reports.get(timeout=wait) if wait else reports.get_nowait()
        except queue.Empty:
            return
        yield Progress(by_name[name], step)
        wait = 0.0


def _record(future: "Future[dict[str, Any] | None]") -> dict[str, Any] | None:
    return None if future.cancelled() else future.result()


def _fixed(config: Mapping[str, Any], swept: Values) -> dict[str, Any]:
    """The settings of a run that a sweep does not touch."""
    parts = {key: value for key, value in config.items() if isinstance(value, Mapping)}
    return {
        f"{part}.{name}": value
        for part, settings in parts.items()
        for name, value in settings.items()
        if name not in swept
    }


def _ended(folder: Path, trials: list[Trial], dataset: str) -> dict[str, dict[str, Any]]:
    """The records of a sweep that this one goes on with, by the name of the trial."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file", "choose another --out")
    if not (folder / RESULTS).exists():
        if folder.exists() and any(folder.iterdir()) and not (folder / TRIALS).exists():
            raise DataError(f"{folder} is not a sweep", "choose another --out")
        try:
            _write(folder, {})
        except DataError as error:
            raise DataError(error.problem, "choose another --out") from error
        return {}
    ended, values = _read(folder), trials[0].values
    asked = _fixed(trials[0].config.as_tables(), values)
    for record in ended.values():
        same = record["values"].keys() == values.keys() and record["dataset_sha256"] == dataset
        if not same or _fixed(record["config"], values) != asked:
            raise DataError(
                f"{folder} holds a sweep of other settings or other data",
                "choose another --out, or start anew with --force",
            )
    return ended


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / RESULTS
    try:
        records = [json.loads(line) for line in read_bytes(path).splitlines()]
        for record in records:
            _outcome(record), record["config"].items(), record["dataset_sha256"]
        return {name_of(record["values"]): record for record in records}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}", "start anew with --force") from error


def _write(folder: Path, records: dict[str, dict[str, Any]]) -> None:
    """One line a trial, best first."""
    ordered = sorted(records.values(), key=lambda record: _outcome(record).rank)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in ordered]
    write_bytes(folder / RESULTS, "".join(lines).encode("utf-8"))


def _outcome(record: Mapping[str, Any]) -> Outcome:
    return Outcome(
        record["values"],
        record["status"],
        record["step"],
        record["val_nats_per_symbol"],
        record["train_nats_per_symbol"],
        record["train_seconds"],
    )


def workers_here() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
