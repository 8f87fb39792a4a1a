"""Runs of one data set for each point of a grid of settings, in parallel processes.

Each trial is a run folder of its own. Yields what happens; prints nothing. What became of the
trials is kept by `runs.trials`.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from nplm.errors import DataError, DivergedError
from nplm.runs.checkpoint import locked
from nplm.runs.header import is_finished
from nplm.runs.layout import LAST
from nplm.runs.metrics import metrics
from nplm.runs.order import refuse_order
from nplm.runs.replacement import begin, destination, folder_beside, settle, take_place
from nplm.runs.run import Started, train
from nplm.runs.trials import (
    Outcome,
    Trial,
    ended_trials,
    is_sweep,
    moved,
    outcome_of,
    record_of,
    refuse_folder,
    refuse_other,
    write_results,
)
from nplm.text.datafolder import load
from nplm.text.dataset import Dataset
from nplm.training.events import Stepped

POLL_SECONDS = 0.1
SAVE_SECONDS = 10.0  # that a worker has to save its trial when its parent has ended
REPORT_STEPS = 20  # a worker tells of its progress this often


@dataclass(frozen=True)
class Progress:
    """A trial has taken some of its steps."""

    trial: Trial
    step: int
    steps: int


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
        force: start anew, in `work_folder` until all trials have ended; then that takes the place
            of the sweep that is in `folder`.

    Raises:
        DataError: the folder cannot be written, or holds something else than a sweep of the same
            settings over the same data; or a trial cannot be run.
    """
    dataset = load(dataset_folder)
    _refuse_data(dataset, dataset_folder, trials)
    refuse_folder(folder, force=force)
    with locked(destination(folder)), ExitStack() as locks:
        settle(folder)
        work = work_folder(folder, force=force)
        if work != folder:
            begin(work, folder, refuse_other)
            trials = moved(trials, folder, work)
        if work != destination(folder):
            locks.enter_context(locked(work))
        ended = ended_trials(work, trials, dataset.sha256)
        for trial in trials:
            if trial.name in ended:
                yield outcome_of(ended[trial.name])
        todo = [trial for trial in trials if trial.name not in ended]
        for event in _run_all(todo, dataset_folder, workers, stop):
            if isinstance(event, Progress):
                yield event
                continue
            trial, result = event
            ended[trial.name] = record_of(result, trial, dataset.sha256)
            write_results(work, ended)
            yield outcome_of(result)
        if all(trial.name in ended for trial in trials):
            take_place(work, refuse_other)


def work_folder(folder: Path, *, force: bool) -> Path:
    """Where the trials run that are to stand in `folder`: beside a sweep that they replace."""
    return folder_beside(folder) if force and is_sweep(folder) else folder


def _refuse_data(dataset: Dataset, dataset_folder: Path, trials: list[Trial]) -> None:
    """Raise DataError where trials on a data set could not be compared, or not be run."""
    if not dataset.symbols("val"):
        raise DataError(
            f"{dataset_folder} has no val split to compare trials on",
            "build it with a share for val",
        )
    for trial in trials:
        refuse_order(trial.config, dataset)


def _run_all(
    todo: list[Trial], dataset_folder: Path, workers: int, stop: Callable[[], bool]
) -> Iterator[Progress | tuple[Trial, dict[str, Any]]]:
    """Run trials in processes; how each ended, but for those that were stopped."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with _deaf_children():  # the process that keeps track of semaphores is one too
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
                    result = None if future.cancelled() else future.result()
                    if result is not None:
                        yield trial, result
                if stop():
                    stopping.set()
                    for future in running:
                        future.cancel()
        except BrokenProcessPool as error:
            if not stop():  # a kill of the whole group takes the workers too
                raise DataError(
                    "a worker process was killed, perhaps for want of memory",
                    "give fewer `workers`; the same command goes on",
                ) from error
        finally:
            stopping.set()  # a caller that goes away stops the workers too
            for future in running:
                future.cancel()


def workers_here() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started here never see what a terminal sends, not even before their first line."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(reports: "Queue[tuple[str, int, int]]", stopping: Event) -> None:
    """In each worker: Ctrl-C is for the parent, which says when to stop, or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker["reports"], _worker["stopping"] = reports, stopping
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End with the parent: it may be killed, and the pool's queue would be waited on for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    _orphaned.set()
    _running.acquire(timeout=SAVE_SECONDS)
    os._exit(1)


_worker: dict[str, Any] = {}  # what a worker process was started with
_orphaned = threading.Event()  # its parent has ended
_running = threading.Lock()  # held while it trains


def _run(trial: Trial, dataset_folder: Path) -> dict[str, Any] | None:
    """In a worker: train, or go on; the record of the trial, or None when it was stopped."""
    with _running:
        return _train(trial, dataset_folder)


def _train(trial: Trial, dataset_folder: Path) -> dict[str, Any] | None:
    dataset = load(dataset_folder)
    stopping: Callable[[], bool] = _worker["stopping"].is_set
    status, last_report, steps = "done", 0, 0
    resume = (trial.folder / LAST).exists()
    try:
        for event in train(
            trial.folder,
            trial.config,
            dataset,
            dataset_folder,
            resume=resume,
            force=not resume,
            stop=lambda: _orphaned.is_set() or stopping(),
        ):
            if isinstance(event, Started):
                steps = event.steps
            elif isinstance(event, Stepped) and event.step >= last_report + REPORT_STEPS:
                last_report = event.step
                _worker["reports"].put((trial.name, last_report, steps))
    except DivergedError:
        status = "diverged"
    evaluations = metrics(trial.folder)
    if status == "done" and not is_finished(trial.folder):
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


def _reported(reports: "Queue[tuple[str, int, int]]", trials: list[Trial]) -> Iterator[Progress]:
    """What workers have told since last asked; waits a little for the first."""
    by_name = {trial.name: trial for trial in trials}
    wait = POLL_SECONDS
    while True:
        try:
            name, step, steps = reports.get(timeout=wait) if wait else reports.get_nowait()
        except queue.Empty:
            return
        yield Progress(by_name[name], step, steps)
        wait = 0.0
