"""The n-gram as a suffix trie of sparse rows, made to be traced by export.

    p(s|c) = left(c) p(s|c') + gain(c, s)

unrolled over the endings of a context, longest last (`counts.ngram`): what an ending gains for a
symbol counts times what all longer ones leave, and what all of them leave is of the unigram. So
the pairs of all endings of a batch are laid end to end, and added to rows of the unigram at once.
Where each ending stands is found by a binary search among the symbols that may precede the next
shorter one.

Letters: B rows, T block size, V vocabulary size, L lengths of context but 0, S contexts of all
lengths, E (context, symbol) pairs, P pairs of a batch.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nplm.counts.contexts import ContextTable
from nplm.counts.ngram import NGram, find

NAMES = ("longer", "symbols", "offsets", "targets", "gains", "left", "unigram")
ROOT = 0  # the empty context; contexts are numbered by their length, then as their level has them


class SparseNGram(nn.Module):
    """contexts (B, T) int64 -> log p(.|c) (B, V) float32 of a fitted n-gram.

    Attributes:
        longer: int32: contexts one symbol longer than context c are longer[c] to
            longer[c + 1]; the longest contexts have none.
        symbols: (S,) int32: the oldest symbol of each; ascending among the children of one.
        offsets: (S + 1,) int32: the pairs of context c are offsets[c] to offsets[c + 1]; the
            empty one, whose row is the unigram, has none here.
        targets, gains: (E,) int32, float32: symbol and gain of each pair.
        left: (S,) float32: what each context leaves to its ending.
        unigram: (V,) float32.
    """

    longer: Tensor
    symbols: Tensor
    offsets: Tensor
    targets: Tensor
    gains: Tensor
    left: Tensor
    unigram: Tensor

    def __init__(self, order: int, tables: dict[str, Tensor]) -> None:
        super().__init__()
        self.block_size, self.vocab_size = order - 1, len(tables["unigram"])
        for name in NAMES:
            # They follow from the data: they have a file of their own, not in every checkpoint.
            self.register_buffer(name, tables[name], persistent=False)
        self._searches = _search_steps(self.longer.numpy(), self.block_size)

    @classmethod
    def of(cls, ngram: NGram) -> "SparseNGram":
        """The tables of a fitted n-gram."""
        arrays = _arrays(ngram)
        return cls(ngram.order, {name: torch.from_numpy(arrays[name]) for name in NAMES})

    @property
    def contexts(self) -> int:
        """S: of all lengths."""
        return len(self.symbols)

    @property
    def tables(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return {name: getattr(self, name) for name in NAMES}

    def pair_log_probabilities(self, table: ContextTable) -> NDArray[np.float64]:
        """(E,) log p(s|c) of each pair of a table at least as wide, without any whole row."""
        longer, offsets = self._array("longer"), self._array("offsets")
        vocab_size, symbols = self.vocab_size, self._array("symbols")
        shorter = np.repeat(np.arange(len(longer) - 1), np.diff(longer))
        keys = np.concatenate([[-1], shorter * vocab_size + symbols[1:]])  # ascending
        of_pair = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        pairs = of_pair * vocab_size + self._array("targets")[: len(of_pair)]  # ascending
        rows, targets = table.pair_rows, table.targets.astype(np.int64)
        gains, left = self._array("gains"), self._array("left")
        p = self._array("unigram")[targets].astype(np.float64)
        numbers = np.zeros(len(table), np.int64)
        for back in range(1, self.block_size + 1):
            queries = numbers * vocab_size + table.contexts[:, table.block_size - back]
            numbers = np.where(numbers < 0, -1, find(keys, queries))
            of_row = numbers[rows]
            places = find(pairs, np.where(of_row < 0, -1, of_row * vocab_size + targets))
            more = np.where(places < 0, 0.0, gains[places])
            p = np.where(of_row < 0, p, left[of_row] * p + more)
        return np.asarray(np.log(p))

    def _array(self, name: str) -> NDArray[Any]:
        """A table as an array, of integers of 64 bits or of float32."""
        array: NDArray[Any] = getattr(self, name).cpu().numpy()
        return array.astype(np.int64) if array.dtype == np.int32 else array

    def forward(self, contexts: Tensor) -> Tensor:
        rows = contexts.shape[0]
        number, is_seen = torch.zeros_like(contexts[:, 0]), torch.ones_like(contexts[:, 0]) > 0
        starts, sizes, left = [], [], []
        for back, steps in enumerate(self._searches, start=1):
            symbol = contexts[:, contexts.shape[1] - back]
            number, is_seen = self._longer(number, is_seen, symbol, steps)
            first = self.offsets[number].long()
            size = self.offsets[number + 1].long() - first
            starts.append(first)
            sizes.append(torch.where(is_seen, size, 0))
            left.append(torch.where(is_seen, self.left[number], 1.0))
        remaining = torch.ones_like(left[0])
        shares = []  # of what each ending gains, longest first
        for share in reversed(left):
            shares.append(remaining)
            remaining = remaining * share
        places, which = _laid_out(torch.stack(starts, 1).flatten(), torch.stack(sizes, 1).flatten())
        share = torch.stack(shares[::-1], 1).flatten()  # (B L,)
        row = (
            torch.arange(rows, device=contexts.device)[:, None].expand(rows, len(starts)).flatten()
        )  # (B L,)
        entries = row[which] * self.vocab_size + self.targets[places].long()
        p = (remaining[:, None] * self.unigram).flatten()  # (B V,)
        p = p.scatter_add(0, entries, share[which] * self.gains[places])
        return p.reshape(rows, self.vocab_size).log()

    def _longer(
        self, number: Tensor, is_seen: Tensor, symbol: Tensor, steps: int
    ) -> tuple[Tensor, Tensor]:
        """(B,) contexts and the symbols before them -> the longer contexts, and which were seen."""
        low, end = self.longer[number].long(), self.longer[number + 1].long()
        for step in reversed(range(steps)):
            beyond = low + (1 << step)
            is_below = (beyond <= end) & (self.symbols[beyond.minimum(end) - 1] < symbol)
            low = torch.where(is_below, beyond, low)
        is_seen = is_seen & (low < end)
        low = torch.where(is_seen, low, ROOT)
        is_seen = is_seen & (self.symbols[low] == symbol)
        return torch.where(is_seen, low, ROOT), is_seen


def _laid_out(starts: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) where runs start and their sizes -> (P,) the places of all, (P,) of which run each."""
    ends = sizes.cumsum(0)
    total = int(ends[-1].item())
    torch._check(total >= 0)  # type: ignore[no-untyped-call]  # all that a trace knows of it
    passed = torch.zeros(total + 1, dtype=torch.int64, device=ends.device)
    which = passed.scatter_add(0, ends, torch.ones_like(ends)).cumsum(0)[:total]
    here = torch.arange(total, device=ends.device)
    places = here - (ends - sizes)[which] + starts[which]
    return places, which


