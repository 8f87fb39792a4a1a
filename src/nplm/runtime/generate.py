"""Strings from a StepModel: many walks over its automaton, side by side.

String i depends only on (model, options, seed, i); what it is computed together with, and what the
automaton has forgotten in between, does not matter. No Python work is done per string unless
somebody asks for strings one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.config import MAX_SEED, SamplingConfig
from nplm.errors import ConstraintError, UsageError
from nplm.runtime.automaton import DEFAULT_CACHE_MB, Automaton
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.sampling import LANES, MAX_INDEX, uniforms
from nplm.stepmodel import StepModel
from nplm.textids import BulkCodec
from nplm.vocab import BOUNDARY

BATCH = 1 << 16
FIRST_BATCH = 1 << 8


@dataclass(frozen=True)
class Generated:
    """One generated string.

    Attributes:
        index: i, its number in the stream of the seed.
        nats: its negative log-probability under the model alone, without options, prefix included.
        complete: the model ended it; False when it was cut at the longest length allowed.
    """

    index: int
    text: str
    nats: float
    complete: bool


@dataclass(frozen=True, eq=False)
class GeneratedBatch:
    """n strings as arrays.

    Attributes:
        first: index of the first one.
        stream: their ids, each string followed by one boundary.
        complete: (n,) whether the model ended each.
        nats: (n,) or None where they were not asked for.
    """

    first: int
    stream: NDArray[np.unsignedinteger]
    complete: NDArray[np.bool_]
    nats: NDArray[np.float64] | None


def default_max_length(card: ModelCard) -> int:
    """Twice the longest training string."""
    return max(1, 2 * card.longest)


def generate(
    model: StepModel,
    card: ModelCard,
    sampling: SamplingConfig,
    count: int = 20,
    seed: int = 0,
    start: int = 0,
    batch: int = BATCH,
    cache_mb: float = DEFAULT_CACHE_MB,
) -> Iterator[Generated]:
    """Yield strings `start` to `start + count` of the stream of `seed`, one by one.

    Raises:
        ConstraintError: no string can have both the prefix and the lengths asked for.
        DataError: the prefix has a symbol the model does not know.
        UsageError: count, seed or start is out of bounds.
    """
    codec = BulkCodec(card.vocab)
    for part in generate_batches(
        model, card, sampling, count, seed, start, batch, cache_mb, nats=True
    ):
        assert part.nats is not None
        texts = codec.decode(part.stream).split("\n")
        columns = zip(texts, part.nats.tolist(), part.complete.tolist(), strict=False)
        for index, (text, nats, complete) in enumerate(columns, start=part.first):
            yield Generated(index, text, nats, complete)


def generate_batches(
    model: StepModel,
    card: ModelCard,
    sampling: SamplingConfig,
    count: int = 20,
    seed: int = 0,
    start: int = 0,
    batch: int = BATCH,
    cache_mb: float = DEFAULT_CACHE_MB,
    *,
    nats: bool = False,
) -> Iterator[GeneratedBatch]:
    """As `generate`, in arrays of up to `batch` strings; the first are small, to come soon."""
    if not 0 <= count <= MAX_INDEX:
        raise UsageError(f"-n is {count}", "it must be between 0 and 2^63 - 1")
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"--seed is {seed}", "it must be between 0 and 2^64 - 1")
    if not 0 <= start <= MAX_INDEX - count:
        raise UsageError(f"--start-index is {start}", "indices must be between 0 and 2^63 - 1")
    prefix = card.encode(sampling.prefix)
    check_lengths(sampling, len(prefix))
    automaton = Automaton(model, sampling, log_probabilities=nats, cache_mb=cache_mb)
    first, rows = start, min(batch, FIRST_BATCH)
    while first < start + count:
        rows = min(rows, start + count - first)
        yield _walk(automaton, sampling, prefix, seed, first, rows)
        first, rows = first + rows, min(batch, 4 * rows)


def check_lengths(sampling: SamplingConfig, prefix_length: int) -> None:
    """Raise ConstraintError when no string can have the prefix and lengths asked for."""
    if sampling.min_length > sampling.max_length:
        raise ConstraintError(
            f"--min-length {sampling.min_length} is above --max-length {sampling.max_length}"
        )
    if prefix_length > sampling.max_length:
        raise ConstraintError(
            f"--prefix has {prefix_length} symbols, --max-length allows {sampling.max_length}"
        )


def _walk(
    automaton: Automaton,
    sampling: SamplingConfig,
    prefix: list[int],
    seed: int,
    first: int,
    rows: int,
) -> GeneratedBatch:
    """Strings `first` to `first + rows`, advanced together until all have ended."""
    dtype = np.min_scalar_type(automaton.vocab_size)
    columns: list[NDArray[np.unsignedinteger]] = []  # symbols at each place, 0 past the end
    nats = np.zeros(rows)
    length = np.full(rows, sampling.max_length)
    complete = np.zeros(rows, np.bool_)
    alive = np.arange(rows)
    states = automaton.start(rows)
    u = np.empty((rows, LANES))
    for place in range(sampling.max_length + 1):
        if place < len(prefix):
            symbols = np.full(len(alive), prefix[place])
        else:
            t = place - len(prefix)
            if t % LANES == 0:
                u = uniforms(seed, first, rows, t // LANES)
            symbols = automaton.draw(states, u[alive, t % LANES])
        going = symbols != BOUNDARY
        if automaton.keeps_log_probabilities:
            # At the greatest length only the end counts: what would come after it is cut.
            told = ~going if place == sampling.max_length else slice(None)
            nats[alive[told]] -= automaton.log_probabilities(states[told], symbols[told])
        ended = alive[~going]
        complete[ended] = True
        length[ended] = place
        alive = alive[going]
        if place == sampling.max_length or not len(alive):
            break
        column = np.zeros(rows, dtype)
        column[alive] = symbols[going]
        columns.append(column)
        states = automaton.step(states[going], symbols[going])
    table = np.stack([*columns, np.zeros(rows, dtype)], axis=1)  # (n, longest + 1)
    inside = np.arange(table.shape[1]) <= length[:, None]
    kept = nats if automaton.keeps_log_probabilities else None
    return GeneratedBatch(first, table[inside], complete, kept)
