"""Many strings at once to a stream of ids and back, without Python work per symbol.

A stream is a flat array of ids in which every string is followed by one boundary (0).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nplm.text.vocab import Vocab

LINE_END = ord("\n")


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, one uint32 each; lone surrogates among them."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def as_lines(strings: Iterable[str]) -> str:
    """The strings as one text, each followed by a line end."""
    return "".join(f"{string}\n" for string in strings)


def vocab_of(text: str) -> Vocab:
    """The vocabulary of all symbols in `text` but line ends, ordered by code point."""
    seen = np.zeros(0x110000, np.bool_)
    seen[code_points(text)] = True
    seen[LINE_END] = False
    return Vocab(tuple(chr(k) for k in np.flatnonzero(seen)))


class BulkCodec:
    """A vocabulary as two lookup tables.

    Attributes:
        unknown: the id `encode` gives to symbols outside the vocabulary: V, one past the last.
    """

    def __init__(self, vocab: Vocab) -> None:
        points = code_points("".join(vocab.symbols))
        self.unknown = len(vocab)
        self.dtype = np.min_scalar_type(self.unknown)
        # One entry past the highest known code point stands for all higher ones.
        self._last = max(int(points.max(initial=0)), LINE_END) + 1
        self._ids = np.full(self._last + 1, self.unknown, self.dtype)
        self._ids[points] = np.arange(1, len(vocab), dtype=self.dtype)
        self._ids[LINE_END] = 0
        self._points = np.concatenate([np.array([LINE_END], np.uint32), points])
        ascii_only = self._last <= 128
        self._ascii = bytes(self._points.tolist()).ljust(256, b"?") if ascii_only else None

    def encode(self, lines: str) -> NDArray[np.unsignedinteger]:
        """`lines` (each ended by a line end) -> stream of ids, unknown symbols as `unknown`."""
        return self._ids[np.minimum(code_points(lines), self._last)]

    def encode_strings(self, strings: Sequence[str]) -> NDArray[np.unsignedinteger]:
        """Strings -> stream of ids; a line end inside a string is unknown, as a surrogate is."""
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        ends = np.cumsum(lengths + 1) - 1
        points = code_points("".join(strings))
        ids = self._ids[np.minimum(points, self._last)]
        ids[points == LINE_END] = self.unknown
        stream = np.zeros(len(ids) + len(ends), self.dtype)
        inside = np.ones(len(stream), np.bool_)
        inside[ends] = False
        stream[inside] = ids
        return stream

    def decode(self, stream: NDArray[np.integer]) -> str:
        """A stream of ids -> lines, each ended by a line end."""
        return str(self._points[stream].tobytes(), "utf-32-le")

    def decode_bytes(self, stream: NDArray[np.integer]) -> bytes:
        """A stream of ids -> lines in UTF-8; of ASCII symbols by one look-up."""
        if self._ascii is not None and stream.dtype == np.uint8:
            return stream.tobytes().translate(self._ascii)
        return self.decode(stream).encode("utf-8")
