"""What a string's score means beside those of strings that the model itself makes.

Of a seeded sample of the model's own strings only nats and lengths are kept. It is drawn from what
`score` scores: the empty string and the unknown symbol are part of it, no option is. A string that
goes on past the greatest length drawn counts as less probable than any other.

Two strings are equally probable where their nats differ by less than a billionth: the same symbols
may be added up in another order.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nplm.checks import MAX_SEED, MAX_SIZE, check_integer
from nplm.errors import ConstraintError, UsageError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import default_max_length, generate_batches
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.score import ScoredBatch, Scorer

SAMPLE, MAX_SAMPLE = 100_000, 10_000_000  # strings
ENOUGH = 1_000  # strings of a length for a p-value
DRAWN_LENGTH = 256  # symbols that a string of the sample may have, at least
# Of a rare length: attempts in all, at one string, and states worked out before. These find strings
# up to SHORT at once; of longer ones even many say nothing, and the share of the sample says how
# many attempts there will be.
ATTEMPTS, AT_ONE, BUDGET, SHORT = 300_000, 20_000, 1 << 10, 3
TIE = 1e-9

Values = NDArray[np.float64]
DrawOfLength = Callable[[int, int, float], Values | None]
"""A length, a count and the share of strings that have it -> (count,) nats of strings drawn from
the model given that length, or None where that would take too long."""


@dataclass(frozen=True, eq=False)
class RankedBatch:
    """n strings, each beside a sample of the model's own strings.

    Attributes:
        scored: their scores.
        rank: (n,) an estimate of how many strings are more probable; infinite where that is no
            number: the string has an unseen symbol. Past the least probable string of the sample
            it is too low.
        rank_error: (n,) its standard error.
        typicality: (n,) the share of the model's own strings that are less probable.
        p_value: (n,) the share of the model's own strings of its length that are as surprising or
            more, itself counted: (k + 1) / (sampled + 1); not a number where the model's own
            strings hardly ever have its length.
    """

    scored: ScoredBatch
    rank: Values
    rank_error: Values
    typicality: Values
    p_value: Values


class Ranker:
    """Ranks strings against a sample of the model's own.

    Args:
        nats: (n,) of the sample, at least one; infinite where a string did not end.
        lengths: (n,) symbols of each, the end among them.
        draw_of_length: draws strings of a length that too few of the sample have; None: nothing
            is known of such lengths.
    """

    def __init__(
        self,
        nats: Values,
        lengths: NDArray[np.int64],
        draw_of_length: DrawOfLength | None = None,
    ) -> None:
        self._nats = np.sort(nats)
        with np.errstate(over="ignore"):
            terms = np.exp(self._nats)
            self._sums = np.concatenate([[0.0], np.cumsum(terms)])
            self._squares = np.concatenate([[0.0], np.cumsum(terms**2)])
        self._of_length = dict(_by_length(nats, lengths))
        self._draw_of_length = draw_of_length
        self._drawn: set[int] = set()  # lengths of which more were asked for

    @classmethod
    def of(
        cls,
        cache: AutomatonCache,
        size: int = SAMPLE,
        seed: int = 0,
    ) -> "Ranker":
        """With a sample of so many strings, and more of the lengths that few of them have.

        Raises:
            UsageError: a number is out of bounds.
        """
        cache.card.refuse_stream("a rank")
        check_integer("sample", size, ENOUGH, MAX_SAMPLE)
        check_integer("seed", seed, 0, MAX_SEED)
        stream = StreamConfig(seed=seed, indices=size, cut=True)
        batches = generate_batches(cache, own_sampling(cache.card), stream, nats=True)
        nats, lengths = [], []
        for batch in batches:
            assert batch.nats is not None
            nats.append(np.where(batch.complete, batch.nats, np.inf))
            lengths.append(batch.symbols.lengths + 1)
        of_length = partial(draw_of_length, cache, seed)
        return cls(np.concatenate(nats), np.concatenate(lengths), of_length)

    def __len__(self) -> int:
        """Strings of the sample."""
        return len(self._nats)

    def rank(self, scored: ScoredBatch) -> RankedBatch:
        """Rank strings that the same model has scored."""
        nats = scored.nats
        rank, error = self._ranks(nats)
        less = len(self) - np.searchsorted(self._nats, _after_ties(nats), side="right")
        p_value = self._p_values(nats, scored.symbols)
        return RankedBatch(scored, rank, error, less / len(self), p_value)

    def _ranks(self, nats: Values) -> tuple[Values, Values]:
        """(n,) ranks and standard errors: Dell'Amico and Filippone, CCS 2015, section 3.

        A sampled string of probability p stands for 1 / p strings: the mean over the sample of
        1 / p, of what is more probable, is their number.
        """
        size = len(self)
        more = np.searchsorted(self._nats, _before_ties(nats), side="left")
        with np.errstate(over="ignore", invalid="ignore"):
            rank = self._sums[more] / size
            variance = np.maximum(self._squares[more] / size - rank**2, 0.0)
            error = np.sqrt(variance / max(1, size - 1))
        rank[~np.isfinite(nats)] = np.inf
        error[~(np.isfinite(rank) & np.isfinite(error))] = np.inf
        return rank, error

    def _p_values(self, nats: Values, lengths: NDArray[np.int64]) -> Values:
        p_values = np.full(len(nats), np.nan)
        for length, places in _places_by(lengths):
            own = self._own_of_length(length)
            if own is not None:
                as_surprising = len(own) - np.searchsorted(
                    own, _before_ties(nats[places]), side="left"
                )
                p_values[places] = (as_surprising + 1) / (len(own) + 1)
        p_values[np.isnan(p_values) & np.isinf(nats)] = 1 / (len(self) + 1)
        return p_values

    def _own_of_length(self, length: int) -> Values | None:
        """(m,) ascending nats of the model's own strings of a length; None where they are few."""
        own = self._of_length.get(length, np.empty(0))
        if len(own) < ENOUGH and self._draw_of_length and length not in self._drawn:
            drawn = self._draw_of_length(length, ENOUGH, len(own) / len(self))
            if drawn is not None:
                self._of_length[length] = own = np.sort(drawn)
            self._drawn.add(length)  # last: two threads may both draw, and get the same
        return own if len(own) >= ENOUGH else None


