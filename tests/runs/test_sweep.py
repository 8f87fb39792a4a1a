"""Trials of a grid: planned, run, kept. Without processes: tests/cli/test_sweep.py has some."""

import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nplm.cli.settings import HELP
from nplm.cli.sweep import parse_grid
from nplm.config import DatasetConfig, RunConfig
from nplm.errors import DataError, ExistsError, InUseError, UsageError
from nplm.presets import EARLIER, override, preset
from nplm.runs import run
from nplm.runs import sweep as sweeps
from nplm.runs.facts import read_facts
from nplm.runs.header import is_finished
from nplm.runs.layout import LAST, LOSSES, METRICS
from nplm.runs.metrics import metrics
from nplm.runs.sweep import Progress
from nplm.runs.trials import RESULTS, TRIALS, Outcome, Trial, best, goes_on, plan, results
from nplm.temporaries import temporary_for
from nplm.text import datafolder, dataset, sources

pytestmark = pytest.mark.usefixtures("serial")
EVERY_SETTING = [
    "block-size=2",
    "embedding-size=3",
    "hidden-size=5",
    "layers=3",
    "activation=relu",
    "layer-norm=false",
    "dropout=0.5",
    "init=normal",
    "draw=contexts",
    "steps=7",
    "batch-size=full",
    "optimizer=sgd",
    "learning-rate=0.25",
    "schedule=cosine",
    "warmup=0.125",
    "weight-decay=0.75",
    "smoothing=0",
    "eval-every=3",
    "eval-widen=true",
    "patience=2",
    "beta2=0.9375",
    "masks=state",
    "seed=9",
    "networks=2",
    "ngram=true",
    "order=4",
    "ngram-weight=0.375",
]


@pytest.fixture
def sweep(small_folder: Path, tmp_path: Path, tiny_config: RunConfig) -> Callable[..., list[Any]]:
    """Run the trials of a grid in `tmp_path / "sweep"`; the events."""

    def run(grid: dict[str, list[Any]], base: RunConfig = tiny_config, **options: Any) -> list[Any]:
        folder = tmp_path / "sweep"
        trials = plan(base, grid, folder)
        return list(sweeps.sweep(trials, folder, small_folder, 2, **options))

    return run


def outcomes(events: list[Any]) -> list[Outcome]:
    return [event for event in events if isinstance(event, Outcome)]


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def stop_in_the_middle(monkeypatch: pytest.MonkeyPatch, asked: int) -> None:
    """Workers are told to stop when they have asked so many times."""

    class Stopping:
        calls = itertools.count()

        def is_set(self) -> bool:
            return next(self.calls) >= asked

    def start(reports: Any, _: Any) -> None:
        sweeps._worker.update(reports=reports, stopping=Stopping())

    monkeypatch.setattr(sweeps, "_start_worker", start)


