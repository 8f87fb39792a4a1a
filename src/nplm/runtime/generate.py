"""Strings from a StepModel: many walks over its automaton, side by side.

String i depends only on (model, options, seed, i); what it is computed together with, and what the
automaton has forgotten in between, does not matter. No Python work is done per string unless
somebody asks for strings one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat, starmap

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
        seen: it is (almost surely) a training string; None where the model does not know.
        complete: the model ended it; False when it was cut at the longest length allowed.
    """

    index: int
    text: str
    nats: float
    seen: bool | None
    complete: bool


@dataclass(frozen=True, eq=False)
class GeneratedBatch:
    """n strings as arrays.

    Attributes:
        indices: (n,) their numbers in the stream of the seed, ascending.
        stream: their ids, each string followed by one boundary.
        complete: (n,) whether the model ended each.
        nats: (n,) or None where they were not asked for.
        seen: (n,) whether each is a training string; None where the model does not know, or
            neither nats nor novel strings were asked for.
    """

    indices: NDArray[np.int64]
    stream: NDArray[np.unsignedinteger]
    complete: NDArray[np.bool_]
    nats: NDArray[np.float64] | None
    seen: NDArray[np.bool_] | None

    def strings(self, codec: BulkCodec) -> Iterator[Generated]:
        """The strings one by one; the batch must have been made with nats."""
        assert self.nats is not None
        seen = self.seen.tolist() if self.seen is not None else repeat(None)
        columns = zip(
            self.indices.tolist(),
            codec.decode(self.stream).split("\n"),
            self.nats.tolist(),
            seen,
            self.complete.tolist(),
            strict=False,
        )
        yield from starmap(Generated, columns)

    def keep(self, chosen: NDArray[np.bool_]) -> "GeneratedBatch":
        """Only the strings where `chosen` (n,) is true."""
        ends = np.flatnonzero(self.stream == BOUNDARY)
        inside = np.repeat(chosen, np.diff(ends, prepend=-1))
        return replace(
            self,
            indices=self.indices[chosen],
            stream=self.stream[inside],
            complete=self.complete[chosen],
            nats=None if self.nats is None else self.nats[chosen],
            seen=None if self.seen is None else self.seen[chosen],
        )


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
    *,
    novel: bool = False,
    unique: bool = False,
) -> Iterator[Generated]:
    """Yield `count` strings of the stream of `seed` from index `start` on, one by one.

    Args:
        novel: leave out training strings.
        unique: leave out strings given before in this call.

    Raises:
        ConstraintError: no string can have both the prefix and the lengths asked for; or, after
            max(100,000, 10 count) consecutive indices without another string, too few can be found.
        DataError: the prefix has a symbol the model does not know.
        UsageError: count, seed or start is out of bounds.
    """
    codec = BulkCodec(card.vocab)
    for part in generate_batches(
        model,
        card,
        sampling,
        count,
        seed,
        start,
        batch,
        cache_mb,
        nats=True,
        novel=novel,
        unique=unique,
    ):
        yield from part.strings(codec)


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
    novel: bool = False,
    unique: bool = False,
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
    if novel and card.novelty is None:
        raise ConstraintError(
            "this model was exported without the filter that --novel needs",
            "export it again: nplm export onnx --novelty",
        )
    automaton = Automaton(model, sampling, log_probabilities=nats, cache_mb=cache_mb)
    chooser = _Chooser(card, novel=novel, unique=unique, seen=nats)
    patience = max(100_000, 10 * count)
    found, last_found, first, rows = 0, start, start, min(batch, FIRST_BATCH)
    while found < count:
        # Without a condition every string counts, and no more are drawn than are asked for.
        rows = min(rows, MAX_INDEX - first, rows if novel or unique else count - found)
        if not rows or first - last_found >= patience:
            raise ConstraintError(
                f"only {found:,} of {count:,} strings found in {first - start:,} drawn",
                "ask for fewer, or loosen the options",
            )
        part = chooser.choose(walk(automaton, sampling, prefix, seed, first, rows))
        if len(part.indices) > count - found:
            part = part.keep(np.arange(len(part.indices)) < count - found)
        first, rows = first + rows, min(batch, 4 * rows)
        if len(part.indices):
            found, last_found = found + len(part.indices), int(part.indices[-1]) + 1
            yield part


class _Chooser:
    """Leaves out what --novel and --unique do not want, and says what was seen in training."""

    def __init__(self, card: ModelCard, *, novel: bool, unique: bool, seen: bool) -> None:
        self._filter = card.novelty if novel or seen else None
        self._novel, self._unique = novel, unique
        self._codec = BulkCodec(card.vocab)
        self._given: set[str] = set()

    def choose(self, batch: GeneratedBatch) -> GeneratedBatch:
        if self._filter:
            batch = replace(batch, seen=self._filter.seen(batch.stream))
        if self._novel and batch.seen is not None:
            batch = batch.keep(~batch.seen)
        if self._unique:
            texts = self._codec.decode(batch.stream).split("\n")[:-1]
            batch = batch.keep(np.array([self._is_new(text) for text in texts], np.bool_))
        return batch

    def _is_new(self, text: str) -> bool:
        before = len(self._given)
        self._given.add(text)
        return len(self._given) > before


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


def walk(
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
    indices = np.arange(first, first + rows)
    return GeneratedBatch(indices, table[inside], complete, kept, None)
