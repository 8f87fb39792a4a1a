"""The options made from the settings classes, and settings written down as options. No torch."""

import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import pytest
import typer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nplm.checks import MAX_SEED, Document, Level, Normalization, SplitName
from nplm.cli.settings import HELP, as_flags, parse, settings_for, with_settings
from nplm.cli.tree import app
from nplm.config import (
    CountOn,
    MixtureConfig,
    ModelConfig,
    PresetName,
    RunConfig,
    SplitBy,
    TrainConfig,
)
from nplm.errors import DataError, UsageError
from nplm.presets import PRESETS, override, preset
from nplm.runs.facts import read_facts

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

SETTINGS = {
    item.name: item for part in (ModelConfig, TrainConfig, MixtureConfig) for item in fields(part)
}
NAMES = list(SETTINGS)
SHARES, SIZES = st.floats(0, 1), st.integers(1, 1 << 20)
VALUES = {
    "block_size": st.integers(1, 64),
    "embedding_size": SIZES,
    "hidden_size": SIZES,
    "layers": st.integers(1, 16),
    "activation": st.sampled_from(["tanh", "relu", "gelu"]),
    "layer_norm": st.booleans(),
    "dropout": st.floats(0, 0.95),
    "init": st.sampled_from(["scaled", "normal"]),
    "draw": st.sampled_from(["contexts", "positions"]),
    "steps": st.integers(0, 10**12),
    "batch_size": SIZES | st.just("full"),
    "optimizer": st.sampled_from(["sgd", "adamw"]),
    "learning_rate": st.floats(0, 1e38, exclude_min=True),
    "schedule": st.sampled_from(["constant", "step", "linear", "cosine"]),
    "warmup": SHARES,
    "weight_decay": st.floats(0, 1e300),
    "smoothing": SHARES,
    "eval_every": st.integers(0, 10**12),
    "eval_widen": st.booleans(),
    "patience": st.integers(0, 10**12),
    "beta2": st.floats(0, 0.99999),
    "masks": st.sampled_from(["state", "step"]),
    "seed": st.integers(0, MAX_SEED),
    "networks": st.integers(0, 16),
    "ngram": st.booleans(),
    "order": st.sampled_from([0, *range(2, 66)]),
    "ngram_weight": SHARES | st.just("em"),
}


def reader() -> Callable[[list[str]], RunConfig]:
    """A command with the options of `train`: words -> the settings it was given."""
    typed, given_to = typer.Typer(), []

    @typed.command()
    @with_settings
    def command(
        *,
        preset_name: Annotated[str | None, typer.Option("--preset")] = None,
        settings: dict[str, Any],
    ) -> None:
        given_to.append(settings_for(preset_name, None, settings))

    parser = typer.main.get_command(typed)

    def read(words: list[str]) -> RunConfig:
        parser.main(words, prog_name="nplm", standalone_mode=False)
        return given_to.pop()

    return read


READ = reader()


def test_a_file_of_settings_may_come_through_a_pipe() -> None:
    """As of a shell's `<(...)`; what a run stores is a regular file."""
    reader, writer = os.pipe()
    os.write(writer, b"[train]\nsteps = 7\n")
    os.close(writer)
    assert settings_for(None, Path(f"/dev/fd/{reader}"), {}).train.steps == 7
    os.close(reader)
    with pytest.raises(DataError, match="/dev/zero has more than 65,536 bytes"):
        settings_for(None, Path("/dev/zero"), {})


@pytest.mark.parametrize("run", ["names", "mixture", "stopped", "ngram"])
def test_the_settings_of_a_run_of_0_1_0_mean_what_they_did(run: str) -> None:
    """Those that it did not know too, whatever the preset of that name has become."""
    folder = Path(__file__).parents[1] / "compat" / "0.1.0" / "checkpoints" / run
    assert settings_for(None, folder / "config.toml", {}) == read_facts(folder).config


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_name(name: str) -> None:
    assert as_flags(preset(name)) == ([] if name == "default" else ["--preset", name])
    assert READ(as_flags(preset(name))) == preset(name)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(PRESETS)), st.fixed_dictionaries({}, optional=VALUES))
