"""All automata of one model: what was walked stays known to every later call, in bounded memory.

Calls take turns. Nobody holds an automaton while control is with the caller: a walk takes its turn
and ends it, so generators of one model may be interleaved and shared by threads.

    with cache.turn:
        automaton = cache.of(sampling)
"""

from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from nplm.checks import check_number
from nplm.generation import DEFAULT_CACHE_MB, Condition, SamplingConfig
from nplm.runtime.automaton import Automaton, Passing
from nplm.runtime.constraint import Constraint
from nplm.runtime.lazy import Lazy, make_automaton
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.rows import Maker, RowMaker
from nplm.stepmodel import StepModel

if TYPE_CHECKING:
    from nplm.runtime.pattern import Pattern
    from nplm.runtime.twist import Product

MAX_CACHE_MB = 1_000_000_000


class AutomatonCache:
    """Automata of a model by the options that their rows depend on.

    Args:
        card: what the model says about itself.
        cache_mb: megabytes of rows and states that are kept, of all automata together. Before an
            automaton is walked, others are dropped until they hold at most half of that, the one
            used longest ago first. It may fill what they leave; then it forgets its states.

    Attributes:
        model, card: as they were given.
        turn: the lock to hold for one walk; not to be nested, nor held across a yield. It is taken
            by the caller's own `with`: a context manager written in Python may be struck by Ctrl-C
            on its way out and then hold the lock for as long as the traceback lives.

    Raises:
        UsageError: `cache_mb` is not a number from 0 up.
    """

    def __init__(
        self, model: StepModel, card: ModelCard, cache_mb: float = DEFAULT_CACHE_MB
    ) -> None:
        check_number("cache_mb", cache_mb, 0.0, MAX_CACHE_MB)
        self.model, self.card = model, card
        self._bytes = cache_mb * 1e6
        self.turn = Lock()
        self._pattern: tuple[tuple[Condition, int | None], Pattern] | None = None
        self._by_options: dict[tuple[SamplingConfig | None, bool], Lazy] = {}

    def of(self, sampling: SamplingConfig | None = None, *, logs: bool = False) -> Automaton:
        """An automaton to walk, until the turn ends.

        Args:
            sampling: options of what is drawn; None where nothing is.
            logs: whether log-probabilities are needed as well.
        """
        key = (_row_options(sampling), logs)
        lazy = self._by_options.pop(key, None)
        automaton = make_automaton(self._maker(*key), self._bytes) if lazy is None else lazy
        if isinstance(automaton, Passing):
            return automaton
        automaton.capacity = int((self._bytes - self._make_room()) / automaton.state_bytes)
        if len(automaton) > automaton.capacity:
            automaton = Lazy(automaton.maker, automaton.capacity)
        self._by_options[key] = automaton  # the last one is the one used last
        return automaton

    def of_search(self, sampling: SamplingConfig, *, many: bool) -> Automaton:
        """An automaton to search by the model's own logarithms; under a condition, twisted.

        Args:
            many: so many contexts will be seen, most of them once, that making rows again costs
                less than keeping them, unless all there are take little room.
        """
        if sampling.condition:
            # Rows with the unknown symbol, whose probability is no other's: the pattern refuses it.
            maker = RowMaker(self.model, self._constraint(None), sampling, logs=True)
            return make_automaton(self._product(maker, sampling, twisted_logs=True), self._bytes)
        automaton = self.of(logs=True)
        if many and isinstance(automaton, Lazy):
            contexts = self.model.vocab_size**self.model.block_size
            if contexts > automaton.capacity / 8:
                return Passing(automaton.maker)
        return automaton

    def _maker(self, sampling: SamplingConfig | None, logs: bool) -> Maker:
        maker = RowMaker(self.model, self._constraint(sampling), sampling, logs)
        if sampling is None or sampling.condition is None:
            return maker
        product = self._product(maker, sampling, twisted_logs=False)
        return maker if product.bound.is_loose else product

    def _product(
        self, maker: RowMaker, sampling: SamplingConfig, *, twisted_logs: bool
    ) -> "Product":
        """Rows under the condition that options have, its bound solved."""
        from nplm.runtime.twist import Product  # as few need it

        condition = sampling.condition or Condition()
        product = Product(maker, self.pattern(sampling), self._bytes, twisted_logs=twisted_logs)
        product.solve(self.card.encode(sampling.prefix), condition.budget, condition.tolerance)
        return product

    def pattern(self, sampling: SamplingConfig) -> "Pattern":
        """The automaton of the condition that options have; the last one is kept."""
        from nplm.runtime.condition import pattern_of  # as few need it

        key = sampling.condition or Condition(), self._constraint(sampling).unknown
        if self._pattern is None or self._pattern[0] != key:
            self._pattern = key, pattern_of(key[0], self.card, key[1])
        return self._pattern[1]

    def _constraint(self, sampling: SamplingConfig | None) -> Constraint:
        if sampling is None:  # nothing is drawn
            return Constraint(self.model.vocab_size)
        unknown = None if sampling.allow_unknown else self.card.vocab.unknown_id
        return Constraint(self.model.vocab_size, sampling.min_length, unknown)

    def _make_room(self) -> float:
        """Drop automata until those that are left hold at most half of the memory; their bytes."""
        total = sum(automaton.nbytes for automaton in self._by_options.values())
        while total > self._bytes / 2:
            oldest = next(iter(self._by_options))
            total -= self._by_options.pop(oldest).nbytes
        return total


@lru_cache(maxsize=64)  # of whole options, so that none can be forgotten here
def _row_options(sampling: SamplingConfig | None) -> SamplingConfig | None:
    """What rows depend on: not where a walk is cut, nor, without a condition, where it begins."""
    if sampling is None:
        return None
    prefix = sampling.prefix if sampling.condition else ""
    return replace(sampling, prefix=prefix, max_length=SamplingConfig.max_length)
