"""What may follow a prefix: the next symbols, and the most probable whole strings, exactly."""

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.checks import MAX_EXPANSIONS, MAX_SUGGESTIONS, QUEUE_SYMBOLS, check_integer, check_text
from nplm.errors import ConstraintError
from nplm.generation import SamplingConfig
from nplm.runtime.automaton import Automaton
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import check_lengths, default_max_length
from nplm.runtime.modelcard import ModelCard
from nplm.text.vocab import BOUNDARY, Vocab

FIRST_CHILDREN = 8


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
    """The `count` most probable next symbols and completions of a prefix.

    Completions are found by best-first search: a string's probability only falls as it grows, so
    the first ends to leave the queue are the most probable ones.

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
        rows = _Rows(cache.of(logs=True), card.vocab)
        row = rows.after(tuple(ids))
        symbols = [
            NextSymbol(None if k == BOUNDARY else card.vocab.symbols[k - 1], math.exp(row[k]))
            for k in _highest(row, count).tolist()
        ]
        return Suggestions(symbols, _completions(rows, card, tuple(ids), count, longest))


class _Rows:
    """What may follow a prefix: the boundary and all symbols but the unknown one.

    Attributes:
        width: how many these are; their ids are 0 to width - 1.
    """

    def __init__(self, automaton: Automaton, vocab: Vocab) -> None:
        self._automaton, self.width = automaton, 1 + len(vocab.symbols)

    def after(self, ids: tuple[int, ...]) -> NDArray[np.float64]:
        """(width,) log-probabilities of what follows."""
        return np.asarray(self._automaton.log_rows(self._automaton.after(ids))[0, : self.width])


def _highest(row: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """(count,) ids of the highest entries of a row, highest first; ties go to the lower id."""
    if not 0 < count < len(row):
        return np.argsort(-row, kind="stable")[:count]
    bound = np.partition(row, len(row) - count)[len(row) - count]
    among = np.flatnonzero(row >= bound)
    return among[np.argsort(-row[among], kind="stable")][:count]


class _Children:
    """What may follow a prefix, most probable first; few are kept until more are asked for."""

    def __init__(self, rows: _Rows, ids: tuple[int, ...], nats: float) -> None:
        self._rows, self._ids, self._nats = rows, ids, nats
        self._given = 0
        self._read(FIRST_CHILDREN)

    def _read(self, count: int) -> None:
        row = self._rows.after(self._ids)
        symbols = _highest(row, count)
        self._symbols, self._costs = symbols.tolist(), (-row[symbols]).tolist()

    def next(self) -> "_Entry | None":
        """The next child as an entry of the queue; None when there are no more."""
        if self._given == self._rows.width:
            return None
        if self._given == len(self._symbols):
            self._read(4 * self._given)
        symbol, nats = self._symbols[self._given], self._nats + self._costs[self._given]
        self._given += 1
        ended = symbol == BOUNDARY
        return (nats, self._ids if ended else (*self._ids, symbol), ended, self)


_Entry = tuple[float, tuple[int, ...], bool, _Children | None]


def _completions(
    rows: _Rows, card: ModelCard, prefix: tuple[int, ...], count: int, longest: int
) -> list[Completion]:
    """Best-first over (nats so far, symbols so far, whether ended).

    An entry comes with the children that it is one of, so that the next of them can follow it into
    the queue: a queue of all V children of every prefix would not fit.
    """
    queue: list[_Entry] = [(0.0, prefix, False, None)]
    completions: list[Completion] = []
    expanded = symbols = 0
    while expanded < MAX_EXPANSIONS and symbols < QUEUE_SYMBOLS:
        if not queue or len(completions) == count:
            return completions
        nats, ids, ended, siblings = heapq.heappop(queue)
        expanded, symbols = expanded + 1, symbols + len(ids)
        entries = [siblings.next() if siblings else None]
        if ended:
            completions.append(Completion(card.vocab.decode(ids), math.exp(-nats)))
        elif len(ids) < longest:
            entries.append(_Children(rows, ids, nats).next())
        else:  # nothing but the end may follow
            entries.append((nats - rows.after(ids)[BOUNDARY], ids, True, None))
        for entry in entries:
            if entry is not None:
                heapq.heappush(queue, entry)
    raise ConstraintError(
        f"after {expanded:,} strings of {symbols:,} symbols, as far as a search goes, only "
        f"{len(completions)} of {count} completions are certain",
        "give a smaller `count` or `max_length`, or a longer `prefix`",
    )
