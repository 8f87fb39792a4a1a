"""Texts to ids and back where one token between white space is one symbol."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, repeat

import numpy as np

from nplm.text.strings import Strings
from nplm.text.vocab import Vocab, normalize


def count_words(texts: Iterable[str]) -> dict[str, int]:
    """How often each token stands in `texts`, in the order of code points."""
    counts = Counter(chain.from_iterable(map(str.split, texts)))
    return dict(sorted(counts.items()))


class WordTokenizer:
    """A vocabulary as a dictionary; see `tokenizer.Tokenizer`.

    White space before, between and behind tokens is not kept: it is decoded as single blanks.
    """

    def __init__(self, vocab: Vocab, form: str = "none") -> None:
        self.form = form
        self.unseen = len(vocab) if vocab.unknown_id is None else vocab.unknown_id
        self.dtype = np.min_scalar_type(len(vocab))
        self._ids = {symbol: k for k, symbol in enumerate(vocab.symbols, start=1)}
        # With what stands behind each in a text; that of a line's last word goes.
        self._spellings = np.array(["\n", *(f"{word} " for word in vocab.spellings)], object)

    def encode(self, texts: Sequence[str]) -> Strings:
        """The ids of texts; a token with a lone surrogate is one unseen."""
        if self.form != "none" and not all(map(str.isascii, texts)):
            texts = [normalize(text, self.form) for text in texts]
        tokens = [text.split() for text in texts]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        each = map(self._ids.get, chain.from_iterable(tokens), repeat(self.unseen))
        symbols = np.fromiter(each, self.dtype, int(lengths.sum()))
        return Strings.of_symbols(symbols, lengths)

    def decode(self, strings: Strings) -> list[str]:
        """The texts of ids that are all in the vocabulary."""
        return self._text(strings).split("\n")[:-1]

    def lines(self, strings: Strings) -> bytes:
        """As `decode`, in UTF-8, each followed by a line end."""
        return self._text(strings).encode("utf-8")

    def _text(self, strings: Strings) -> str:
        return "".join(self._spellings[strings.ids].tolist()).replace(" \n", "\n")
