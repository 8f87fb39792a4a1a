"""The points of a grid of settings, and what became of each: `sweep.jsonl`.

A line for each trial that ended, well or not, is what a repeated sweep goes on from. Running them
is in `runs.sweep`.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nplm.config import RunConfig
from nplm.errors import DataError, ExistsError, NotFoundError, NplmError
from nplm.files import sha256
from nplm.occupied import is_free, refuse_foreign
from nplm.presets import format_value, override
from nplm.record import Record
from nplm.runs.facts import read_facts
from nplm.runs.layout import FILES, LOCK, MARK
from nplm.stored import parse_json, stored_lines
from nplm.transaction import write_bytes

RESULTS, TRIALS = "sweep.jsonl", "trials"
SWEEP_PICTURES = ("sweep.png", "sweep.svg")
LONGEST_NAME = 120  # of a trial's folder
CURE = "repeat the nplm sweep that made it, with --force"
Values = Mapping[str, Any]
Status = Literal["done", "diverged"]


@dataclass(frozen=True)
class Trial:
    """One point of the grid: the swept values, all settings, where it runs, and the fixed part."""

    values: Values
    config: RunConfig
    folder: Path
    base: RunConfig

    @property
    def name(self) -> str:
        return name_of(self.values)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        status: "done" or "diverged".
        nats: the lowest val nats per symbol; None when it diverged before any evaluation.
        train_nats: of train, at that step.
    """

    values: Values
    status: Status
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
        config = override(base, values, "`grid`")
        trials.append(Trial(values, config, _trial_folder(folder / TRIALS, values), base))
    return trials


def best(outcomes: list[Outcome]) -> Outcome | None:
    """The trial with the lowest val; None when none ended well."""
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    return min(done, key=lambda outcome: outcome.rank) if done else None


def results(folder: Path) -> list[Outcome]:
    """The trials of a sweep that have ended, best first.

    Raises:
        NotFoundError: there is no sweep in `folder`.
        DamagedError: its results are damaged.
    """
    if not (folder / RESULTS).exists():
        raise NotFoundError(
            folder, f"there is no sweep in {folder}", "make one: nplm sweep --grid NAME=VALUES"
        )
    return sorted(map(outcome_of, _read(folder).values()), key=lambda outcome: outcome.rank)


def name_of(values: Values) -> str:
    """`hidden_size=100,learning_rate=0.1`: of a trial, whatever the order of the grid."""
    return _listed(dict(sorted(values.items())))


def _listed(values: Values) -> str:
    return ",".join(f"{key}={format_value(value)}" for key, value in values.items())


def _trial_folder(trials: Path, values: Values) -> Path:
    """Where a trial runs: where 0.1.0 began it, which named folders in the order of the grid."""
    begun = trials / _folder_name(_listed(values))
    return begun if begun.exists() else trials / _folder_name(name_of(values))


def _folder_name(name: str) -> str:
    """The name of a trial, cut to what file systems take."""
    return name if len(name) <= LONGEST_NAME else f"{name[:100]}...{sha256(name.encode())[:16]}"


def refuse_folder(folder: Path, *, force: bool = False) -> None:
    """Raise ExistsError where `folder` is something else than a sweep or a place for one.

    With `force`, where it holds anything but a sweep.
    """
    if folder.exists() and not folder.is_dir():
        raise ExistsError(folder, f"{folder} is a file", "choose another `out`")
    occupied = folder.exists() and not is_free(folder, (LOCK, MARK))
    if occupied and not is_sweep(folder):
        raise ExistsError(folder, f"{folder} is not a sweep", "choose another `out`")
    if force and folder.exists():
        refuse_other(folder)


def is_sweep(folder: Path) -> bool:
    """Whether there is a sweep in `folder`, or the beginning of one."""
    return (folder / RESULTS).exists() or (folder / TRIALS).exists()


def refuse_other(folder: Path) -> None:
    """Raise ExistsError where `folder` holds something that is not of a sweep."""
    refuse_foreign(folder, (RESULTS, *SWEEP_PICTURES, LOCK, MARK), "sweep", folders=(TRIALS,))
    trials = folder / TRIALS
    if not trials.is_dir():
        return
    refuse_foreign(trials, (), "sweep", folders=[path.name for path in trials.iterdir()])
    for trial in trials.iterdir():
        refuse_foreign(trial, (*FILES, LOCK, MARK), "run")


