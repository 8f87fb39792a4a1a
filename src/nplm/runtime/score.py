"""How probable strings are under a model: walks over its automaton, symbol by symbol.

Every string gets one score, in order; the empty string too. A string's nats are the negative
log-probability of its symbols and its end. A symbol that was not in the training data has
probability 0, so a string with one has infinite nats; how many it has is reported beside.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.generation import DEFAULT_CACHE_MB
from nplm.runtime.automata import Automata
from nplm.runtime.automaton import Automaton
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel
from nplm.text.textids import BulkCodec
from nplm.text.vocab import BOUNDARY, normalize


@dataclass(frozen=True)
class Scored:
    """One string's score.

    Attributes:
        nats: total, infinite where a symbol is unknown.
        symbols: symbols counted, the end among them.
        unknown: symbols the model never saw.
        per_symbol: nats of each symbol and of the end, in order.
    """

    text: str
    nats: float
    symbols: int
    unknown: int
    per_symbol: tuple[float, ...]

    @property
    def nats_per_symbol(self) -> float:
        return self.nats / self.symbols

    @property
    def bits_per_symbol(self) -> float:
        return self.nats_per_symbol / math.log(2)

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats_per_symbol) if self.nats_per_symbol < 700 else math.inf


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """n strings as arrays.

    Attributes:
        texts: the strings as they were given.
        per_symbol: (N,) nats of every symbol and end, one string after the other.
        ends: (n,) where each string's end stands in `per_symbol`.
        unknown: (n,) symbols the model never saw.
    """

    texts: Sequence[str]
    per_symbol: NDArray[np.float64]
    ends: NDArray[np.int64]
    unknown: NDArray[np.int64]

    @property
    def symbols(self) -> NDArray[np.int64]:
        """(n,) symbols counted, the end among them."""
        return np.diff(self.ends, prepend=-1)

    @property
    def nats(self) -> NDArray[np.float64]:
        """(n,) total nats."""
        starts = self.ends - self.symbols + 1
        return np.add.reduceat(self.per_symbol, starts) if len(starts) else np.zeros(0)

    def strings(self) -> Iterator[Scored]:
        """The strings one by one."""
        start = 0
        each = (self.nats.tolist(), self.ends.tolist(), self.unknown.tolist())
        columns = zip(self.texts, *each, strict=True)
        for text, nats, end, unknown in columns:
            values = tuple(self.per_symbol[start : end + 1].tolist())
            yield Scored(text, nats, end + 1 - start, unknown, values)
            start = end + 1


class Scorer:
    """Scores strings with one model; what it has walked stays known between calls."""

    def __init__(self, automata: Automata, card: ModelCard) -> None:
        self._automata, self._card = automata, card
        self._codec = BulkCodec(card.vocab)

    @classmethod
    def of(cls, model: StepModel, card: ModelCard, cache_mb: float = DEFAULT_CACHE_MB) -> "Scorer":
        """A scorer with automata of its own."""
        return cls(Automata(model, cache_mb), card)

    def strings(self, strings: Iterable[str]) -> ScoredBatch:
        """Score strings, each normalised as the training text was.

        Raises:
            TypeError: `strings` is one string, or holds something else than strings.
        """
        texts = _checked(strings)
        # Nothing is done outside the turn: threads that prepare while one walks take the
        # interpreter from it at every array operation, a fifth of the speed of eight threads.
        with self._automata.turn:
            return self._score(self._automata.of(logs=True), texts)

    def _score(self, automaton: Automaton, texts: list[str]) -> ScoredBatch:
        form = self._card.normalize
        plain = form == "none" or all(map(str.isascii, texts))
        stream = self._codec.encode_strings(
            texts if plain else [normalize(text, form) for text in texts]
        ).astype(np.int64)
        ends = np.flatnonzero(stream == BOUNDARY)
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        known = stream != self._codec.unknown
        nats = np.where(known, 0.0, np.inf)
        stream[~known] = 1 if self._codec.unknown > 1 else BOUNDARY  # walks on somewhere
        # Walked with the longest first, the strings still going at any place are a prefix.
        order = np.argsort(starts - ends, kind="stable")
        for first in range(0, len(order), automaton.most):
            part = order[first : first + automaton.most]
            _subtract(automaton, nats, stream, starts[part], (ends - starts)[part])
        unknown = np.zeros(len(texts), np.int64)
        if not known.all():
            counts = np.concatenate([[0], np.cumsum(~known)])
            unknown = counts[ends] - counts[starts]
        return ScoredBatch(texts, nats, ends, unknown)


def _subtract(
    automaton: Automaton,
    nats: NDArray[np.float64],
    stream: NDArray[np.int64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> None:
    """Subtract from `nats` (N,) the log-probabilities of the symbols of n strings and their ends.

    Args:
        stream: (N,) known ids.
        starts: (n,) where strings begin, the longest first.
        lengths: (n,) their symbols, without the end.
    """
    states = automaton.after([], len(starts))
    t = 0
    while True:
        symbols = stream[starts + t]
        nats[starts + t] -= automaton.log_probabilities(states, symbols)
        going = int(np.searchsorted(-lengths, -t, side="left"))
        if not going:
            return
        starts, states = starts[:going], automaton.step(states[:going], symbols[:going])
        t += 1


def _checked(strings: Iterable[str]) -> list[str]:
    if isinstance(strings, str):
        raise TypeError(f"strings is the str {strings!r}: give a list of strings, as [{strings!r}]")
    texts = list(strings)
    if set(map(type, texts)) - {str}:  # a loop would take a tenth of the time of scoring
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"strings[{place}] is {text!r}, not a str")
    return texts
