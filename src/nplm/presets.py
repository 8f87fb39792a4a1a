"""The presets: whole settings of a run under a name, chosen on validation data (docs/log.md)."""

from collections.abc import Mapping
from dataclasses import replace

from nplm.config import MixtureConfig, ModelConfig, RunConfig, TrainConfig, near
from nplm.errors import UsageError

LESSON_NETWORK = ModelConfig(
    block_size=3,
    embedding_size=10,
    hidden_size=200,
    layers=1,
    activation="tanh",
    layer_norm=False,
    dropout=0.0,
)

PRESETS: Mapping[str, RunConfig] = {
    "default": RunConfig(),
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
        ),
    ),
    "ngram": RunConfig("ngram", mixture=MixtureConfig(networks=0, ngram=True)),
    "best": RunConfig(
        "best",
        # Beside the n-gram itself, networks that have not already learnt it add more.
        ModelConfig(dropout=0.2),
        TrainConfig(smoothing=0.0),
        MixtureConfig(networks=2, ngram=True),
    ),
}


def preset(name: object) -> RunConfig:
    """The settings of a preset.

    Raises:
        UsageError: there is none of that name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}", f"choose {near(str(name), PRESETS)}")
    return PRESETS[name]
