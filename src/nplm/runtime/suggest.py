"""What may follow a prefix: the next symbols, and the most probable whole strings, exactly."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.checks import MAX_SUGGESTIONS, check_integer, check_text
from nplm.generation import SamplingConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import check_lengths, default_max_length
from nplm.runtime.top import nats_of, top
from nplm.text.vocab import BOUNDARY


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
    cache: AutomatonCache,
    prefix: str,
    count: int = 10,
    max_length: int | None = None,
) -> Suggestions:
    """The `count` most probable next symbols and completions of a prefix; see `top`.

    A stream has no completions.

    Raises:
        DataError: the prefix has a symbol the model does not know.
        ConstraintError: the prefix is longer than `max_length`, or the search would not end soon.
        UsageError: `count` is not a whole number from 0 to 1,000.
    """
    check_integer("count", count, 0, MAX_SUGGESTIONS)
    check_text("prefix", prefix)
    card = cache.card
    longest = default_max_length(card) if max_length is None else max_length
    ids = card.encode(prefix)
    check_lengths(SamplingConfig(min_length=0, max_length=longest), len(ids))
    with cache.turn:
        automaton = cache.of(logs=True)
        row = automaton.log_rows(automaton.after(ids))[0, : 1 + len(card.vocab.symbols)]
        given = nats_of(automaton, ids)
    symbols = [
        NextSymbol(None if k == BOUNDARY else card.vocab.symbols[k - 1], math.exp(row[k]))
        for k in _highest(row, count).tolist()
    ]
    if card.document == "stream":
        return Suggestions(symbols, [])
    completions = [
        Completion(text, math.exp(given - nats))
        for batch in top(cache, count, prefix, longest)
        for text, nats in zip(
            card.tokenizer.decode(batch.symbols), batch.nats.tolist(), strict=True
        )
    ]
    return Suggestions(symbols, completions)


def _highest(row: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """(count,) ids of the highest entries of a row, highest first; ties go to the lower id."""
    if not 0 < count < len(row):
        return np.argsort(-row, kind="stable")[:count]
    bound = np.partition(row, len(row) - count)[len(row) - count]
    among = np.flatnonzero(row >= bound)
    return among[np.argsort(-row[among], kind="stable")][:count]
