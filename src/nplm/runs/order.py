"""The order of a run's n-gram: settled before anything is trained. Loads no torch."""

from dataclasses import replace

from nplm.config import RunConfig
from nplm.counts.ngram import MAX_ORDER, best_order
from nplm.counts.tables import tables_of
from nplm.errors import DataError
from nplm.presets import preset
from nplm.text.dataset import Dataset


def settle_order(config: RunConfig, dataset: Dataset) -> RunConfig:
    """`config` with the order of its n-gram, if it has one: `best_order` where none was given.

    Raises:
        DataError: the order is larger than any string.
    """
    refuse_order(config, dataset)
    if not config.uses_ngram:
        return config
    order = config.mixture.order or best_order(*tables_of(dataset, MAX_ORDER - 1))
    order = min(order, dataset.longest + 2)
    return replace(config, mixture=replace(config.mixture, order=order))


def refuse_order(config: RunConfig, dataset: Dataset) -> None:
    """Raise DataError where an order that was asked for is larger than any string.

    That of a preset was asked for by nobody.
    """
    order = config.mixture.order
    of_preset = order == preset(config.preset).mixture.order
    if config.uses_ngram and order > dataset.longest + 2 and not of_preset:
        raise DataError(
            f"order {order} is larger than any string: the longest to train on has "
            f"{dataset.longest} symbols between its two boundaries",
            f"give `order={dataset.longest + 2}` or less",
        )