def test_settings_as_flags_are_read_back(name: str, values: dict[str, Any]) -> None:
    try:
        config = override(preset(name), values, "")
    except UsageError:
        assume(False)
    assert READ(as_flags(config)) == config


@pytest.mark.parametrize("name", PRESETS)
def test_only_what_is_not_the_presets_is_written(name: str) -> None:
    config = override(preset(name), {"steps": 7, "layer_norm": False}, "")
    switch = ["--no-layer-norm"] if preset(name).model.layer_norm else []
    chosen = [] if name == "default" else ["--preset", name]
    assert as_flags(config) == [*chosen, *switch, "--steps", "7"]


def test_every_setting_has_an_option_in_train_and_sweep() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert sorted(HELP) == sorted(NAMES) == sorted(VALUES)
    for command in ("train", "sweep"):
        options = {p.name: p for p in commands[command].params}
        assert set(NAMES) <= set(options)
        for name in NAMES:
            assert f"--{name.replace('_', '-')}" in options[name].opts


def commands(parser: Any, path: str = "nplm") -> Iterator[tuple[str, Any]]:
    yield path, parser
    for name, command in getattr(parser, "commands", {}).items():
        yield from commands(command, f"{path} {name}")


def test_options_of_a_fixed_set_know_it() -> None:
    """So that help, completion and the error of a wrong value list it."""
    found = {
        f"{path} {option.opts[0]}": tuple(option.type.choices)
        for path, command in commands(typer.main.get_command(app))
        for option in command.params
        if hasattr(option.type, "choices")
    }
    fixed = {"--preset": PresetName}
    for name, item in SETTINGS.items():
        if get_origin(item.type) is Literal:
            fixed[f"--{name.replace('_', '-')}"] = item.type
    expected = {
        f"nplm {command} {option}": get_args(kind)
        for option, kind in fixed.items()
        for command in ("train", "sweep")
    }
    expected |= {
        "nplm dataset build --level": get_args(Level),
        "nplm dataset build --document": get_args(Document),
        "nplm dataset build --count-on": get_args(CountOn),
        "nplm dataset build --split-by": get_args(SplitBy),
        "nplm dataset build --normalize": get_args(Normalization),
        "nplm eval --split": get_args(SplitName),
        "nplm generate --format": ("text", "jsonl"),
        "nplm top --format": ("text", "jsonl"),
        "nplm generate --runtime": ("onnx", "torch"),
        "nplm generate --sort": ("probability", "per-symbol", "text"),
        "nplm score --format": ("text", "jsonl"),
        "nplm score --errors": ("strict", "skip"),
    }
    assert found == expected


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "10", 10),
        ("learning_rate", "1e-3", 0.001),
        ("learning_rate", "1", 1.0),
        ("batch_size", "32", 32),
        ("batch_size", "full", "full"),
        ("ngram_weight", "0.5", 0.5),
        ("ngram_weight", "em", "em"),
        ("layer_norm", "true", True),
        ("ngram", "false", False),
        ("activation", "relu", "relu"),
        ("steps", 10, 10),
    ],
)
def test_the_text_of_a_value(name: str, text: Any, value: object) -> None:
    parsed = parse(name, text)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "text", "cure"),
    [
        ("steps", "1.5", "a whole number"),
        ("steps", "", "a whole number"),
        ("learning_rate", "fast", "a number"),
        ("layer_norm", "yes", "true or false"),
        ("ngram", "1", "true or false"),
    ],
)
def test_a_text_of_the_wrong_type(name: str, text: str, cure: str) -> None:
    with pytest.raises(UsageError, match=f"`{name}` is '{text}'; give {cure}"):
        parse(name, text)


@pytest.mark.training
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("option", ["batch-size", "ngram-weight", "learning-rate", "layers"])
def test_an_option_that_is_no_number(nplm: "Nplm", option: str) -> None:
    nplm.refuses(2, "train", f"--{option}", "many", says=("many",))
