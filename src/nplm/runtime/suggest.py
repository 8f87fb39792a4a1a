"""What may follow a prefix: the next symbols, and the most probable whole strings, exactly."""

import heapq
import math
from dataclasses import dataclass

import numpy as np

from nplm.config import SamplingConfig
from nplm.errors import ConstraintError
from nplm.runtime.automaton import DEFAULT_CACHE_MB, Automaton
from nplm.runtime.generate import check_lengths, default_max_length
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel
from nplm.vocab import BOUNDARY

MAX_EXPANSIONS = 200_000


@dataclass(frozen=True)
class NextSymbol:
    """A symbol that may follow; `symbol` is None for the end of the string."""

    symbol: str | None
    probability: float


@dataclass(frozen=True)
class Completion:
    """A whole string that starts with the prefix; `probability` is given the prefix."""

    text: str
    probability: float


@dataclass(frozen=True)
class Suggestions:
    """Both lists, most probable first."""

    next_symbols: list[NextSymbol]
    completions: list[Completion]


def suggest(
    model: StepModel,
    card: ModelCard,
    prefix: str,
    count: int = 10,
    max_length: int | None = None,
    cache_mb: float = DEFAULT_CACHE_MB,
) -> Suggestions:
    """The `count` most probable next symbols and completions of a prefix.

    Completions are found by best-first search: a string's probability only falls as it grows, so
    the first ends to leave the queue are the most probable ones.

    Raises:
        DataError: the prefix has a symbol the model does not know.
        ConstraintError: the prefix is longer than `max_length`, or the search would not end soon.
    """
    longest = default_max_length(card) if max_length is None else max_length
    ids = card.encode(prefix)
    sampling = SamplingConfig(min_length=0, max_length=longest)
    check_lengths(sampling, len(ids))
    automaton = Automaton(model, sampling, log_probabilities=True, cache_mb=cache_mb)
    row = automaton.log_rows(automaton.state_after(ids))[0]
    order = np.argsort(-row, kind="stable")[:count]
    symbols = [
        NextSymbol(None if k == BOUNDARY else card.vocab.symbols[k - 1], math.exp(row[k]))
        for k in order.tolist()
    ]
    return Suggestions(symbols, _completions(automaton, card, ids, count, longest))


def _completions(
    automaton: Automaton, card: ModelCard, prefix: list[int], count: int, longest: int
) -> list[Completion]:
    """Best-first over (nats so far, symbols so far, whether ended).

    A queue entry holds its symbols rather than a state, since the automaton may forget states.
    """
    queue: list[tuple[float, tuple[int, ...], bool]] = [(0.0, tuple(prefix), False)]
    found: list[Completion] = []
    for _ in range(MAX_EXPANSIONS):
        if not queue or len(found) == count:
            return found
        nats, ids, ended = heapq.heappop(queue)
        if ended:
            found.append(Completion(card.vocab.decode(ids), math.exp(-nats)))
            continue
        row = automaton.log_rows(automaton.state_after(ids))[0]
        heapq.heappush(queue, (nats - row[BOUNDARY], ids, True))
        if len(ids) < longest:
            for symbol in range(1, automaton.vocab_size):
                heapq.heappush(queue, (nats - row[symbol], (*ids, symbol), False))
    raise ConstraintError(
        f"after {MAX_EXPANSIONS:,} strings only {len(found)} of {count} completions are certain",
        "ask for fewer with -n, or give a longer prefix",
    )
