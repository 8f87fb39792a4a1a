"""What the benchmarks share: the list, its split, and a line for means and spread."""

from statistics import mean

from nplm.config import DatasetConfig
from nplm.counts.tables import tables_of
from nplm.presets import override, preset
from nplm.runs.order import settle_order
from nplm.runs.steps import settle_steps
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from nplm.training.events import Evaluated
from nplm.training.recipe import Recipe
from places import names_file

LESSON = DatasetConfig(split_by="line", seed=314)
LEAK_FREE = DatasetConfig(split_by="string", seed=314)


def names(config: DatasetConfig = LESSON) -> Dataset:
    path = names_file()
    return dataset.build(sources.read_source(path.read_bytes(), path.name), config)


def ours(data: Dataset, name: str, seed: int) -> list[Evaluated]:
    """The evaluations of a preset's run."""
    config = settle_steps(override(preset(name), {"seed": seed}, ""), data)
    config = settle_order(config, data)
    recipe = Recipe(config, *tables_of(data, config.block_size))
    return [event for event in recipe.run() if isinstance(event, Evaluated)]


def best(events: list[Evaluated]) -> float:
    return min(e.val_nats_per_symbol or 0.0 for e in events)


def spread(values: list[float], digits: int = 4) -> str:
    """`mean (lowest to highest)`."""
    low, high = min(values), max(values)
    return f"{mean(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
