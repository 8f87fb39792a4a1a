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

from nplm.config import MAX_SIZE, SamplingConfig, StreamConfig
from nplm.errors import ConstraintError
from nplm.runtime.automata import DEFAULT_CACHE_MB, Automata
from nplm.runtime.automaton import Automaton
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.sampling import LANES, uniforms
from nplm.stepmodel import StepModel
from nplm.text.textids import BulkCodec
from nplm.text.vocab import BOUNDARY

BATCH = 1 << 16
FIRST_BATCH = 1 << 8
WALK_SYMBOLS = 1 << 26  # strings times the greatest length, so that lines of a million fit too


@dataclass(frozen=True)
class Generated:
    """One generated string.

    Attributes:
        index: i, its number in the stream of the seed.
        nats: its negative log-probability under the model alone, without options, prefix included;
            None where it was not asked for.
        seen: it is (almost surely) a string of the list that the model was made from; None where
            the model does not know.
        complete: the model ended it; False when it was cut at the longest length allowed.
    """

    index: int
    text: str
    nats: float | None
    seen: bool | None
    complete: bool


@dataclass(frozen=True, eq=False)
class GeneratedBatch:
    """n strings as arrays.

    Attributes:
        codec: turns their ids into text.
        indices: (n,) their numbers in the stream of the seed, ascending.
        stream: their ids, each string followed by one boundary.
        complete: (n,) whether the model ended each.
        nats: (n,) or None where they were not asked for.
        seen: (n,) whether each is a string of the list that the model was made from; None where
            the model does not know, or neither nats nor novel strings were asked for.
        too_long: (m,) the indices that are left out because their strings would have been cut;
            those among the strings alone, where more were drawn than are wanted.
        drawn: how many indices were drawn for these strings.
    """

    codec: BulkCodec
    indices: NDArray[np.int64]
    stream: NDArray[np.unsignedinteger]
    complete: NDArray[np.bool_]
    nats: NDArray[np.float64] | None
    too_long: NDArray[np.int64]
    drawn: int
    seen: NDArray[np.bool_] | None = None

    def strings(self) -> Iterator[Generated]:
        """The strings one by one."""
        columns = zip(
            self.indices.tolist(),
            self.codec.decode(self.stream).split("\n"),
            self.nats.tolist() if self.nats is not None else repeat(None),
            self.seen.tolist() if self.seen is not None else repeat(None),
            self.complete.tolist(),
            strict=False,
        )
        yield from starmap(Generated, columns)

    def lines(self) -> bytes:
        """The strings in UTF-8, each followed by a line end."""
        return self.codec.decode_bytes(self.stream)

    def first(self, count: int) -> "GeneratedBatch":
        """The first `count` strings, at least one, as if no more had been drawn."""
        part = self.keep(np.arange(len(self.indices)) < count)
        return replace(part, too_long=self.too_long[self.too_long < part.indices[-1]])

    def keep(self, chosen: NDArray[np.bool_]) -> "GeneratedBatch":
        """Only the strings where `chosen` (n,) is true."""
        if chosen.all():
            return self
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
    return min(MAX_SIZE, max(1, 2 * card.longest))


def generate(
    model: StepModel,
    card: ModelCard,
    sampling: SamplingConfig,
    stream: StreamConfig | None = None,
    cache_mb: float = DEFAULT_CACHE_MB,
) -> Iterator[Generated]:
    """Yield strings of a stream, one by one.

    Raises:
        ConstraintError: no string can have both the prefix and the lengths asked for, or the model
            has no filter of known strings to leave out; while it runs: too few can be found.
        DataError: the prefix has a symbol the model does not know.
    """
    automata = Automata(model, cache_mb)
    batches = generate_batches(automata, card, sampling, stream or StreamConfig(), nats=True)
    return (string for batch in batches for string in batch.strings())


def generate_batches(
    automata: Automata,
    card: ModelCard,
    sampling: SamplingConfig,
    stream: StreamConfig,
    *,
    nats: bool = False,
    batch: int = BATCH,
) -> Iterator[GeneratedBatch]:
    """As `generate`, in arrays of up to `batch` strings; the first are small, to come soon.

    One may be empty, where no string drawn for it is wanted.

    Args:
        nats: whether their probabilities, and whether each is known, are asked for.
    """
    prefix = card.encode(sampling.prefix)
    check_lengths(sampling, len(prefix))
    if stream.novel and card.novelty is None:
        raise ConstraintError(
            "this model was exported without the filter that --novel needs",
            "export it again: nplm export onnx --novelty",
        )
    chooser = _Chooser(card, stream, seen=nats)
    return _chosen(automata, sampling, prefix, stream, chooser, nats, batch)


