"""What a data set holds, and why tables of longer contexts explode."""

from dataclasses import asdict, dataclass
from typing import Any

from nplm.checks import SPLITS
from nplm.counts.contexts import ContextTable
from nplm.counts.tables import tables_of
from nplm.text.dataset import Dataset

BLOCK_SIZES = range(1, 9)


@dataclass(frozen=True)
class BlockSizeInfo:
    """One block size.

    Attributes:
        rows_possible: V ** block_size, the rows a full table would need.
        contexts_seen: distinct contexts in train.
        val_unseen_share: share of the positions of val whose context never stands in train, or None
            when there is no val.
        floor_nats_per_symbol: conditional entropy of the train counts.
    """

    block_size: int
    rows_possible: int
    contexts_seen: int
    val_unseen_share: float | None
    floor_nats_per_symbol: float


def block_sizes(dataset: Dataset) -> list[BlockSizeInfo]:
    """How the table of distinct contexts grows with the block size, from 1 to 8."""
    train, val = tables_of(dataset, max(BLOCK_SIZES))
    return [_block_size(train.shorten(k), val and val.shorten(k)) for k in BLOCK_SIZES]


def _block_size(train: ContextTable, val: ContextTable | None) -> BlockSizeInfo:
    return BlockSizeInfo(
        train.block_size,
        train.vocab_size**train.block_size,
        len(train),
        None if val is None else train.unseen_share(val),
        train.floor(),
    )


def describe(dataset: Dataset) -> dict[str, Any]:
    """Everything `nplm dataset info --json` prints."""
    facts = {
        "name": dataset.name,
        "strings": sum(dataset.strings(split) for split in SPLITS),
        "vocab": len(dataset.vocab),
        "vocab_symbols": list(dataset.vocab.symbols),
        "normalize": dataset.normalize,
        "longest": dataset.longest,
        "splits": {
            split: {"strings": dataset.strings(split), "symbols": dataset.symbols(split)}
            for split in SPLITS
        },
        "block_sizes": [asdict(item) for item in block_sizes(dataset)],
        "source": dataset.source,
        "sha256": dataset.sha256,
    }
    if dataset.vocab.unknown:
        facts["unknown"] = {split: dataset.unknown(split) for split in SPLITS}
    if dataset.vocab.level == "word":
        facts["level"], facts["document"] = dataset.vocab.level, dataset.document
        facts["unseen"] = {split: dataset.unseen(split) for split in SPLITS}
    return facts
