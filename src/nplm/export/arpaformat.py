"""The lines of an n-gram as an ARPA file, which KenLM and SRILM read.

A line of order k has log10 p(s|c) of a pair (c, s), c of k - 1 symbols, interpolated as
`counts.ngram` has it, and, where c s was seen as a context, log10 of what that leaves to shorter
ones: its back-off weight. What is not listed is then left(c) p(s|c') to readers, exactly.

The boundary is `<s>` in a context and `</s>` as a symbol, the unknown symbol is `<unk>`. A symbol
is spelled as it is, but for white space, control characters and what could be taken for one of
those three: there a character becomes `<U+` and its code point `>`.
"""

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.counts.ngram import Level, NGram, find
from nplm.text.vocab import BOUNDARY, Vocab

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = -99.0  # log10 of what has no probability, by convention
DIGITS = 7  # behind the point
LINES = 1 << 16  # that are written at once
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


def spelling(symbol: str) -> str:
    """How a symbol is written; see the head of this file."""
    if symbol.lower() in (START, END, UNKNOWN) or "<U+" in symbol:
        symbol = symbol.replace("<", _code("<"))
    return "".join(_code(c) if c.isspace() or _is_control(c) else c for c in symbol)


def _code(character: str) -> str:
    return f"<U+{ord(character):04X}>"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")


def spellings(vocab: Vocab) -> list[str]:
    """Of every id, as a symbol that is predicted."""
    unknown = [UNKNOWN] if vocab.unknown else []
    return [END, *map(spelling, vocab.symbols), *unknown]


def arpa_lines(ngram: NGram, vocab: Vocab) -> Iterator[list[str]]:
    """The lines of the file, some at a time."""
    orders = [*_orders(ngram)]
    words, extra = spellings(vocab), [START] if vocab.unknown else [START, UNKNOWN]
    counts = [len(order.log_p) + (0 if k else len(extra)) for k, order in enumerate(orders)]
    yield ["\\data\\\n", *(f"ngram {k}={n}\n" for k, n in enumerate(counts, start=1))]
    as_context = [START, *words[1:]]
    contexts = [""]
    for k, order in enumerate(orders, start=1):
        yield [f"\n\\{k}-grams:\n"]
        if k == 1:
            weight = f"\t{order.start_weight:.{DIGITS}f}" if len(orders) > 1 else ""
            yield [f"{NEVER:.0f}\t{START}{weight}\n", *(f"{NEVER:.0f}\t{w}\n" for w in extra[1:])]
        for first in range(0, len(order.log_p), LINES):
            yield order.lines(slice(first, first + LINES), contexts, words)
        contexts = order.contexts_after(contexts, as_context)
    yield ["\n\\end\\\n"]


@dataclass(frozen=True, eq=False)
class _Order:
    """The n-grams of one length: its n pairs, in the order of their contexts.

    Attributes:
        context, symbol: (n,) of each pair.
        log_p: (n,) to base 10.
        weights: (n,) log10 of what its n-gram as a context leaves; not a number where it is none.
        level: the contexts that are one symbol longer; None of the longest n-grams.
        start_weight: that of the boundary as a context, of the unigrams alone.
    """

    context: Numbers
    symbol: Numbers
    log_p: Floats
    weights: Floats
    level: Level | None
    vocab_size: int
    start_weight: float

    def lines(self, part: slice, contexts: list[str], words: list[str]) -> list[str]:
        """Of some pairs; `contexts` are the texts of all of them, each with a blank behind it."""
        columns = (x[part].tolist() for x in (self.log_p, self.context, self.symbol, self.weights))
        return [
            f"{p:.{DIGITS}f}\t{contexts[c]}{words[s]}\n"
            if math.isnan(weight)
            else f"{p:.{DIGITS}f}\t{contexts[c]}{words[s]}\t{weight:.{DIGITS}f}\n"
            for p, c, s, weight in zip(*columns, strict=True)
        ]

    def contexts_after(self, contexts: list[str], words: list[str]) -> list[str]:
        """The texts of the contexts of the next length."""
        if self.level is None:
            return []
        shorter, oldest = np.divmod(self.level.keys, self.vocab_size)
        pairs = zip(shorter.tolist(), oldest.tolist(), strict=True)
        return [f"{words[symbol]} {contexts[c]}" for c, symbol in pairs]


def _orders(ngram: NGram) -> Iterator[_Order]:
    """The n-grams of each length that there are."""
    vocab_size, levels = ngram.vocab_size, [x for x in ngram.levels if len(x.keys)]
    p, pairs = ngram.unigram, np.arange(vocab_size)  # of the length before
    longer = np.full(vocab_size, -1)  # each as a context of the next length
    for k, level in enumerate(levels):
        context, symbol = (pairs, pairs) if not k else np.divmod(level.pairs, vocab_size)
        if k:
            shorter, oldest = np.divmod(level.keys, vocab_size)
            below = find(pairs, shorter[context] * vocab_size + symbol)
            p = level.left[context] * p[below] + level.gains
            above = longer[below]
        else:
            context, oldest, above = np.zeros(vocab_size, np.int64), np.zeros(1, np.int64), pairs
            above = np.where(pairs == BOUNDARY, -1, 0)
        following = levels[k + 1] if k + 1 < len(levels) else None
        longer = np.full(len(p), -1)
        if following is not None:
            keys = above * vocab_size + (symbol if not k else oldest[context])
            longer = find(following.keys, np.where(above < 0, -1, keys))
        left = np.ones(0) if following is None else following.left
        weights = np.full(len(p), np.nan)
        weights[longer >= 0] = np.log10(left[longer[longer >= 0]])
        start = find(following.keys, np.zeros(1, np.int64))[0] if following and not k else -1
        yield _Order(
            context,
            symbol,
            np.log10(p),
            weights,
            following,
            vocab_size,
            math.log10(left[start]) if start >= 0 else 0.0,
        )
        pairs = level.pairs if k else np.arange(vocab_size)