def _chosen(
    automata: Automata,
    sampling: SamplingConfig,
    prefix: list[int],
    stream: StreamConfig,
    chooser: "_Chooser",
    nats: bool,
    batch: int,
) -> Iterator[GeneratedBatch]:
    found, last_found, first, rows = 0, stream.start, stream.start, min(batch, FIRST_BATCH)
    too_long = 0
    while stream.wants(found, first):
        rows = min(rows, stream.at_most(found, first))
        if not rows or first - last_found >= stream.patience:
            raise _too_few(found, stream, first - stream.start, too_long)
        with automata.turn:
            automaton = automata.of(sampling, logs=nats)
            rows = min(rows, automaton.most, max(1, WALK_SYMBOLS // sampling.max_length))
            strings = walk(automaton, sampling, prefix, stream.seed, first, rows, cut=stream.cut)
        part = chooser.choose(GeneratedBatch(chooser.codec, *strings, drawn=rows))
        if stream.indices is None and len(part.indices) >= stream.count - found:
            part = part.first(stream.count - found)
        first, rows, too_long = first + rows, min(batch, 4 * rows), too_long + len(part.too_long)
        found += len(part.indices)
        if len(part.indices):
            last_found = int(part.indices[-1]) + 1
        yield part


def _too_few(found: int, stream: StreamConfig, drawn: int, too_long: int) -> ConstraintError:
    problem = f"only {found:,} of {stream.count:,} strings found in {drawn:,} drawn"
    if too_long < drawn - found:
        return ConstraintError(problem, "ask for fewer, or loosen the options")
    return ConstraintError(
        f"{problem}; the others would have been longer than --max-length",
        "give a larger one, or keep what it cuts with --cut",
    )


class _Chooser:
    """Leaves out what is not wanted, and says what the model knows from its list."""

    def __init__(self, card: ModelCard, stream: StreamConfig, *, seen: bool) -> None:
        self.codec = BulkCodec(card.vocab)
        self._filter = card.novelty if stream.novel or seen else None
        self._stream = stream
        self._given: set[str] = set()

    def choose(self, batch: GeneratedBatch) -> GeneratedBatch:
        if self._filter:
            batch = replace(batch, seen=self._filter.seen(batch.stream))
        if self._stream.novel and batch.seen is not None:
            batch = batch.keep(~batch.seen)
        if self._stream.unique:
            texts = self.codec.decode(batch.stream).split("\n")[:-1]
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


Walked = tuple[
    NDArray[np.int64],
    NDArray[np.unsignedinteger],
    NDArray[np.bool_],
    NDArray[np.float64] | None,
    NDArray[np.int64],
]


def walk(
    automaton: Automaton,
    sampling: SamplingConfig,
    prefix: list[int],
    seed: int,
    first: int,
    rows: int,
    *,
    cut: bool = True,
) -> Walked:
    """Strings `first` to `first + rows`, advanced together until all have ended.

    Args:
        cut: keep those that are cut at the greatest length.

    Returns:
        Indices, stream, complete, nats and the indices that are too long, as in `GeneratedBatch`.
    """
    dtype = np.min_scalar_type(automaton.vocab_size)
    columns: list[NDArray[np.unsignedinteger]] = []  # symbols at each place, 0 past the end
    nats = np.zeros(rows if automaton.logs else 0)
    length = np.full(rows, sampling.max_length + 1)  # until a string ends
    alive = np.arange(rows)
    states = automaton.after([], rows)
    u = np.empty((rows, LANES))
    for place in range(sampling.max_length + 1):
        t = place - len(prefix)
        if t < 0:
            symbols = np.full(len(alive), prefix[place])
            logs = automaton.log_probabilities(states, symbols) if automaton.logs else None
        else:
            if t % LANES == 0:
                u = uniforms(seed, first, rows, t // LANES)
            symbols, logs = automaton.draw(states, u[alive, t % LANES])
        going = symbols != BOUNDARY
        if logs is not None:
            # At the greatest length only the end counts: what would come after it is cut.
            told = ~going if place == sampling.max_length else slice(None)
            nats[alive[told]] -= logs[told]
        length[alive[~going]] = place
        alive = alive[going]
        if place == sampling.max_length or not len(alive):
            break
        symbols = symbols[going]
        column = np.zeros(rows, dtype)
        column[alive] = symbols
        columns.append(column)
        states = automaton.step(states[going], symbols)
    table = np.stack([*columns, np.zeros(rows, dtype)], axis=1)  # (n, longest + 1)
    indices = np.arange(first, first + rows)
    complete = length <= sampling.max_length
    kept: slice | NDArray[np.bool_] = slice(None)
    too_long = indices[:0]
    if not complete.all():
        length[~complete] = sampling.max_length if cut else -1  # then nothing of it is inside
        if not cut:
            kept, too_long = complete, indices[~complete]
    inside = np.arange(table.shape[1]) <= length[:, None]
    logs = nats[kept] if automaton.logs else None
    return indices[kept], table[inside], complete[kept], logs, too_long
