"""The most probable whole strings, exactly and in order.

A string's nats only grow with its symbols. So all strings within a threshold are found by keeping,
place after place, every beginning within it. The threshold is one that, by the ranks of a sample of
the model's own strings, has a few more within it than are asked for; where that was too low it is
raised, and all is done again.

Letters: n beginnings on one level, V vocabulary size, N strings.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nplm.checks import check_integer, check_text
from nplm.errors import ConstraintError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime.automaton import Automaton, States
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import (
    check_condition,
    check_lengths,
    default_max_length,
    generate_batches,
)
from nplm.runtime.rank import own_sampling
from nplm.text.strings import Strings
from nplm.text.tokenizer import Tokenizer
from nplm.text.vocab import BOUNDARY

MOST = 10_000_000  # strings, of which the search holds some 3 GB
# How far a search goes, in beginnings; a level counts as some, for it takes the time of them.
WORK, WORK_PER_STRING, WORK_PER_LEVEL = 2_000_000, 200, 100
SAMPLE = 50_000  # strings for the first threshold
FEW = 2_000  # strings, for which trying thresholds is sooner than a sample
SPARE = 1.05  # times as many strings as are asked for, by the estimate
CHUNK_ENTRIES = 1 << 19  # of rows that are read at once
BATCH = 1 << 16  # strings given at once
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Top:
    """One of the most probable strings, and its nats under the model."""

    text: str
    nats: float


@dataclass(frozen=True, eq=False)
class TopBatch:
    """n strings as arrays, the most probable first.

    Attributes:
        symbols: their ids.
        nats: (n,) their nats, the end counted.
    """

    symbols: Strings
    nats: Floats

    def strings(self, tokenizer: Tokenizer) -> Iterator[Top]:
        """The strings one by one."""
        return map(Top, tokenizer.decode(self.symbols), self.nats.tolist())


@dataclass(frozen=True)
class _Level:
    """Beginnings of one length that are within the threshold.

    Attributes:
        parents: (n,) which of the level before each goes on from.
        symbols: (n,) its last symbol.
    """

    parents: NDArray[np.int32]
    symbols: NDArray[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class _Found:
    """Whole strings within a threshold, shorter ones first, then by their ids.

    Attributes:
        levels: the beginnings.
        level, place: (N,) of each string.
        nats: (N,).
    """

    levels: list[_Level]
    level: NDArray[np.int32]
    place: NDArray[np.int32]
    nats: Floats


def top(
    cache: AutomatonCache,
    count: int,
    prefix: str = "",
    max_length: int | None = None,
    condition: Condition | None = None,
) -> Iterator[TopBatch]:
    """The `count` most probable strings, in batches; fewer where there are no more.

    Probabilities are the model's own, the unknown symbol is in none. Of equally probable strings
    the shorter comes first, then the one whose symbols come first in the vocabulary.

    Args:
        condition: what they must be; not its budget and attempts, which are of drawing.

    Raises:
        DataError: the prefix has a symbol the model does not know.
        ConstraintError: no string is as asked for, or too many beginnings are as probable as those.
        UsageError: `count` is not a whole number from 0 to 10,000,000.
    """
    check_integer("count", count, 0, MOST)
    check_text("prefix", prefix)
    card = cache.card
    longest = default_max_length(card) if max_length is None else max_length
    sampling = replace(
        own_sampling(card),
        allow_unknown=False,
        prefix=prefix,
        max_length=longest,
        condition=condition,
    )
    ids = card.encode(prefix)
    check_lengths(sampling, len(ids))
    if condition:
        check_condition(cache, sampling, ids)
    if not count:
        return iter(())
    threshold = _threshold(cache, sampling, count) if count > FEW else None
    with cache.turn:
        start = nats_of(cache.of(logs=True), ids)
        automaton = cache.of_condition(sampling) if condition else cache.of(logs=True)
        search = _Search(automaton, len(card.vocab.symbols), ids, longest)
        if condition:  # the share of what is accepted at most is part of each string's nats
            start -= math.log(automaton.accepted_at_most or 1.0)
        found = search.most_probable(count, start, threshold)
    return _in_order(found, ids, count, card.tokenizer.dtype)


def _threshold(cache: AutomatonCache, sampling: SamplingConfig, count: int) -> float:
    """Nats within which there are about so many strings, by the estimate of `rank.Ranker`.

    Of strings drawn given what is asked for, 1 / p is that of their own probability: p times
    the share of all strings that are so.
    """
    stream = StreamConfig(indices=SAMPLE, cut=sampling.condition is None)
    parts = list(generate_batches(cache, sampling, stream, nats=True))
    drawn = [part.nats[part.complete] for part in parts if part.nats is not None]
    nats = np.sort(np.concatenate(drawn))
    attempts = sum(part.attempts for part in parts) or SAMPLE
    share = parts[-1].bound * len(nats) / attempts
    with cache.turn:
        automaton = cache.of(logs=True)
        share *= math.exp(-nats_of(automaton, cache.card.encode(sampling.prefix)))
    with np.errstate(over="ignore"):
        ranks = np.cumsum(np.exp(nats)) * (share / max(1, len(nats)))
    place = int(np.searchsorted(ranks, SPARE * count))
    return float(nats[min(place, len(nats) - 1)]) if len(nats) else math.inf


def nats_of(automaton: Automaton, ids: list[int]) -> float:
    """Of the symbols of a beginning."""
    nats, states = 0.0, automaton.after([])
    for symbol in ids:
        symbols = np.array([symbol])
        nats -= float(automaton.log_probabilities(states, symbols)[0])
        states = automaton.step(states, symbols)
    return nats


class _Search:
    """All whole strings within thresholds.

    Args:
        width: symbols that may be drawn, whose ids are 1 to `width`.
        prefix: ids that every string begins with.
    """

    def __init__(self, automaton: Automaton, width: int, prefix: list[int], longest: int) -> None:
        self._automaton, self._width = automaton, width
        self._prefix, self._longest = prefix, longest
        self._start, self._work = 0.0, 0

    def most_probable(self, count: int, start: float, threshold: float | None) -> _Found:
        """Within a threshold that has at least `count` strings, or all there are.

        Args:
            start: nats of the prefix, the least that a string may have.
        """
        self._start = start
        within = start + 2.0 if threshold is None else threshold
        self._work = WORK + WORK_PER_STRING * count
        while True:
            found, left_out = self._within(within)
            certain = len(found.nats)
            if certain >= count or not left_out:
                return found
            within += min(4.0, max(0.5, math.log(count / max(1, certain))))

    def _within(self, threshold: float) -> tuple[_Found, bool]:
        """The strings within a threshold, and whether beginnings were left out by it."""
        states, nats = self._automaton.after(self._prefix), np.array([self._start])
        levels: list[_Level] = []
        ends: list[tuple[Numbers, Floats]] = []
        left_out = False
        for length in range(len(self._prefix), self._longest + 1):
            parents, symbols, costs, end, left = self._follow(
                states, nats, threshold, ends_only=length == self._longest
            )
            ends.append(end)
            left_out |= left
            self._work -= len(parents) + WORK_PER_LEVEL
            if not len(parents):
                break
            if self._work <= 0:
                raise ConstraintError(
                    "as far as a search goes, which strings are the most probable is not certain",
                    "ask for fewer, or give a smaller `max_length` or a longer `prefix`",
                )
            levels.append(_Level(parents.astype(np.int32), symbols))
            states = self._automaton.step(states[parents], symbols.astype(np.int64))
            nats = costs
        level = np.repeat(np.arange(len(ends), dtype=np.int32), [len(place) for place, _ in ends])
        places = np.concatenate([place for place, _ in ends]).astype(np.int32)
        return _Found(levels, level, places, np.concatenate([x for _, x in ends])), left_out

    def _follow(
        self,
        states: States,
        nats: Floats,
        threshold: float,
        *,
        ends_only: bool,
    ) -> tuple[Numbers, NDArray[np.unsignedinteger], Floats, tuple[Numbers, Floats], bool]:
        """What follows n beginnings within the threshold.

        Returns:
            (m,) which of them goes on, the symbol, the nats then; (e,) which of them ends, and the
            nats of those; whether anything that could be was beyond the threshold.
        """
        parents, symbols, costs = [], [], []
        ending, ended, left_out = [], [], False
        dtype = np.min_scalar_type(self._width)
        size = max(1, CHUNK_ENTRIES // self._automaton.vocab_size)
        for first in range(0, len(nats), size):
            chunk = slice(first, first + size)
            cost = nats[chunk, None] - self._automaton.log_rows(states[chunk])
            cost = cost[:, : self._width + 1]
            if ends_only:
                cost[:, BOUNDARY + 1 :] = np.inf
            within = cost <= threshold
            left_out = left_out or bool((~within & np.isfinite(cost)).any())
            ends = np.flatnonzero(within[:, BOUNDARY])
            ending.append(first + ends)
            ended.append(cost[ends, BOUNDARY])
            within[:, BOUNDARY] = False
            places = np.flatnonzero(within)
            rows, columns = np.divmod(places, cost.shape[1])
            parents.append(first + rows)
            symbols.append(columns.astype(dtype))
            costs.append(np.take(cost, places))
        whole = np.concatenate(ending), np.concatenate(ended)
        return (
            np.concatenate(parents),
            np.concatenate(symbols),
            np.concatenate(costs),
            whole,
            left_out,
        )


def _in_order(
    found: _Found, prefix: list[int], count: int, dtype: np.dtype[np.unsignedinteger]
) -> Iterator[TopBatch]:
    order = np.argsort(found.nats, kind="stable")[:count]
    for first in range(0, len(order), BATCH):
        part = order[first : first + BATCH]
        symbols = _spell(found, part, prefix, dtype)
        yield TopBatch(symbols, found.nats[part])


def _spell(
    found: _Found, which: Numbers, prefix: list[int], dtype: np.dtype[np.unsignedinteger]
) -> Strings:
    """The ids of some of the strings, from their last symbol back."""
    level, place = found.level[which], found.place[which].astype(np.int64)
    lengths = len(prefix) + level.astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
    ids = np.full(offsets[-1], BOUNDARY, dtype)
    for t, symbol in enumerate(prefix):
        ids[offsets[:-1] + t] = symbol
    for k in reversed(range(int(level.max(initial=0)))):
        here = np.flatnonzero(level > k)
        at = place[here]
        ids[offsets[here] + len(prefix) + k] = found.levels[k].symbols[at]
        place[here] = found.levels[k].parents[at]
    return Strings(ids, offsets)
