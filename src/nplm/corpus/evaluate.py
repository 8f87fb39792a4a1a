"""How many nats per symbol a model needs for a data set: exact, over its context table.

Averages are sums over counts. The end symbol of every string is counted, start padding is not.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.corpus.contexts import ContextTable
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


def evaluate(model: StepModel, table: ContextTable) -> Nats:
    """The cross-entropy of `model` on `table`, accumulated in float64.

    Equation: sum over contexts c and symbols s of N(c, s) * -log softmax(model(c))[s].
    """
    total = 0.0
    for start, logits in iter_logits(model, table.contexts):
        offsets = table.offsets[start : start + len(logits) + 1]
        pairs = slice(offsets[0], offsets[-1])
        rows = np.repeat(np.arange(len(logits)), np.diff(offsets))
        total -= float(table.counts[pairs] @ log_softmax(logits)[rows, table.targets[pairs]])
    return Nats(total, table.symbols)


def baselines(train: ContextTable, split: ContextTable) -> dict[str, float]:
    """Nats per symbol on `split` of models that need no training: what a network has to beat.

    The unigram and bigram are counted on `train` with one added to every count, so that nothing is
    impossible. Both tables need a block size of at least 1.
    """
    return {
        "uniform": math.log(train.vocab_size),
        "unigram": _add_one(train.shorten(0), split.shorten(0)),
        "bigram": _add_one(train.shorten(1), split.shorten(1)),
    }


def _add_one(train: ContextTable, split: ContextTable) -> float:
    """Of a table of one symbol of context or none; only the pairs that occur are looked up."""
    vocab_size = train.vocab_size
    totals = np.bincount(_rows_of(train), train.counts, vocab_size)
    keys = _rows_of(train) * vocab_size + train.targets  # ascending, as the table is
    wanted = _rows_of(split) * vocab_size + split.targets
    places = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    counts = np.where(keys[places] == wanted, train.counts[places], 0)
    log_p = np.log(counts + 1) - np.log(totals[_rows_of(split)] + vocab_size)
    return float(-(split.counts * log_p).sum() / split.symbols)


def _rows_of(table: ContextTable) -> NDArray[np.int64]:
    """(E,) the last symbol of each pair's context, or zeros where there is no context."""
    if not table.block_size:
        return 0 * table.pair_rows
    return np.asarray(table.contexts[table.pair_rows, 0], np.int64)
