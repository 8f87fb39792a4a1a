"""The n-gram as a suffix trie of dense rows, made to be traced by export: for small vocabularies.

Letters: B rows, T block size, V vocabulary size, S states.
"""

import numpy as np
import torch
from torch import Tensor, nn

from nplm.counts.ngram import NGram

DEAD, ROOT = 0, 1  # states: nothing more to find, and the empty context


class DenseNGram(nn.Module):
    """contexts (B, T) int64 -> log p(.|c) (B, V) float32 of the longest seen ending of c.

    A suffix trie as constant tables: from the root, T look-ups go from the most recent symbol to
    the oldest; the last state that was seen has the row of the answer. States are numbered so that
    longer contexts have larger numbers, so the last one seen is the largest. Rows of 0.1.0 are in
    half precision; all are normalised after the look-up.
    """

    transitions: Tensor  # (inner S * V,) int32: state times V plus symbol -> state, or DEAD
    rows: Tensor  # (S, V) float32 or float16: log p

    def __init__(self, order: int, transitions: Tensor, rows: Tensor) -> None:
        super().__init__()
        self.block_size = order - 1
        self.vocab_size = int(rows.shape[1])
        # The tables follow from the data: they have a file of their own, not in every checkpoint.
        self.register_buffer("transitions", transitions, persistent=False)
        self.register_buffer("rows", rows, persistent=False)

    @classmethod
    def of(cls, ngram: NGram) -> "DenseNGram":
        """The tables of a fitted n-gram."""
        vocab_size = ngram.vocab_size
        sizes = [len(level.keys) for level in ngram.levels]
        first = np.cumsum([ROOT, *sizes])  # the first state of each length
        transitions = np.full(first[-2] * vocab_size, DEAD, np.int32)
        for length, level in enumerate(ngram.levels[1:], start=1):
            states = np.arange(first[length], first[length + 1])
            transitions[first[length - 1] * vocab_size + level.keys] = states
        rows = np.zeros((first[-1], vocab_size), np.float32)
        filled = ROOT
        for block in ngram.rows():
            rows[filled : filled + len(block)] = np.log(block)
            filled += len(block)
        return cls(ngram.order, torch.from_numpy(transitions), torch.from_numpy(rows))

    @property
    def contexts(self) -> int:
        """Of all lengths."""
        return len(self.rows) - 1

    @property
    def tables(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return {"transitions": self.transitions, "rows": self.rows}

    def forward(self, contexts: Tensor) -> Tensor:
        state = torch.full_like(contexts[:, 0], ROOT)  # (B,)
        longest = state
        for back in range(1, self.block_size + 1):
            place = state * self.vocab_size + contexts[:, contexts.shape[1] - back]
            state = self.transitions.index_select(0, place).to(torch.int64)
            longest = torch.maximum(longest, state)
        return self.rows.index_select(0, longest).float().log_softmax(1)  # (B, V)


def dense_bytes(ngram: NGram) -> int:
    """What the tables of an n-gram take."""
    inner = len(ngram) - len(ngram.levels[-1].keys)
    return 4 * (len(ngram) + inner) * ngram.vocab_size
