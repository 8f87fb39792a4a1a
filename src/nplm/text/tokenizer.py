"""Texts to ids and back, many strings at once; and the vocabulary of texts.

What a data set knows of its symbols is in `vocab`, each level's way of finding them in a file of
its own.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from nplm.checks import Level
from nplm.text.characters import CharacterTokenizer, count_characters
from nplm.text.strings import Strings
from nplm.text.vocab import UNKNOWN_SHOWN, Vocab
from nplm.text.words import WordTokenizer, count_words


class Tokenizer(Protocol):
    """A vocabulary, and the normalisation of the texts it reads.

    Attributes:
        unseen: the id of a symbol that the vocabulary does not list: that of its unknown symbol,
            or else V, for which no model has a row.
        dtype: of ids.
    """

    form: str
    unseen: int
    dtype: np.dtype[Any]

    def encode(self, texts: Sequence[str]) -> Strings:
        """The ids of texts; a symbol with a lone surrogate is one unseen.

        So is a line end, of characters; between words it is white space.
        """
        ...

    def decode(self, strings: Strings) -> list[str]:
        """The texts of ids that are all in the vocabulary."""
        ...

    def lines(self, strings: Strings) -> bytes:
        """As `decode`, in UTF-8, each followed by a line end."""
        ...


def make_tokenizer(vocab: Vocab, form: str = "none") -> Tokenizer:
    """The tokenizer of a vocabulary's level.

    Args:
        form: of Unicode, to which texts are brought first; "none" for those that are in it.
    """
    kind = WordTokenizer if vocab.level == "word" else CharacterTokenizer
    return kind(vocab, form)


def vocab_of(
    texts: Iterable[str],
    min_count: int = 0,
    max_vocab: int = 0,
    level: Level = "character",
) -> Vocab:
    """The vocabulary of the symbols in `texts`, ordered by code point.

    Args:
        min_count: symbols seen fewer times than this are left to the unknown symbol, as those are
            that `texts` lack; at 0 and without `max_vocab` there is no unknown symbol.
        max_vocab: ids that there may be, the boundary and the unknown symbol among them: the
            symbols seen most often stay, of those seen as often the first; 0 for all.
    """
    counts = count_words(texts) if level == "word" else count_characters(texts)
    unknown = bool(min_count or max_vocab)
    least = max(1, min_count)
    frequent = [
        symbol
        for symbol, count in counts.items()
        if count >= least and not (unknown and symbol == UNKNOWN_SHOWN)  # how that one is written
    ]
    if max_vocab:
        frequent = sorted(frequent, key=lambda symbol: -counts[symbol])[: max(0, max_vocab - 2)]
    return Vocab(tuple(sorted(frequent)), unknown, level)