def _search_steps(longer: NDArray[np.int32], block_size: int) -> list[int]:
    """For each length of context from 1 on, how many halvings find one among its neighbours."""
    ends = [0, *level_ends(longer, block_size)]
    widths = [np.diff(longer[a : b + 1]).max(initial=0) for a, b in pairwise(ends)]
    return [int(width).bit_length() for width in widths[:block_size]]


def level_ends(longer: NDArray[np.int32], block_size: int) -> list[int]:
    """Behind the last context of each length, from the empty one on."""
    ends = [1]
    for _ in range(block_size):
        ends.append(int(longer[min(ends[-1], len(longer) - 1)]))
    return ends


def _arrays(ngram: NGram) -> dict[str, NDArray[Any]]:
    levels, above, vocab_size = ngram.levels, ngram.levels[1:], ngram.vocab_size
    first = np.cumsum([0, *(len(level.keys) for level in levels)])
    longer = [
        first[k + 1] + np.searchsorted(level.keys, np.arange(first[k + 1] - first[k]) * vocab_size)
        for k, level in enumerate(above)
    ]
    pairs = np.cumsum([0, *(len(level.pairs) for level in above)])
    offsets = [level.offsets[:-1] + pairs[k] for k, level in enumerate(above)]
    return {
        "longer": np.concatenate([*longer, first[-1:]]).astype(np.int32),
        "symbols": np.concatenate([x.keys % vocab_size for x in levels]).astype(np.int32),
        "offsets": np.concatenate([[0], *offsets, pairs[-1:]]).astype(np.int32),
        "targets": _joined([level.pairs % vocab_size for level in above]).astype(np.int32),
        "gains": _joined([level.gains for level in above]).astype(np.float32),
        "left": np.concatenate([level.left for level in levels]).astype(np.float32),
        "unigram": ngram.unigram.astype(np.float32),
    }


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Side by side, with an entry more: that of no pair at all."""
    return np.concatenate([*parts, np.zeros(1)])


def sparse_bytes(ngram: NGram) -> int:
    """What the tables of an n-gram take."""
    pairs = sum(len(level.pairs) for level in ngram.levels[1:])
    return 16 * len(ngram) + 8 * pairs + 4 * ngram.vocab_size