class RankScorer:
    """Scores strings and ranks them; what was walked to draw the sample is known to the scorer.

    Attributes:
        ranker: has the sample.
    """

    def __init__(self, cache: AutomatonCache, size: int = SAMPLE, seed: int = 0) -> None:
        self.ranker = Ranker.of(cache, size, seed)
        self._scorer = Scorer(cache, own_sampling(cache.card))

    def strings(self, strings: Iterable[str]) -> RankedBatch:
        """Score and rank strings, as `Scorer.strings` and `Ranker.rank`."""
        return self.ranker.rank(self._scorer.strings(strings))


def draw_of_length(
    cache: AutomatonCache, seed: int, length: int, count: int, share: float
) -> Values | None:
    """(count,) nats of the model's own strings of a length, its end counted.

    None where, by the share of strings that have it, that would take too many attempts.
    """
    symbols = length - 1
    if symbols > SHORT and share * ATTEMPTS < count:
        return None
    condition = Condition(length=(symbols, symbols), budget=BUDGET, attempts=AT_ONE)
    sampling = replace(own_sampling(cache.card), max_length=max(1, symbols), condition=condition)
    try:
        batches = generate_batches(cache, sampling, StreamConfig(count, seed), nats=True)
        nats = [batch.nats for batch in batches if batch.nats is not None]
    except (ConstraintError, UsageError):  # hardly any, or longer than a pattern may be
        return None
    return np.concatenate(nats)


def own_sampling(card: ModelCard) -> SamplingConfig:
    """The options that leave a model's distribution as it is."""
    longest = min(MAX_SIZE, max(DRAWN_LENGTH, 2 * default_max_length(card)))
    return SamplingConfig(min_length=0, max_length=longest, allow_unknown=True)


def _before_ties(nats: Values) -> Values:
    return nats * (1 - TIE) - TIE


def _after_ties(nats: Values) -> Values:
    return nats * (1 + TIE) + TIE


def _by_length(nats: Values, lengths: NDArray[np.int64]) -> Iterator[tuple[int, Values]]:
    """Each length with the (m,) ascending nats of the strings of it that ended."""
    for length, places in _places_by(lengths):
        yield length, np.sort(nats[places][np.isfinite(nats[places])])


def _places_by(lengths: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each length with where it stands."""
    order = np.argsort(lengths, kind="stable")
    ordered = lengths[order]
    edges = [0, *(np.flatnonzero(np.diff(ordered)) + 1).tolist(), len(order)]
    for first, last in pairwise(edges):
        if last > first:
            yield int(ordered[first]), order[first:last]
