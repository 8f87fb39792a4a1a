"""The training settings as options of a command, made from the settings classes themselves.

So every setting has a flag, `train` and `sweep` have the same ones, and a run can be written down
as the command line that repeats it.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer

from nplm.cli.console import note
from nplm.config import MixtureConfig, ModelConfig, PresetName, RunConfig, Schedule, TrainConfig
from nplm.errors import UsageError
from nplm.presets import PRESETS, format_value, override, preset

PANELS = {
    "model": ("Model (default: the preset's)", ModelConfig),
    "train": ("Training (default: the preset's)", TrainConfig),
    "mixture": ("Mixture (default: the preset's)", MixtureConfig),
}
NAME = "<name>"
LONGEST_PROBLEM = 500  # characters of a message about a file that may hold anything
PRESET_HELP = f"{', '.join(get_args(PresetName))}. (default: default)"
HELP = {
    "block_size": "Symbols of context.",
    "embedding_size": "Numbers per symbol.",
    "hidden_size": "Units per hidden layer.",
    "layers": "Hidden layers; further ones are residual.",
    "activation": "After each hidden layer.",
    "layer_norm": "Normalise each hidden layer.",
    "dropout": "Share of hidden units dropped.",
    "init": "Weights at the start.",
    "draw": "What a row of a batch is.",
    "steps": "Training steps; 0: by the size of the list.",
    "batch_size": "Draws per step, or full.",
    "optimizer": "How weights are moved.",
    "learning_rate": "Its highest value.",
    "schedule": f"How the rate falls: {', '.join(get_args(Schedule))}.",
    "warmup": "Share of the steps in which the rate rises.",
    "weight_decay": "On matrices.",
    "smoothing": "Share of an n-gram in what a network learns.",
    "eval_every": "Steps between evaluations; 0: a tenth of all.",
    "seed": "Of weights, draws and dropout.",
    "eval_widen": "Wider apart from the 16th evaluation on.",
    "patience": "Evaluations without a lower val to stop after.",
    "beta2": "Of AdamW: memory of squared gradients.",
    "masks": "Of dropout: by step, or torch's state.",
    "networks": "Networks to average.",
    "ngram": "Mix with an n-gram.",
    "order": "Of the n-gram; 0: chosen on val, up to 8.",
    "ngram_weight": "The n-gram's share, or em: learnt on val.",
}


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` an option per setting; it is called with those given as `settings`."""

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        values = {name: arguments.pop(name) for name in HELP}
        settings = {name: parse(name, v) for name, v in values.items() if v is not None}
        command(**arguments, settings=settings)

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "settings"]
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *(_option(part, item) for part, item in _settings())]
    )
    wrapper.__annotations__ = {
        p.name: p.annotation for p in inspect.signature(wrapper).parameters.values()
    }
    return wrapper


def parse(name: str, value: Any) -> Any:
    """The value of a setting from the text of a flag; other values stay what they are.

    Raises:
        UsageError: the text is not of the setting's type.
    """
    if not isinstance(value, str):
        return value
    kind = next(item.type for _, item in _settings() if item.name == name)
    options = _alternatives(kind)
    if bool in options:
        if value not in {"true", "false"}:
            raise UsageError(f"`{name}` is {value!r}", "give true or false")
        return value == "true"
    for number in (int, float):
        if number in options:
            try:
                return number(value)
            except ValueError:
                continue
    if any(get_origin(option) is Literal for option in options):
        return value
    what = "a whole number" if int in options else "a number"
    raise UsageError(f"`{name}` is {value!r}", f"give {what}")


def settings_for(
    preset_name: str | None,
    file: Path | None,
    flags: Mapping[str, Any],
    resumed: RunConfig | None = None,
    presets: Mapping[PresetName, RunConfig] = PRESETS,
) -> RunConfig:
    """The settings of a run: flags over file over preset (or, to resume, over the run's own).

    Of a flag that changes nothing, stderr says so.
    """
    if file is None:
        base = _base(preset_name, resumed, presets)
    else:
        from nplm.stored import shorten

        try:
            base = _settings_in(file, preset_name, resumed, presets)
        except UsageError as error:
            raise UsageError(shorten(error.problem, LONGEST_PROBLEM), error.cure) from None
    settings = override(base, flags, "")
    for name in filter(settings.unused.__contains__, flags):
        note(f"--{name.replace('_', '-')} changes nothing: {settings.unused[name]}")
    return settings


def _base(
    preset_name: str | None, resumed: RunConfig | None, presets: Mapping[PresetName, RunConfig]
) -> RunConfig:
    """What flags change: a run's own settings, where one of that preset is resumed."""
    if resumed and preset_name in (None, resumed.preset):
        return resumed
    return preset(preset_name or "default", presets)


def _settings_in(
    file: Path,
    preset_name: str | None,
    resumed: RunConfig | None,
    presets: Mapping[PresetName, RunConfig],
) -> RunConfig:
    """The settings of a file over those of a preset: the one asked for, or that the file names."""
    from nplm.files import read_up_to
    from nplm.stored import MAX_SETTINGS, parse_toml

    values = parse_toml(read_up_to(file, MAX_SETTINGS), file)
    # The config.toml of a run can be used again: it names all settings that its version knew.
    of_a_run = values.pop("run", None) is not None
    values.pop("dataset", None)
    named = values.pop("preset", None)
    if named is not None and not preset_name:
        try:
            preset_name = preset(named).preset
        except UsageError as error:
            raise error.within(str(file)) from None
    base = _base(preset_name, resumed, presets)
    return override(RunConfig(base.preset) if of_a_run else base, values, str(file))


def as_flags(config: RunConfig) -> list[str]:
    """The flags of `nplm train` that give `config`, as words of a command line."""
    base = preset(config.preset)
    words = [] if config.preset == "default" else ["--preset", config.preset]
    for part, item in _settings():
        value = getattr(getattr(config, part), item.name)
        flag = item.name.replace("_", "-")
        if value == getattr(getattr(base, part), item.name):
            continue
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", format_value(value)]
    return words


def _settings() -> list[tuple[str, "Field[Any]"]]:
    return [(part, item) for part, (_, kind) in PANELS.items() for item in fields(kind)]


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the type itself."""
    return get_args(kind) if get_origin(kind) is Union else (kind,)


def _option(part: str, item: "Field[Any]") -> inspect.Parameter:
    """The command's parameter for a setting: a number that may be a word is taken as text."""
    number, *words = _alternatives(item.type)
    kind = str if words else number
    metavar = f"<{number.__name__}|{get_args(*words)[0]}>" if words else None
    described = typer.Option(
        metavar=NAME if item.name == "schedule" else metavar,  # too many for a narrow terminal
        help=HELP[item.name],
        rich_help_panel=PANELS[part][0],
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, described],
    )
