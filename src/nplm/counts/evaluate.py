"""How many nats per symbol a model needs for a data set: exact, over its context table.

Averages are sums over counts. The end symbol of every string is counted, start padding is not.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nplm.counts.contexts import ContextTable
from nplm.counts.sparserows import pairs_of
from nplm.stepmodel import StepModel, iter_logits, log_softmax


@dataclass(frozen=True)
class Nats:
    """A sum of negative log-probabilities over a number of symbols."""

    total: float
    symbols: int

    @property
    def per_symbol(self) -> float:
        return self.total / self.symbols

    @property
    def bits_per_symbol(self) -> float:
        return self.per_symbol / math.log(2)

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.per_symbol, 700.0))


@runtime_checkable
class PairModel(Protocol):
    """A model that need not make whole rows to say what pairs have."""

    def pair_log_probabilities(self, table: ContextTable) -> NDArray[np.float64]:
        """(E,) log p(s|c) of each pair of a table at least as wide as the model."""
        ...


def cross_entropy(table: ContextTable, log_p: NDArray[np.float64]) -> Nats:
    """What the log-probabilities (E,) that a model gives the pairs of `table` come to."""
    # Not as a product: its threads, woken for this little, wait for whatever else runs.
    return Nats(0.0 - float((table.counts * log_p).sum()), table.symbols)


def evaluate(model: StepModel, table: ContextTable) -> Nats:
    """The cross-entropy of `model` on `table`, accumulated in float64.

    Equation: sum over contexts c and symbols s of N(c, s) * -log softmax(model(c))[s].
    """
    return cross_entropy(table, pair_log_probabilities(model, table))


def pair_log_probabilities(model: StepModel, table: ContextTable) -> NDArray[np.float64]:
    """(E,) log softmax(model(c))[s] of each pair of a table at least as wide as the model."""
    if isinstance(model, PairModel):
        return model.pair_log_probabilities(table)
    log_p = np.empty(len(table.counts))
    contexts = table.contexts[:, table.block_size - model.block_size :]
    for start, logits in iter_logits(model, contexts):
        pairs, rows = pairs_of(table.offsets, np.arange(start, start + len(logits)))
        log_p[pairs] = log_softmax(logits)[rows, table.targets[pairs]]
    return log_p
