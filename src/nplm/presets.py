"""The presets, whole settings of a run under a name, and how others override them.

Their values were chosen on validation data (docs/log.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from itertools import chain
from typing import Any, Literal, TypedDict

from nplm.config import (
    Activation,
    Draw,
    Init,
    Masks,
    MixtureConfig,
    ModelConfig,
    Optimizer,
    PresetName,
    RunConfig,
    Schedule,
    TrainConfig,
)
from nplm.errors import UsageError


class Settings(TypedDict, total=False):
    """Every setting of a run by its name alone; what each means stands in `nplm.config`."""

    block_size: int
    embedding_size: int
    hidden_size: int
    layers: int
    activation: Activation
    layer_norm: bool
    dropout: float
    init: Init
    draw: Draw
    steps: int
    batch_size: int | Literal["full"]
    optimizer: Optimizer
    learning_rate: float
    schedule: Schedule
    warmup: float
    weight_decay: float
    smoothing: float
    eval_every: int
    seed: int
    eval_widen: bool
    patience: int
    beta2: float
    masks: Masks
    networks: int
    ngram: bool
    order: int
    ngram_weight: float | Literal["em"]


LESSON_NETWORK = ModelConfig(
    block_size=3,
    embedding_size=10,
    hidden_size=200,
    layers=1,
    activation="tanh",
    layer_norm=False,
    dropout=0.0,
)

# What 0.1.0 did not have: steps from the list's size, quick masks, an AdamW that forgets early.
LATER = TrainConfig(steps=0, warmup=0.05, beta2=0.98, masks="step", patience=4)

PRESETS: Mapping[PresetName, RunConfig] = {
    "default": RunConfig(
        "default",
        ModelConfig(dropout=0.0),
        replace(LATER, learning_rate=0.008, weight_decay=0.7, smoothing=0.5),
        # One symbol less than the network sees: of whole contexts it would learn their counts.
        MixtureConfig(order=6),
    ),
    "notebook": RunConfig(
        "notebook",
        replace(LESSON_NETWORK, init="normal"),
        TrainConfig(
            draw="positions",
            steps=20_000,
            batch_size=32,
            optimizer="sgd",
            learning_rate=0.1,
            schedule="step",
            weight_decay=0.0,
            smoothing=0.0,
            eval_every=1000,
        ),
    ),
    "classic": RunConfig(
        "classic",
        LESSON_NETWORK,
        TrainConfig(
            steps=1000,
            batch_size=768,
            learning_rate=0.03,
            weight_decay=0.01,
            smoothing=0.0,
            eval_every=10,
            eval_widen=True,
        ),
    ),
    "ngram": RunConfig("ngram", mixture=MixtureConfig(networks=0, ngram=True)),
    "best": RunConfig(
        "best",
        # Beside the n-gram itself, networks that have not already learnt it add more.
        ModelConfig(dropout=0.05),
        replace(LATER, learning_rate=0.01, smoothing=0.0),
        MixtureConfig(networks=2, ngram=True),
    ),
}


# What those that have changed were in 0.1.0: a sweep begun with it goes on by the same command.
EARLIER: Mapping[PresetName, RunConfig] = {
    **PRESETS,
    "default": RunConfig(),
    "classic": replace(
        PRESETS["classic"], train=replace(PRESETS["classic"].train, eval_widen=False)
    ),
    "best": RunConfig(
        "best",
        ModelConfig(dropout=0.2),
        TrainConfig(smoothing=0.0),
        PRESETS["best"].mixture,
    ),
}


def preset(name: object, presets: Mapping[PresetName, RunConfig] = PRESETS) -> RunConfig:
    """The settings of a preset.

    Raises:
        UsageError: there is none of that name.
    """
    settings = next((settings for key, settings in presets.items() if key == name), None)
    if settings is None:
        raise UsageError(f"there is no preset {name!r}", f"choose {nearest(str(name), PRESETS)}")
    return settings


def override(config: RunConfig, values: Mapping[str, Any], where: str) -> RunConfig:
    """`config` with flat or nested (`model`, `train`, `mixture`) settings replaced.

    Args:
        values: setting names to values, or the tables of a configuration file.
        where: the file or place the values come from, for messages.

    Raises:
        UsageError: an unknown key (the nearest one is suggested) or a value out of bounds.
    """
    parts = {"model": ModelConfig, "train": TrainConfig, "mixture": MixtureConfig}
    sections = {name: _names(part) for name, part in parts.items()}
    changed: dict[str, dict[str, Any]] = {name: {} for name in parts}
    for key, value in values.items():
        if key in sections and isinstance(value, Mapping):
            for name, inner in value.items():
                if name not in sections[key]:
                    raise _unknown(f"{key}.{name}", name, sections[key], where)
                changed[key][name] = inner
            continue
        if key in sections:
            raise UsageError(_at(where, f"{key} is {value!r}"), f"give a table: [{key}]")
        section = next((s for s, names in sections.items() if key in names), None)
        if section is None:
            keys = [*sections, *chain(*sections.values())]
            raise _unknown(key, key, keys, where)
        changed[section][key] = value
    if changed["train"].get("draw") == "positions":  # one symbol each: nothing to smooth
        changed["train"].setdefault("smoothing", 0.0)
    try:
        resolved = {name: replace(getattr(config, name), **new) for name, new in changed.items()}
        return replace(config, **resolved)
    except UsageError as error:
        if not where:
            raise
        raise error.within(where) from None


def format_value(value: object) -> str:
    """A setting's value as short as it can be typed: 1 for 1.0, and all digits that count."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _names(settings: type) -> list[str]:
    return [item.name for item in fields(settings)]


def _unknown(key: str, name: str, names: list[str], where: str) -> UsageError:
    return UsageError(
        _at(where, f"unknown setting {key!r}"), f"did you mean {nearest(name, names)}?"
    )


def _at(where: str, problem: str) -> str:
    return f"{where}: {problem}" if where else problem


def nearest(name: str, names: Iterable[str]) -> str:
    """The name among `names` that is most like `name`, or all of them."""
    close = get_close_matches(name, list(names), n=1)
    return close[0] if close else ", ".join(names)
