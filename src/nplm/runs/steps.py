"""How many steps a run takes where its settings leave that to the size of its list."""

from dataclasses import replace

from nplm.config import RunConfig
from nplm.text.dataset import Dataset

# Chosen on val of lists from 264 strings up, so that the lesson's 32,033 names get 2,000 steps both
# times (docs/log.md). What learns the counts alone has learnt a small list by heart much sooner.
SMOOTHED, PLAIN = (97, 1 / 4), (4.7, 1 / 2)


def settle_steps(config: RunConfig, dataset: Dataset) -> RunConfig:
    """`config` with its number of steps, where none was given, by the n symbols to learn from.

    In hundreds: 97 n^(1/4) where the targets are smoothed, 4.7 n^(1/2) where they are not.
    """
    if config.train.steps:
        return config
    factor, power = SMOOTHED if config.train.smoothing else PLAIN
    hundreds = round(factor * dataset.symbols("train") ** power / 100)
    return replace(config, train=replace(config.train, steps=100 * max(1, hundreds)))
