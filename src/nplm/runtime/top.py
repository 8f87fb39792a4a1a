"""The most probable whole strings, exactly and in order.

All strings within a threshold of nats are found (`beginnings`). The threshold is one that, by the
ranks of a sample of the model's own strings, has a few more within it than are asked for; where
that was too low it is raised, and all is done again.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nplm.checks import check_integer, check_text
from nplm.errors import ConstraintError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime.automaton import Automaton
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.beginnings import Found, Search, spell
from nplm.runtime.generate import (
    check_condition,
    check_lengths,
    default_max_length,
    generate_batches,
)
from nplm.runtime.rank import own_sampling
from nplm.text.strings import Strings
from nplm.text.tokenizer import Tokenizer

MOST = 10_000_000  # strings, of which the search holds some 1 GB
SAMPLE = 20_000  # strings for the first threshold
SAMPLE_ATTEMPTS = 1_000  # at a string of it
FEW = 2_000  # strings, for which trying thresholds is sooner than a sample
SPARE = 3.0  # standard errors of an estimate, so that one threshold is nearly always enough
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


def top(
    cache: AutomatonCache,
    count: int,
    prefix: str = "",
    max_length: int | None = None,
    condition: Condition | None = None,
) -> Iterator[TopBatch]:
    """The `count` most probable strings, in batches; fewer where there are no more.

    Probabilities are the model's own, the unknown symbol is in none. Of strings whose
    nats are equal to the last digit the shorter comes first, then the one whose symbols come first
    in the vocabulary.

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
    card.refuse_stream("a list of the most probable ones")
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
        automaton = cache.of_search(sampling, many=count > FEW)
        search = Search(automaton, len(card.vocab.symbols), ids, longest)
        if condition:
            from nplm.runtime.reach import Reach  # as few need it

            search.reach = Reach(cache.pattern(sampling))
            # The share of what is accepted at most is part of each string's nats.
            start -= math.log(automaton.accepted_at_most or 1.0)
        found = search.most_probable(count, start, threshold)
    return _in_order(found, ids, count, card.tokenizer.dtype)


def _threshold(cache: AutomatonCache, sampling: SamplingConfig, count: int) -> float | None:
    """Nats within which there are about so many strings, by the estimate of `rank.Ranker`.

    Of strings drawn given what is asked for, 1 / p is that of their own probability: p times
    the share of all strings that are so.
    """
    stream = StreamConfig(indices=SAMPLE, cut=sampling.condition is None)
    if sampling.condition:
        condition = replace(sampling.condition, attempts=SAMPLE_ATTEMPTS)
        sampling = replace(sampling, condition=condition)
    try:
        parts = list(generate_batches(cache, sampling, stream, nats=True))
    except ConstraintError:  # hardly any attempt gives one: nothing is known beforehand
        return None
    drawn = [part.nats[part.complete] for part in parts if part.nats is not None]
    nats = np.sort(np.concatenate(drawn))
    attempts = sum(part.attempts for part in parts) or SAMPLE
    share = parts[-1].bound * len(nats) / attempts
    with cache.turn:
        automaton = cache.of(logs=True)
        share *= math.exp(-nats_of(automaton, cache.card.encode(sampling.prefix)))
    if not len(nats):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        terms = np.exp(nats) * (share / max(1, len(nats)))
        ranks = np.cumsum(terms) - SPARE * np.sqrt(np.cumsum(terms**2))
    place = int(np.argmax(ranks >= count)) if (ranks >= count).any() else len(nats)
    return float(nats[min(place, len(nats) - 1)])


def nats_of(automaton: Automaton, ids: list[int]) -> float:
    """Of the symbols of a beginning."""
    nats, states = 0.0, automaton.after([])
    for symbol in ids:
        symbols = np.array([symbol])
        nats -= float(automaton.log_probabilities(states, symbols)[0])
        states = automaton.step(states, symbols)
    return nats


def _in_order(
    found: Found, prefix: list[int], count: int, dtype: np.dtype[np.unsignedinteger]
) -> Iterator[TopBatch]:
    order = np.argsort(found.nats, kind="stable")[:count]
    for first in range(0, len(order), BATCH):
        part = order[first : first + BATCH]
        symbols = spell(found, part, prefix, dtype)
        yield TopBatch(symbols, found.nats[part])
