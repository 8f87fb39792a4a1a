"""Strings from a StepModel: batch after batch of walks, and of them those that are wanted.

String i depends only on (model, options, seed, i); what it is computed together with, and what the
automaton has forgotten in between, does not matter.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nplm.checks import MAX_SIZE, VAIN_SYMBOLS, WALK_SYMBOLS
from nplm.errors import ConstraintError, UsageError
from nplm.generation import DEFAULT_CACHE_MB, Condition, SamplingConfig, StreamConfig
from nplm.runtime.attempts import Attempts
from nplm.runtime.automaton import Automaton
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.hashset import HashSet
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.novelty import hash_strings
from nplm.runtime.walk import Generated, GeneratedBatch, walk
from nplm.stepmodel import StepModel

if TYPE_CHECKING:
    from nplm.runtime.pattern import Pattern

BATCH = 1 << 16
FIRST_BATCH = 1 << 8
FIRST_ATTEMPTS = 1 << 4  # strings, where each may take many
PASSAGE = 100  # symbols


def default_max_length(card: ModelCard) -> int:
    """Twice the longest training string; of a stream, a passage."""
    if card.document == "stream":
        return PASSAGE
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
    cache = AutomatonCache(model, card, cache_mb)
    batches = generate_batches(cache, sampling, stream or StreamConfig(), nats=True)
    return (string for batch in batches for string in batch.strings())


def generate_batches(
    cache: AutomatonCache,
    sampling: SamplingConfig,
    stream: StreamConfig,
    *,
    nats: bool = False,
    batch: int = BATCH,
) -> Iterator[GeneratedBatch]:
    """As `generate`, in arrays of up to `batch` strings; the first are small, to come soon.

    One may be empty, where no string drawn for it is wanted. A model of a stream gives passages,
    cut at the greatest length.

    Args:
        nats: whether their probabilities, and whether each is known, are asked for.
    """
    card = cache.card
    prefix = card.encode(sampling.prefix)
    check_lengths(sampling, len(prefix))
    if stream.novel:
        card.refuse_stream("`novel`")
        if card.novelty is None:
            raise ConstraintError(
                "this model was exported without the filter that `novel` needs",
                "export it again, with its filter: nplm export onnx",
            )
    if sampling.condition or stream.excluding:
        card.refuse_stream("a condition")
    if card.document == "stream":
        stream = replace(stream, cut=True)
    if stream.cut and (sampling.condition or stream.excluding):
        raise UsageError("`cut` keeps strings that are not as asked for", "leave it out")
    chooser = _Chooser(card, stream, seen=nats)
    return _chosen(cache, sampling, prefix, stream, chooser, nats, batch)


def _chosen(
    cache: AutomatonCache,
    sampling: SamplingConfig,
    prefix: list[int],
    stream: StreamConfig,
    chooser: "_Chooser",
    nats: bool,
    batch: int,
) -> Iterator[GeneratedBatch]:
    attempts = _attempts(cache, sampling, stream, prefix)
    most = FIRST_ATTEMPTS if attempts else FIRST_BATCH
    found, last_found, first, rows = 0, stream.start, stream.start, min(batch, most)
    too_long, tried = 0, 0
    while stream.wants(found, first):
        rows = min(rows, stream.at_most(found, first))
        vain = first - last_found
        gives_up = vain >= stream.patience or vain * sampling.max_length >= VAIN_SYMBOLS
        if not rows or (stream.indices is None and gives_up):
            raise _too_few(found, stream, first - stream.start, too_long)
        with cache.turn:
            automaton = cache.of(sampling, logs=nats)
            rows = min(rows, automaton.most, max(1, WALK_SYMBOLS // sampling.max_length))
            if attempts:
                part = _draw_again(attempts, automaton, chooser, sampling, prefix, first, rows)
            else:
                part = walk(automaton, chooser.tokenizer, sampling, prefix, stream, first, rows)
        first, tried, came = first + part.drawn, tried + part.attempts, part.drawn == rows
        part = chooser.choose(part)
        if stream.indices is None and len(part.indices) >= stream.count - found:
            part = part.first(stream.count - found)
        rows, too_long = min(batch, 4 * rows), too_long + len(part.too_long)
        found += len(part.indices)
        if len(part.indices):
            last_found = int(part.indices[-1]) + 1
        yield part
        if attempts and not came and stream.wants(found, first):
            raise _never_came(attempts.most, first, first - stream.start, tried)


def _attempts(
    cache: AutomatonCache, sampling: SamplingConfig, stream: StreamConfig, prefix: list[int]
) -> Attempts | None:
    """How strings are drawn until they count; None where each is drawn once."""
    if sampling.condition is None and not stream.excluding:
        return None
    pattern = check_condition(cache, sampling, prefix) if sampling.condition else None
    strings = cache.card.tokenizer.encode(stream.excluding)
    most = (sampling.condition or Condition()).attempts
    return Attempts(stream.seed, most, np.unique(hash_strings(strings)), pattern)


def check_condition(
    cache: AutomatonCache, sampling: SamplingConfig, prefix: list[int]
) -> "Pattern":
    """The automaton of a condition; ConstraintError where no string of any model could be so."""
    from nplm.runtime.condition import shortest  # as few need it

    with cache.turn:
        pattern = cache.pattern(sampling)
    state = pattern.after(prefix)
    least = len(prefix) + shortest(pattern)[state]
    if sampling.min_length > (sampling.condition or Condition()).length[1]:
        raise ConstraintError(
            f"`min_length={sampling.min_length}` is above the greatest `length`",
            "loosen one of them",
        )
    if math.isinf(least):
        where = f" that begins with {sampling.prefix!r}" if prefix else ""
        raise ConstraintError(f"no string{where} is as the options ask", "loosen one of them")
    if least > sampling.max_length:
        raise ConstraintError(
            f"no string of up to {sampling.max_length} symbols is as the options ask: the shortest "
            f"has {least:.0f}",
            "give a larger `max_length`",
        )
    return pattern


def _draw_again(
    attempts: Attempts,
    automaton: Automaton,
    chooser: "_Chooser",
    sampling: SamplingConfig,
    prefix: list[int],
    first: int,
    rows: int,
) -> GeneratedBatch:
    bound = automaton.accepted_at_most
    if not bound:
        raise ConstraintError(
            "the model gives no string that is as the options ask",
            "loosen the pattern, or the options that leave symbols out",
        )
    (symbols, complete, nats), taken = attempts.draw(automaton, sampling, prefix, first, rows)
    indices = np.arange(first, first + len(symbols))
    return GeneratedBatch(
        chooser.tokenizer,
        indices,
        symbols,
        complete,
        nats,
        indices[:0],
        drawn=len(symbols),
        attempts=taken,
        bound=bound,
    )


def _never_came(most: int, index: int, found: int, tried: int) -> ConstraintError:
    return ConstraintError(
        f"string {index} did not come in {most:,} attempts: of {tried:,} in all {found:,} gave one",
        "ask for less, or give more `attempts`",
    )


def _too_few(found: int, stream: StreamConfig, drawn: int, too_long: int) -> ConstraintError:
    problem = f"only {found:,} of {stream.count:,} strings found in {drawn:,} drawn"
    if too_long < drawn - found:
        return ConstraintError(problem, "ask for fewer, or loosen the options")
    return ConstraintError(
        f"{problem}; the others would have been longer than `max_length`",
        "give a larger one, or keep what it cuts with `cut=True`",
    )


class _Chooser:
    """Leaves out what is not wanted, and says what the model knows from its list."""

    def __init__(self, card: ModelCard, stream: StreamConfig, *, seen: bool) -> None:
        self.tokenizer = card.tokenizer
        self._filter = card.novelty if stream.novel or seen else None
        self._stream = stream
        self._given = HashSet()

    def choose(self, batch: GeneratedBatch) -> GeneratedBatch:
        if not (self._filter or self._stream.unique):
            return batch
        hashes = hash_strings(batch.symbols)
        if self._filter:
            batch = replace(batch, seen=self._filter.holds(hashes))
        if not (self._stream.novel or self._stream.unique):
            return batch
        chosen = np.ones(len(hashes), np.bool_)
        if self._stream.novel and batch.seen is not None:
            chosen = ~batch.seen
        if self._stream.unique:  # of two strings with one hash the second is left out
            chosen[chosen] = self._given.add(hashes[chosen])
        return batch.keep(chosen)


def check_lengths(sampling: SamplingConfig, prefix_length: int) -> None:
    """Raise ConstraintError when no string can have the prefix and lengths asked for."""
    if sampling.min_length > sampling.max_length:
        raise ConstraintError(
            f"`min_length={sampling.min_length}` is above `max_length={sampling.max_length}`"
        )
    if prefix_length > sampling.max_length:
        raise ConstraintError(
            f"`prefix` has {prefix_length} symbols, `max_length` allows {sampling.max_length}"
        )
