"""What training does to its caller's torch: nothing, whenever the caller has control."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from nplm.config import RunConfig
from nplm.counts.tables import table_of
from nplm.errors import DataError, DivergedError
from nplm.export.onnxfile import export
from nplm.presets import override
from nplm.runs import run
from nplm.runs.layout import LOSSES
from nplm.runs.opened import load_run
from nplm.text.dataset import Dataset
from nplm.training.events import Evaluated
from nplm.training.recipe import Recipe
from nplm.training.torchmodel import TorchModel
from nplm.training.trainer import Trainer

MODES = {0: "default", 1: "warn", 2: "error"}


def settings() -> tuple[Any, ...]:
    """All of torch's process-wide settings that could matter here, and its random state."""
    return (
        torch.get_num_threads(),
        MODES[torch.get_deterministic_debug_mode()],
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.mkldnn.enabled,
        torch.get_rng_state().numpy().tobytes(),
    )


@pytest.fixture(autouse=True)
def callers() -> Iterator[tuple[Any, ...]]:
    """A caller with settings unlike those of training: three threads, warnings, a state of 77."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(3)
    torch.set_deterministic_debug_mode("warn")
    torch.manual_seed(77)
    yield settings()
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(mode)


@pytest.fixture
def config(tiny_config: RunConfig) -> RunConfig:
    return override(tiny_config, {"dropout": 0.3}, "")


def recipe_of(config: RunConfig, small: Dataset) -> Recipe:
    return Recipe(config, table_of(small, "train", 3), table_of(small, "val", 3))


def test_a_caller_has_his_torch_at_every_event(
    small: Dataset, config: RunConfig, tmp_path: Path, callers: tuple[Any, ...]
) -> None:
    for event in run.train(tmp_path / "run", config, small, tmp_path):
        assert settings() == callers, event
    assert settings() == callers


def test_settings_are_those_of_training_while_it_steps(
    small: Dataset, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    take = Trainer._take_step

    def watched(self: Trainer) -> float:
        seen.add((torch.get_num_threads(), MODES[torch.get_deterministic_debug_mode()]))
        return take(self)

    monkeypatch.setattr(Trainer, "_take_step", watched)
    list(run.train(tmp_path / "run", config, small, tmp_path))
    assert seen == {(1, "error")}


def closed_early(events: Iterator[Any]) -> None:
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]


def thrown_into(events: Iterator[Any]) -> None:
    next(events)
    with pytest.raises(KeyboardInterrupt):
        events.throw(KeyboardInterrupt)  # type: ignore[attr-defined]


@pytest.mark.parametrize("leave", [closed_early, thrown_into])
def test_leaving_a_run_in_the_middle(
    small: Dataset,
    config: RunConfig,
    tmp_path: Path,
    callers: tuple[Any, ...],
    leave: Callable[[Iterator[Any]], None],
) -> None:
    """The folder is free again too."""
    leave(run.train(tmp_path / "run", config, small, tmp_path))
    assert settings() == callers
    list(run.train(tmp_path / "run", config, small, tmp_path, resume=True))


def test_a_run_that_fails(
    small: Dataset, config: RunConfig, tmp_path: Path, callers: tuple[Any, ...]
) -> None:
    diverging = override(config, {"optimizer": "sgd", "learning_rate": 1e38}, "")
    with pytest.raises(DivergedError):
        list(run.train(tmp_path / "run", diverging, small, tmp_path))
    assert settings() == callers
    with pytest.raises(DataError):
        list(run.train(tmp_path / "run", config, small, tmp_path, resume=True))
    assert settings() == callers


def test_a_recipe_used_directly(
    small: Dataset, config: RunConfig, callers: tuple[Any, ...]
) -> None:
    recipe = recipe_of(config, small)
    assert settings() == callers
    for event in recipe.run():
        assert settings() == callers, event
    other = recipe_of(config, small)
    other.restore(recipe.state())
    assert settings() == callers


def test_what_a_caller_does_between_events_changes_no_bit(
    small: Dataset, config: RunConfig, tmp_path: Path
) -> None:
    quiet, busy = tmp_path / "quiet", tmp_path / "busy"
    list(run.train(quiet, config, small, tmp_path))
    for _ in run.train(busy, config, small, tmp_path):
        torch.manual_seed(0)
        torch.rand(5)
        torch.set_num_threads(2)
        torch.set_deterministic_debug_mode("default")
    assert (busy / LOSSES).read_bytes() == (quiet / LOSSES).read_bytes()


def test_recipes_side_by_side_are_as_if_alone(small: Dataset, config: RunConfig) -> None:
    def losses(recipe: Recipe) -> Iterator[Any]:
        yield from (event.losses for event in recipe.run() if not isinstance(event, Evaluated))

    alone = list(losses(recipe_of(config, small)))
    one, two = losses(recipe_of(config, small)), losses(recipe_of(config, small))
    assert list(zip(one, two, strict=True)) == [(loss, loss) for loss in alone]


def test_a_model_that_fails_goes_on_training(small: Dataset, config: RunConfig) -> None:
    module = recipe_of(config, small).module.train()
    with suppress(IndexError):
        TorchModel(module)(table_of(small, "train", 3).contexts[:1].astype("int64") + 10_000)
    assert module.training


def test_evaluating_and_exporting_change_nothing(
    small: Dataset, run_folder: Path, tmp_path: Path, callers: tuple[Any, ...]
) -> None:
    opened = load_run(run_folder)
    opened.model(table_of(small, "train", 3).contexts[:5].astype("int64"))
    export(opened, small, tmp_path / "names.onnx")
    assert settings() == callers


def test_runs_in_threads_are_as_if_alone(
    small: Dataset, config: RunConfig, tmp_path: Path, callers: tuple[Any, ...]
) -> None:
    """What torch keeps for the process serves one of them at a time, and is the caller's again."""

    def train(name: str) -> bytes:
        for _ in run.train(tmp_path / name, config, small, tmp_path / "data", "cpu"):
            pass
        return (tmp_path / name / LOSSES).read_bytes()

    alone = train("alone")
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(train, ["a", "b", "c"])) == {alone}
    assert settings() == callers
