"""How probable strings are under a model: walks over its automaton, symbol by symbol.

Every string gets one score, in order; the empty string too. A string's nats are the negative
log-probability of its symbols and its end; under a model of a stream a string is a passage, which
has no end. A symbol that the model does not know has probability
0, so a string with one has infinite nats; or, where the model has an unknown symbol, the
probability that it gives to any such symbol. How many a string has is reported beside.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nplm.generation import DEFAULT_CACHE_MB, SamplingConfig
from nplm.runtime.alone import score_few
from nplm.runtime.automaton import Automaton
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel


@dataclass(frozen=True)
class Scored:
    """One string's score.

    Attributes:
        nats: total, infinite where a symbol is impossible.
        symbols: symbols counted, the end among them where there is one.
        unknown: symbols the model does not know.
        per_symbol: nats of each symbol counted, in order.
    """

    text: str
    nats: float
    symbols: int
    unknown: int
    per_symbol: tuple[float, ...]

    @property
    def nats_per_symbol(self) -> float:
        return self.nats / self.symbols if self.symbols else math.nan

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
        per_symbol: (N,) nats of every symbol and end, one string after the other; 0 where ends do
            not count.
        offsets: (n + 1,) those of string i are offsets[i] to offsets[i + 1].
        unknown: (n,) symbols the model does not know.
        counts_ends: whether an end is a symbol that the model gives.
    """

    texts: Sequence[str]
    per_symbol: NDArray[np.float64]
    offsets: NDArray[np.int64]
    unknown: NDArray[np.int64]
    counts_ends: bool = True

    @property
    def ends(self) -> NDArray[np.int64]:
        """(n,) where each string's end stands in `per_symbol`."""
        return self.offsets[1:] - 1

    @property
    def symbols(self) -> NDArray[np.int64]:
        """(n,) symbols counted, the end among them where there is one."""
        return np.diff(self.offsets) - (not self.counts_ends)

    @property
    def nats(self) -> NDArray[np.float64]:
        """(n,) total nats."""
        starts = self.offsets[:-1]
        return np.add.reduceat(self.per_symbol, starts) if len(starts) else np.zeros(0)

    def strings(self) -> Iterator[Scored]:
        """The strings one by one."""
        start = 0
        each = (self.nats.tolist(), self.offsets[1:].tolist(), self.unknown.tolist())
        for text, nats, stop, unknown in zip(self.texts, *each, strict=True):
            counted = stop - start - (not self.counts_ends)
            values = tuple(self.per_symbol[start : start + counted].tolist())
            yield Scored(text, nats, counted, unknown, values)
            start = stop


class Scorer:
    """Scores strings with one model; what it has walked stays known between calls.

    Args:
        sampling: of strings that are drawn by turns: what is walked for them is known to it too.
            No score depends on it.
    """

    def __init__(self, cache: AutomatonCache, sampling: SamplingConfig | None = None) -> None:
        self._cache, self._sampling = cache, sampling

    @classmethod
    def of(cls, model: StepModel, card: ModelCard, cache_mb: float = DEFAULT_CACHE_MB) -> "Scorer":
        """A scorer with automata of its own."""
        return cls(AutomatonCache(model, card, cache_mb))

    def strings(self, strings: Iterable[str]) -> ScoredBatch:
        """Score strings, each normalised as the training text was.

        Raises:
            TypeError: `strings` is one string, or holds something else than strings.
        """
        texts = _checked(strings)
        # Nothing is done outside the turn: threads that prepare while one walks take the
        # interpreter from it at every array operation, a fifth of the speed of eight threads.
        with self._cache.turn:
            scored = self._score(self._cache.of(self._sampling, logs=True), texts)
        if self._cache.card.document == "line":
            return scored
        scored.per_symbol[scored.ends] = 0.0
        return replace(scored, counts_ends=False)

    def _score(self, automaton: Automaton, texts: list[str]) -> ScoredBatch:
        tokenizer = self._cache.card.tokenizer
        strings = tokenizer.encode(texts)
        unseen = strings.ids == tokenizer.unseen
        few = None if unseen.any() else score_few(automaton, strings)
        if few is not None:
            return ScoredBatch(texts, few, strings.offsets, np.zeros(len(texts), np.int64))
        ids, starts, lengths = strings.ids.astype(np.int64), strings.offsets[:-1], strings.lengths
        nats = np.zeros(len(ids))
        if tokenizer.unseen == automaton.vocab_size:  # impossible
            nats[unseen] = np.inf
            ids[unseen] = min(1, automaton.vocab_size - 1)  # walks on somewhere
        # Walked with the longest first, the strings still going at any place are a prefix.
        order = np.argsort(-lengths, kind="stable")
        for first in range(0, len(order), automaton.most):
            part = order[first : first + automaton.most]
            _subtract(automaton, nats, ids, starts[part], lengths[part])
        unknown = np.zeros(len(texts), np.int64)
        if unseen.any():
            counts = np.concatenate([[0], np.cumsum(unseen)])
            unknown = np.diff(counts[strings.offsets])
        return ScoredBatch(texts, nats, strings.offsets, unknown)


def _subtract(
    automaton: Automaton,
    nats: NDArray[np.float64],
    ids: NDArray[np.int64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
) -> None:
    """Subtract from `nats` (N,) the log-probabilities of the symbols of n strings and their ends.

    Args:
        ids: (N,) of the vocabulary.
        starts: (n,) where strings begin, the longest first.
        lengths: (n,) their symbols, without the end.
    """
    states = automaton.after([], len(starts))
    t = 0
    while True:
        symbols = ids[starts + t]
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