def test_the_plan_is_the_whole_grid(tiny_config: RunConfig, tmp_path: Path) -> None:
    grid = {"learning_rate": [0.1, 1.0], "batch_size": [32, "full"], "layer_norm": [True]}
    trials = plan(tiny_config, grid, tmp_path)
    assert [trial.values for trial in trials] == [
        {"learning_rate": rate, "batch_size": size, "layer_norm": True}
        for rate in (0.1, 1.0)
        for size in (32, "full")
    ]
    assert trials[3].name == "batch_size=full,layer_norm=True,learning_rate=1"
    assert trials[3].folder == tmp_path / TRIALS / trials[3].name
    for trial in trials:
        assert trial.config == override(tiny_config, trial.values, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", HELP)
def test_any_setting_can_be_swept(name: str, tmp_path: Path) -> None:
    (text,) = [text for text in EVERY_SETTING if text.startswith(name.replace("_", "-") + "=")]
    base = preset({"ngram_weight": "best", "draw": "notebook"}.get(name, "default"))
    (trial,) = plan(base, parse_grid([text], {}), tmp_path)
    changed = {
        key: value
        for part in ("model", "train", "mixture")
        for key, value in vars(getattr(trial.config, part)).items()
        if value != getattr(getattr(base, part), key)
    }
    assert changed == {name: trial.values[name]}


def test_a_folder_is_made_for_however_many_settings(tmp_path: Path) -> None:
    (trial,) = plan(preset("default"), parse_grid(EVERY_SETTING, {}), tmp_path)
    trial.folder.mkdir(parents=True)


@pytest.mark.parametrize(
    "grid",
    [
        {"hidden_sizes": [3]},
        {"hidden_size": [8, 0]},
        {"hidden_size": [1.5]},
        {"learning_rate": [0.1, float("nan")]},
        {"ngram_weight": [0.5]},
        {"draw": ["positions"], "smoothing": [0.5]},
    ],
)
def test_a_grid_with_one_bad_point(
    grid: dict[str, list[Any]], tiny_config: RunConfig, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"^`grid`: "):
        plan(tiny_config, grid, tmp_path)


def test_outcomes_are_those_of_single_runs(
    sweep: Callable[..., list[Any]], run_folder: Path, tmp_path: Path, tiny_config: RunConfig
) -> None:
    events = sweep({"hidden_size": [16, 4]})
    found = {outcome.values["hidden_size"]: outcome for outcome in outcomes(events)}
    lowest = min(metrics(run_folder), key=lambda e: e.val_nats_per_symbol or 0)
    one = found[16]
    assert (one.status, one.step) == ("done", lowest.step)
    assert (one.nats, one.train_nats) == (
        lowest.val_nats_per_symbol,
        lowest.train_nats_per_symbol,
    )
    folder = tmp_path / "sweep" / TRIALS / "hidden_size=16"
    assert is_finished(folder)
    assert read_facts(folder).config == tiny_config
    assert (folder / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()


def test_every_twenty_steps_of_every_trial_are_told(
    sweep: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through queues of this process: those between processes may be read too early."""
    context = SimpleNamespace(Queue=queue.SimpleQueue, Event=threading.Event)
    here = SimpleNamespace(get_context=lambda _: context)
    monkeypatch.setattr(sweeps, "multiprocessing", here)
    events = sweep({"steps": [60, 39, 20]})
    told = [(event.trial.name, event.step) for event in events if isinstance(event, Progress)]
    assert told == [
        *(("steps=60", 20), ("steps=60", 40), ("steps=60", 60)),
        *(("steps=39", 20), ("steps=20", 20)),
    ]
    assert events.index(outcomes(events)[0]) == len(told)


def test_trials_that_ended_are_not_repeated(
    sweep: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = outcomes(sweep({"seed": [1, 2]}))
    tried = []
    run = sweeps._run

    def noted(trial: Trial, *rest: Any) -> Any:
        tried.append(trial.name)
        return run(trial, *rest)

    monkeypatch.setattr(sweeps, "_run", noted)
    assert outcomes(sweep({"seed": [1, 2]})) == first
    assert tried == []
    assert len(outcomes(sweep({"seed": [2, 3, 1]}))) == 3  # a wider grid, in another order
    assert tried == ["seed=3"]


def test_a_stopped_trial_goes_on_where_it_was(
    sweep: Callable[..., list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_folder: Path,
) -> None:
    """The first is ended and kept, the second is saved; its end is that of an unstopped run."""
    with monkeypatch.context() as patch:
        stop_in_the_middle(patch, 20 + 30)
        (first,) = outcomes(sweep({"steps": [20, 60]}))
    assert first.values == {"steps": 20}
    assert results(tmp_path / "sweep") == [first]
    stopped = tmp_path / "sweep" / TRIALS / "steps=60"
    assert (stopped / LAST).exists()
    assert not is_finished(stopped)
    logged = (stopped / METRICS).read_bytes()
    assert logged.count(b"\n") == 1
    kept, second = outcomes(sweep({"steps": [20, 60]}))
    assert (kept, second.values) == (first, {"steps": 60})
    assert (stopped / METRICS).read_bytes().startswith(logged)  # the seconds of the first life, too
    assert (stopped / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()


def test_a_sweep_of_an_earlier_version_without_results_is_known_by_its_trials(
    small: dataset.Dataset, small_folder: Path, tmp_path: Path
) -> None:
    """Its presets were others; nothing but a trial that was begun tells of them."""
    folder, grid = tmp_path / "sweep", {"learning_rate": [0.001, 0.002]}
    small_run = {"steps": 4, "hidden_size": 8, "embedding_size": 3, "batch_size": 16}
    now, then = (
        plan(override(settings, small_run, ""), grid, folder)
        for settings in (preset("default"), EARLIER["default"])
    )
    assert goes_on(folder, now)
    assert goes_on(folder, then)
    list(run.train(then[1].folder, then[1].config, small, small_folder))
    assert not goes_on(folder, now)
    assert goes_on(folder, then)


def test_a_trial_that_was_killed_at_its_start_begins_anew(
    sweep: Callable[..., list[Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "sweep" / TRIALS / "steps=20"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_bytes(b"half a fi")
    (outcome,) = outcomes(sweep({"steps": [20]}))
    assert outcome.status == "done"


def test_diverged_trials_are_last_and_are_not_repeated(
    sweep: Callable[..., list[Any]], tiny_config: RunConfig, tmp_path: Path
) -> None:
    base = override(tiny_config, {"optimizer": "sgd"}, "")
    grid = {"learning_rate": [1e38, 0.1]}
    found = {outcome.values["learning_rate"]: outcome for outcome in outcomes(sweep(grid, base))}
    assert (found[1e38].status, found[0.1].status) == ("diverged", "done")
    (tmp_path / "sweep" / TRIALS).rename(tmp_path / "away")
    again = outcomes(sweep(grid, base))
    assert sorted(again, key=lambda o: o.rank) == results(tmp_path / "sweep")
    assert [outcome.values["learning_rate"] for outcome in results(tmp_path / "sweep")] == [
        *(0.1, 1e38)
    ]
    assert best(again) == found[0.1]
    assert not (tmp_path / "sweep" / TRIALS).exists()


def test_the_best_of_outcomes() -> None:
    done = [Outcome({"seed": k}, "done", 1, nats, nats, 0.0) for k, nats in enumerate((2.0, 1.5))]
    diverged = Outcome({"seed": 8}, "diverged", 1, 1.0, 1.0, 0.0)
    never = Outcome({"seed": 9}, "diverged", 0, None, None, 0.0)
    every = [never, diverged, *done]
    assert sorted(every, key=lambda o: o.rank) == [done[1], done[0], diverged, never]
    assert best(every) == done[1]
    assert best([never, diverged]) is None
    assert best([]) is None


def test_a_folder_of_something_else(sweep: Callable[..., list[Any]], tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "thesis.txt").touch()
    with pytest.raises(DataError, match="is not a sweep"):
        sweep({"seed": [1]})
    assert len(list((tmp_path / "sweep").iterdir())) == 1


def test_a_file_in_the_place_of_the_folder(sweep: Callable[..., list[Any]], tmp_path: Path) -> None:
    (tmp_path / "sweep").write_bytes(b"mine")
    with pytest.raises(DataError, match="sweep"):
        sweep({"seed": [1]})
    assert (tmp_path / "sweep").read_bytes() == b"mine"


def test_a_sweep_with_other_fixed_settings(
    sweep: Callable[..., list[Any]], tiny_config: RunConfig
) -> None:
    sweep({"seed": [1]})
    with pytest.raises(DataError, match="other settings"):
        sweep({"seed": [1, 2]}, override(tiny_config, {"hidden_size": 5}, ""))


def test_other_fixed_settings_with_no_point_in_common(
    sweep: Callable[..., list[Any]], tiny_config: RunConfig
) -> None:
    """One table must not rank what is not comparable."""
    sweep({"seed": [1]})
    with pytest.raises(DataError, match="other settings"):
        sweep({"seed": [2]}, override(tiny_config, {"hidden_size": 5}, ""))


def test_a_sweep_of_other_data(
    sweep: Callable[..., list[Any]], tmp_path: Path, tiny_config: RunConfig
) -> None:
    sweep({"seed": [1]})
    other = sources.Source("x", ["anna", "maria", "ana", "mara", "nina", "rina"] * 3, 0)
    datafolder.save(dataset.build(other, DatasetConfig(split_by="line")), tmp_path / "x")
    trials = plan(tiny_config, {"seed": [1]}, tmp_path / "sweep")
    with pytest.raises(DataError, match="other data"):
        list(sweeps.sweep(trials, tmp_path / "sweep", tmp_path / "x", 1))


def test_no_val_to_compare_on(
    small: dataset.Dataset, tmp_path: Path, tiny_config: RunConfig
) -> None:
    empty = small.splits["val"].keep(np.zeros(small.strings("val"), np.bool_))
    alone = replace(small, splits={**small.splits, "val": empty, "test": empty})
    digest = dataset.digest_of(alone.vocab, alone.normalize, alone.splits, alone.document)
    datafolder.save(replace(alone, sha256=digest), tmp_path / "x")
    trials = plan(tiny_config, {"seed": [1]}, tmp_path / "sweep")
    with pytest.raises(DataError, match="no val split"):
        list(sweeps.sweep(trials, tmp_path / "sweep", tmp_path / "x", 1))
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"1", b"\xff", b'{"values": []}', b"{}", b'{"values": {"seed": 1}}']
)
def test_damaged_results(sweep: Callable[..., list[Any]], tmp_path: Path, line: bytes) -> None:
    sweep({"steps": [20]})
    with (tmp_path / "sweep" / RESULTS).open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DataError, match="damaged"):
        results(tmp_path / "sweep")
    with pytest.raises(DataError, match="damaged"):
        sweep({"steps": [20], "seed": [1]})


def test_results_of_two_sweeps(sweep: Callable[..., list[Any]], tmp_path: Path) -> None:
    sweep({"steps": [20]})
    path = tmp_path / "sweep" / RESULTS
    line = path.read_text("utf-8").replace('"values": {"steps": 20}', '"values": {"seed": 8}')
    path.write_text(path.read_text("utf-8") + line, "utf-8")
    with pytest.raises(DataError, match="line 2, is damaged: values are of other settings"):
        results(tmp_path / "sweep")


def test_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sweep in"):
        results(tmp_path)


def test_a_mistake_in_one_trial_is_found_before_any_runs(
    sweep: Callable[..., list[Any]], tmp_path: Path
) -> None:
    """Only a look at the data shows that an order is too large."""
    with pytest.raises(DataError, match="order 60 is larger than any string"):
        sweep({"order": [2, 60]})
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_over_the_draw_can_be_repeated(
    sweep: Callable[..., list[Any]], tmp_path: Path
) -> None:
    """Drawing positions changes another setting, which must not look like another sweep."""
    first = sweep({"draw": ["contexts", "positions"]})
    before = times(tmp_path / "sweep" / TRIALS)
    again = sweep({"draw": ["contexts", "positions"]})
    assert [outcome.values["draw"] for outcome in outcomes(first)] == ["contexts", "positions"]
    assert outcomes(again) == outcomes(first)
    assert times(tmp_path / "sweep" / TRIALS) == before


def test_force_forgets_all_trials_when_the_new_ones_have_ended(
    sweep: Callable[..., list[Any]], tmp_path: Path
) -> None:
    sweep({"seed": [1, 2]})
    (tmp_path / "sweep" / "sweep.png").touch()
    sweep({"seed": [3]}, force=True)
    assert [outcome.values for outcome in results(tmp_path / "sweep")] == [{"seed": 3}]
    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {".lock", RESULTS, TRIALS}
    assert [path.name for path in (tmp_path / "sweep" / TRIALS).iterdir()] == ["seed=3"]
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


def test_a_stopped_force_leaves_the_old_sweep_and_goes_on_beside_it(
    sweep: Callable[..., list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    small_folder: Path,
    tiny_config: RunConfig,
) -> None:
    first = outcomes(sweep({"steps": [20]}))
    with monkeypatch.context() as patch:
        stop_in_the_middle(patch, 20 + 30)
        sweep({"steps": [20, 60]}, force=True)
    assert results(tmp_path / "sweep") == first
    trials = plan(tiny_config, {"steps": [20, 60]}, tmp_path / "sweep.new")
    last = outcomes(list(sweeps.sweep(trials, tmp_path / "sweep.new", small_folder, 1)))
    assert [outcome.values for outcome in last] == [{"steps": 20}, {"steps": 60}]
    assert results(tmp_path / "sweep") == sorted(last, key=lambda outcome: outcome.rank)
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


@pytest.mark.parametrize("name", ["note.txt", "trials/note.txt", "trials/mine/data.txt"])
def test_force_replaces_no_sweep_with_files_of_somebody_else(
    sweep: Callable[..., list[Any]], tmp_path: Path, name: str
) -> None:
    """A folder of somebody's own may be named trials, too."""
    theirs = tmp_path / "sweep" / name
    sweep({"seed": [1]})
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("mine", encoding="utf-8")
    before = times(tmp_path)
    with pytest.raises(ExistsError, match=rf"holds {theirs.name}, which is not of a"):
        sweep({"seed": [2]}, force=True)
    assert times(tmp_path) == before


def test_of_two_sweeps_in_one_folder_the_second_is_refused(
    sweep: Callable[..., list[Any]], tmp_path: Path, small_folder: Path, tiny_config: RunConfig
) -> None:
    trials = plan(tiny_config, {"seed": [1, 2]}, tmp_path / "sweep")
    first = sweeps.sweep(trials, tmp_path / "sweep", small_folder, 1)
    next(first)
    for force in (False, True):
        with pytest.raises(InUseError, match="in use by another process"):
            sweep({"seed": [3]}, force=force)
    list(first)
    assert len(results(tmp_path / "sweep")) == 2


def test_a_sweep_that_was_killed_before_its_first_line(
    sweep: Callable[..., list[Any]], tmp_path: Path
) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / ".lock").touch()
    temporary_for(tmp_path / "sweep" / RESULTS).touch()
    sweep({"seed": [1]})
    assert [outcome.values for outcome in results(tmp_path / "sweep")] == [{"seed": 1}]
