"""The context tables of a data set's splits."""

from nplm.counts.contexts import ContextTable, count_contexts
from nplm.errors import DataError
from nplm.text.dataset import Dataset


def table_of(dataset: Dataset, split: str, block_size: int) -> ContextTable:
    """The context table of a split.

    Raises:
        DataError: the split is empty.
    """
    if not dataset.symbols(split):
        raise DataError(
            f"the {split} split of {dataset.name} is empty", "build it with a share above 0"
        )
    return count_contexts(dataset.splits[split], block_size, len(dataset.vocab))


def tables_of(dataset: Dataset, block_size: int) -> tuple[ContextTable, ContextTable | None]:
    """The context tables of train and, where there is one, of val."""
    val = table_of(dataset, "val", block_size) if dataset.symbols("val") else None
    return table_of(dataset, "train", block_size), val
