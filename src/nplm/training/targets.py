"""What a network learns of each context, (1 - a) p(.|c) + a p_ngram(.|c), and how far it is off.

Dense, as one table of all contexts and symbols, or sparse, as the pairs that the counts hold: then
the gradient is the only other array as large as the logits.

Letters: R rows of a batch, V vocabulary size, C distinct contexts, P pairs.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nplm.counts.contexts import ContextTable
from nplm.counts.ngram import CHUNK, NGram
from nplm.counts.sparserows import pairs_of

MAX_DENSE = 1 << 26  # entries of a dense (C, V) table, 256 MB in float32
FEW_SYMBOLS = 512  # up to which rows of that table are quicker than pairs (docs/log.md)


def is_dense(contexts: int, vocab_size: int) -> bool:
    """Whether a whole table of distributions is small enough to be kept."""
    return contexts * vocab_size <= MAX_DENSE


@dataclass(frozen=True)
class Smoothing:
    """The share a of an n-gram in the targets, above 0."""

    share: float
    ngram: NGram


@dataclass(frozen=True)
class PairTargets:
    """Distributions (R, V) as pairs, which add up, and shares of one row common to all.

    Attributes:
        rows: (P,) int64, the row of each pair.
        places: (P,) int64, where it stands in the flattened (R * V,).
        values: (P,) float64, what it adds there.
        shares: (R,) float64, how much of `common` each row has.
        common: (V,) float64.
    """

    rows: Tensor
    places: Tensor
    values: Tensor
    shares: Tensor
    common: Tensor

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """Logits (R, V) -> (R,) nats, in the type of the logits."""
        values, shares, common = (
            x.to(logits.dtype) for x in (self.values, self.shares, self.common)
        )
        p = PairTargets(self.rows, self.places, values, shares, common)
        nats: Tensor = _PairCrossEntropy.apply(logits, p)  # type: ignore[no-untyped-call]
        return nats


class _PairCrossEntropy(torch.autograd.Function):
    """log sum_s exp z(s) - sum_s p(s) z(s) of logits z, as p adds up to 1.

    Its gradient, softmax z - p, is made in one array; torch's own would be the sum of three.
    """

    @staticmethod
    def forward(context: Any, logits: Tensor, p: PairTargets) -> Tensor:
        total = logits.logsumexp(1)  # (R,)
        picked = logits.flatten().index_select(0, p.places) * p.values  # (P,)
        expected = (p.shares * (logits @ p.common)).index_add_(0, p.rows, picked)  # (R,)
        context.save_for_backward(logits, total)
        context.p = p
        return total - expected

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (logits, total), p = context.saved_tensors, context.p
        of_logits = (logits - total[:, None]).exp_().mul_(gradient[:, None])  # (R, V)
        of_logits.addr_(gradient * p.shares, p.common, alpha=-1)
        shares = p.values * gradient.index_select(0, p.rows)  # (P,)
        of_logits.view(-1).index_add_(0, p.places, shares, alpha=-1)
        return of_logits, None


class Targets(Protocol):
    def of(self, rows: NDArray[np.int64]) -> Tensor | PairTargets:
        """(R,) contexts -> their distributions, (R, V) float32 or as pairs."""
        ...


class DenseTargets:
    """A whole table of distributions.

    Attributes:
        table: (C, V) float32.
    """

    def __init__(self, counts: ContextTable, smoothing: Smoothing | None) -> None:
        p = np.zeros((len(counts), counts.vocab_size), np.float32)
        rows = counts.pair_rows
        p[rows, counts.targets] = counts.counts / counts.totals[rows]
        if smoothing:
            size = max(1, CHUNK // counts.vocab_size)  # the n-gram's rows are float64
            for start in range(0, len(p), size):
                part = slice(start, start + size)
                smooth = smoothing.ngram.probabilities(counts.contexts[part])
                p[part] = (1 - smoothing.share) * p[part] + smoothing.share * smooth
        self.table = torch.from_numpy(p)

    def of(self, rows: NDArray[np.int64]) -> Tensor:
        return self.table.index_select(0, torch.from_numpy(rows))


class SparseTargets:
    """Pairs, made for the rows that are asked for."""

    def __init__(self, counts: ContextTable, smoothing: Smoothing | None) -> None:
        self._counts, self._smoothing = counts, smoothing

    def of(self, rows: NDArray[np.int64]) -> PairTargets:
        counts, smoothing = self._counts, self._smoothing
        pairs, row = pairs_of(counts.offsets, rows)
        symbols = counts.targets[pairs].astype(np.int64)
        values = counts.counts[pairs] / counts.totals[rows][row]
        shares, common = np.zeros(len(rows)), np.zeros(counts.vocab_size)
        if smoothing:
            smooth = smoothing.ngram.sparse_probabilities(counts.contexts[rows])
            row = np.concatenate([row, smooth.rows])
            symbols = np.concatenate([symbols, smooth.symbols])
            a = smoothing.share
            values = np.concatenate([(1 - a) * values, a * smooth.values])
            shares, common = a * smooth.shares, smooth.common
        places = row * counts.vocab_size + symbols
        return PairTargets(*map(torch.from_numpy, (row, places, values, shares, common)))


def make_targets(counts: ContextTable, smoothing: Smoothing | None) -> Targets:
    """Targets for steps on the CPU: dense where that is quicker."""
    if counts.vocab_size <= FEW_SYMBOLS and is_dense(len(counts), counts.vocab_size):
        return DenseTargets(counts, smoothing)
    return SparseTargets(counts, smoothing)