def moved(trials: list[Trial], folder: Path, new: Path) -> list[Trial]:
    """The trials of a sweep in `folder`, to be run in `new`."""
    return [replace(trial, folder=new / trial.folder.relative_to(folder)) for trial in trials]


def ended_trials(folder: Path, trials: list[Trial], dataset: str) -> dict[str, dict[str, Any]]:
    """The records of a sweep that this one goes on with, by the name of the trial.

    Raises:
        DataError: it is of other settings or of another data set.
    """
    if not (folder / RESULTS).exists():
        write_results(folder, {})
        return {}
    ended = _read(folder)
    of_data = all(record["dataset_sha256"] == dataset for record in ended.values())
    if not of_data or not has_settings(folder, trials[0]):
        raise DataError(
            f"{folder} holds a sweep of other settings or other data",
            "choose another `out`, or start anew with `force=True`",
        )
    return ended


def has_settings(folder: Path, trial: Trial) -> bool:
    """Whether all results in `folder`, if there are any, are of the sweep that `trial` is of."""
    if not (folder / RESULTS).exists():
        return True
    for record in _read(folder).values():
        # 0.1.0 kept a trial's settings alone, not those of the sweep that it was a point of.
        table = "base" if "base" in record else "config"
        settings = _fixed(getattr(trial, table).as_tables(), trial.values)
        # What an older version did not know has the value that means what it did.
        stored = _fixed(RunConfig().as_tables(), trial.values) | _fixed(record[table], trial.values)
        if record["values"].keys() != trial.values.keys() or stored != settings:
            return False
    return True


def goes_on(folder: Path, trials: list[Trial]) -> bool:
    """Whether what there is of a sweep in `folder`, if anything, is of these trials."""
    return has_settings(folder, trials[0]) and not any(map(_is_begun_otherwise, trials))


def _is_begun_otherwise(trial: Trial) -> bool:
    try:
        begun = read_facts(trial.folder).config
    except NplmError:  # there is none, or nothing that can be gone on with
        return False
    asked = trial.config
    order = asked.mixture.order or begun.mixture.order
    steps = asked.train.steps or begun.train.steps
    settled = replace(
        asked,
        mixture=replace(asked.mixture, order=order),
        train=replace(asked.train, steps=steps),
    )
    return begun != settled


def record_of(result: Mapping[str, Any], trial: Trial, dataset: str) -> dict[str, Any]:
    """A line of the results: how a trial ended, and what must be equal for it to stand."""
    tables = {"config": trial.config.as_tables(), "base": trial.base.as_tables()}
    return {**result, **tables, "dataset_sha256": dataset}


def _fixed(config: Mapping[str, Any], swept: Values) -> dict[str, Any]:
    """The settings of a run that a sweep does not touch."""
    parts = {key: value for key, value in config.items() if isinstance(value, Mapping)}
    return {
        f"{part}.{name}": value
        for part, settings in parts.items()
        for name, value in settings.items()
        if name not in swept
    }


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / RESULTS
    records: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(stored_lines(path), start=1):
        where = f", line {number},"
        record = Record.of(parse_json(line, path, where, CURE), path, CURE, where)
        _check(record)
        swept = record.values["values"]
        if any(swept.keys() != other["values"].keys() for other in records.values()):
            raise record.wrong("values are of other settings than in line 1")
        records[name_of(swept)] = dict(record.values)
    return records


def _check(record: Record) -> None:
    """Raise DamagedError unless a line of the results says all that is asked of it."""
    values = record.table("values")
    for key, value in values.values.items():
        if not isinstance(value, str | int | float):
            raise values.wrong(f"{key} is {value!r}, not a setting")
    if record.choice("status", Status) == "done":
        record.number("val_nats_per_symbol")
        record.number("train_nats_per_symbol")
    record.number_or_none("val_nats_per_symbol")
    record.number_or_none("train_nats_per_symbol")
    record.integer("step")
    record.number("train_seconds", 0.0)
    record.digest("dataset_sha256")
    record.table("config")
    if "base" in record.values:
        record.table("base")


def write_results(folder: Path, records: dict[str, dict[str, Any]]) -> None:
    """One line a trial, best first."""
    ordered = sorted(records.values(), key=lambda record: outcome_of(record).rank)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in ordered]
    write_bytes(folder / RESULTS, "".join(lines).encode("utf-8"))


def outcome_of(record: Mapping[str, Any]) -> Outcome:
    return Outcome(
        record["values"],
        record["status"],
        record["step"],
        record["val_nats_per_symbol"],
        record["train_nats_per_symbol"],
        record["train_seconds"],
    )
