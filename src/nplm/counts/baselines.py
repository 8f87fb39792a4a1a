"""Models that need no training, which a network has to beat, and how good they are on a split."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.evaluate import cross_entropy
from nplm.counts.ngram import MAX_ORDER, NGram, best_order, fit
from nplm.counts.tables import table_of, tables_of
from nplm.text.dataset import Dataset


@dataclass(frozen=True)
class Baselines:
    """What is counted once for all splits.

    Attributes:
        ngram: of `best_order`.
        whole_list: nats of the maximum-likelihood bigram of all splits on what it was counted on,
            as the lesson quotes it.
    """

    dataset: Dataset
    ngram: NGram
    whole_list: float

    @classmethod
    def of(cls, dataset: Dataset) -> "Baselines":
        train, val = tables_of(dataset, MAX_ORDER - 1)
        whole = count_contexts(dataset.all_splits(), 1, len(dataset.vocab))
        return cls(dataset, fit(train, best_order(train, val)), whole.floor())

    def on(self, split: str) -> dict[str, float]:
        """Nats per symbol of each on a split.

        The unigram and bigram are counted on train with one added to every count, so that nothing
        is impossible.
        """
        train = table_of(self.dataset, "train", 1)
        wide = table_of(self.dataset, split, self.ngram.order - 1)
        bigrams, unigrams = wide.shorten(1), wide.shorten(0)
        unigram = cross_entropy(unigrams, _add_one(train.shorten(0), unigrams))
        bigram = cross_entropy(bigrams, _add_one(train, bigrams))
        ngram = cross_entropy(wide, self.ngram.log_probabilities(wide))
        return {
            "uniform": math.log(len(self.dataset.vocab)),
            "unigram": unigram.per_symbol,
            "bigram": bigram.per_symbol,
            "bigram_whole_list": self.whole_list,
            "ngram": ngram.per_symbol,
        }


def _add_one(train: ContextTable, split: ContextTable) -> NDArray[np.float64]:
    """(E,) log p of the pairs of `split` from the counts of `train`, each with one added.

    Both tables have one symbol of context or none; only the pairs that occur are looked up.
    """
    vocab_size = train.vocab_size
    totals = np.bincount(_rows_of(train), train.counts, vocab_size)
    keys = _rows_of(train) * vocab_size + train.targets  # ascending, as the table is
    queries = _rows_of(split) * vocab_size + split.targets
    places = np.searchsorted(keys, queries).clip(max=len(keys) - 1)
    counts = np.where(keys[places] == queries, train.counts[places], 0)
    return np.asarray(np.log(counts + 1) - np.log(totals[_rows_of(split)] + vocab_size))


def _rows_of(table: ContextTable) -> NDArray[np.int64]:
    """(E,) the last symbol of each pair's context, or zeros where there is no context."""
    if not table.block_size:
        return 0 * table.pair_rows
    return np.asarray(table.contexts[table.pair_rows, 0], np.int64)
