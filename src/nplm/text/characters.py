"""Texts to ids and back where one code point is one symbol, without Python work per symbol."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nplm.text.strings import Ids, Strings
from nplm.text.vocab import Vocab, normalize

LINE_END = ord("\n")


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, one uint32 each; lone surrogates among them."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def count_characters(texts: Iterable[str]) -> dict[str, int]:
    """How often each symbol stands in `texts`, in the order of code points."""
    counts = np.bincount(code_points("".join(texts)))
    present = np.flatnonzero(counts)
    return dict(zip(map(chr, present.tolist()), counts[present].tolist(), strict=True))


class CharacterTokenizer:
    """A vocabulary as two look-up tables; see `tokenizer.Tokenizer`."""

    def __init__(self, vocab: Vocab, form: str = "none") -> None:
        points = code_points("".join(vocab.symbols))
        self.form = form
        self.unseen = len(vocab) if vocab.unknown_id is None else vocab.unknown_id
        self.dtype = np.min_scalar_type(len(vocab))
        # One entry past the highest known code point stands for all higher ones.
        self._last = max(int(points.max(initial=0)), LINE_END) + 1
        self._ids = np.full(self._last + 1, self.unseen, self.dtype)
        self._ids[points] = np.arange(1, 1 + len(points), dtype=self.dtype)
        self._points = code_points("\n" + "".join(vocab.spellings))
        ascii_only = bool(self._points.max() < 128)
        self._ascii = bytes(self._points.tolist()).ljust(256, b"?") if ascii_only else None

    def encode(self, texts: Sequence[str]) -> Strings:
        """The ids of normalised texts; a line end or a lone surrogate in one is a symbol unseen."""
        if self.form != "none" and not all(map(str.isascii, texts)):
            texts = [normalize(text, self.form) for text in texts]
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        symbols = self._ids[np.minimum(code_points("".join(texts)), self._last)]
        return Strings.of_symbols(symbols, lengths)

    def decode(self, strings: Strings) -> list[str]:
        """The texts of ids that are all in the vocabulary."""
        text = self._text(strings.ids)
        edges = strings.offsets.tolist()
        return [text[start : end - 1] for start, end in pairwise(edges)]

    def lines(self, strings: Strings) -> bytes:
        """As `decode`, in UTF-8, each followed by a line end; ASCII symbols by one look-up."""
        if self._ascii is not None and strings.ids.dtype == np.uint8:
            return strings.ids.tobytes().translate(self._ascii)
        return self._text(strings.ids).encode("utf-8")

    def _text(self, ids: Ids) -> str:
        return str(self._points[ids].tobytes(), "utf-32-le")
