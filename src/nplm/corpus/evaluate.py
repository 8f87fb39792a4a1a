"""How many nats per symbol a model needs for a data set: exact, over its context table.

Averages are sums over counts. The end symbol of every string is counted, start padding is not.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.corpus.contexts import ContextTable
from nplm.stepmodel import StepModel, iter_logits


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
        chosen = logits[rows, table.targets[pairs]].astype(np.float64)
        total += float(table.counts[pairs] @ (log_sum_exp(logits)[rows] - chosen))
    return Nats(total, table.symbols)


def log_sum_exp(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(B, V) logits -> (B,) log of the sum of their exponentials, in float64."""
    wide = logits.astype(np.float64)
    top = wide.max(axis=1)
    return np.asarray(top + np.log(np.exp(wide - top[:, None]).sum(axis=1)))


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
    vocab_size = train.vocab_size
    rows = 1 if train.block_size == 0 else vocab_size
    joint = np.ones((rows, vocab_size))
    joint[_rows_of(train), train.targets] += train.counts
    log_p = np.log(joint) - np.log(joint.sum(axis=1, keepdims=True))
    return float(-(split.counts * log_p[_rows_of(split), split.targets]).sum() / split.symbols)


def _rows_of(table: ContextTable) -> NDArray[np.integer]:
    """(E,) the last symbol of each pair's context, or zeros where there is no context."""
    return table.contexts[table.pair_rows, 0] if table.block_size else 0 * table.pair_rows
