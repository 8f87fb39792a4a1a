"""Generated strings in another order than that of their indices: all are held until the last."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nplm.errors import ConstraintError
from nplm.generation import SortKey
from nplm.runtime.walk import GeneratedBatch
from nplm.text.strings import Strings

BATCH = 1 << 16


def sort_batches(
    batches: Iterable[GeneratedBatch], key: SortKey, batch: int = BATCH
) -> Iterator[GeneratedBatch]:
    """The strings of all batches, sorted, in batches of up to `batch`; ties stay in order.

    Args:
        batches: with nats, but for "text".
        key: "probability": most probable first; "per-symbol": fewest nats per symbol first;
            "text": by code points.

    Raises:
        ConstraintError: that of `batches`, once the strings before it have been given.
    """
    kept: list[GeneratedBatch] = []
    failure: ConstraintError | None = None
    try:
        kept.extend(batches)
    except ConstraintError as error:
        failure = error
    if sum(len(each.indices) for each in kept):
        every = _join(kept)
        del kept[:]
        order = _order(every, key)
        for first in range(0, len(order), batch):
            yield _take(every, order[first : first + batch])
            # What was drawn for all of them is told once.
            every = replace(every, drawn=0, attempts=0, too_long=every.too_long[:0])
    if failure is not None:
        raise failure


def _order(every: GeneratedBatch, key: SortKey) -> NDArray[np.int64]:
    if key == "text":
        texts = every.tokenizer.decode(every.symbols)
        return np.array(sorted(range(len(texts)), key=texts.__getitem__), np.int64)
    values = every.nats if key == "probability" else every.nats_per_symbol
    assert values is not None
    return np.argsort(values, kind="stable")


def _join(batches: list[GeneratedBatch]) -> GeneratedBatch:
    """At least one batch, as one."""
    nats = [batch.nats for batch in batches if batch.nats is not None]
    seen = [batch.seen for batch in batches if batch.seen is not None]
    return replace(
        batches[0],
        indices=np.concatenate([batch.indices for batch in batches]),
        symbols=Strings.join([batch.symbols for batch in batches]),
        complete=np.concatenate([batch.complete for batch in batches]),
        nats=np.concatenate(nats) if nats else None,
        seen=np.concatenate(seen) if seen else None,
        too_long=np.concatenate([batch.too_long for batch in batches]),
        drawn=sum(batch.drawn for batch in batches),
        attempts=sum(batch.attempts for batch in batches),
    )


def _take(every: GeneratedBatch, order: NDArray[np.int64]) -> GeneratedBatch:
    """The strings at these places, in their order."""
    return replace(
        every,
        indices=every.indices[order],
        symbols=every.symbols.take(order),
        complete=every.complete[order],
        nats=None if every.nats is None else every.nats[order],
        seen=None if every.seen is None else every.seen[order],
    )
