"""Symbols and their ids. Id 0 is the boundary; it pads the start and ends the string.

A vocabulary may hold an unknown symbol, which stands for every one that it does not list; texts get
its id from a `Tokenizer`, while `Vocab.encode` is for what must be known, as a prefix. The boundary
is shown as "." in tables but is never a character, so a "." in the data has an id of its own. One
code point is one symbol.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nplm.errors import DataError

BOUNDARY = 0
BOUNDARY_SHOWN = "."
UNKNOWN_SHOWN = "\ufffd"  # Unicode's character for one that is unknown


@dataclass(frozen=True)
class Vocab:
    """An ordered set of symbols; symbol k of `symbols` has id k + 1.

    Attributes:
        unknown: whether the last id, V - 1, stands for all other symbols.

    Raises:
        DataError: a symbol is not one code point, is a line end or a surrogate, or stands twice.
    """

    symbols: tuple[str, ...]
    unknown: bool = False
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for symbol in self.symbols:
            if len(symbol) != 1 or symbol == "\n" or "\ud800" <= symbol <= "\udfff":
                raise DataError(f"{symbol!r} cannot be a symbol of a vocabulary")
        ids = {symbol: k for k, symbol in enumerate(self.symbols, start=1)}
        if len(ids) != len(self.symbols):
            raise DataError("a vocabulary has the same symbol twice")
        object.__setattr__(self, "_ids", ids)

    def __len__(self) -> int:
        """V: the number of ids, the boundary and the unknown symbol included."""
        return 1 + len(self.symbols) + self.unknown

    @property
    def unknown_id(self) -> int | None:
        """The id of the unknown symbol; None where there is none."""
        return len(self) - 1 if self.unknown else None

    @property
    def spellings(self) -> tuple[str, ...]:
        """How each id but the boundary is written."""
        return (*self.symbols, UNKNOWN_SHOWN) if self.unknown else self.symbols

    def encode(self, text: str) -> list[int]:
        """The ids of the symbols of `text`, without a boundary.

        Raises:
            DataError: a symbol is not listed; the message names it and what exists.
        """
        try:
            return [self._ids[symbol] for symbol in text]
        except KeyError:
            unknown = sorted(set(text) - self._ids.keys())
            raise DataError(
                f"{text!r} has symbols the model never saw: {show_symbols(unknown)}",
                f"it knows {show_symbols(self.symbols)}",
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; ValueError for the boundary, which is not a character."""
        text = list(ids)
        if BOUNDARY in text:
            raise ValueError("the boundary is not a character")
        return "".join(self.spellings[k - 1] for k in text)


def show_symbols(symbols: Sequence[str], limit: int = 40) -> str:
    """Symbols side by side for a message; blanks and unprintable ones quoted, long lists cut."""
    plain = all(s.isprintable() and not s.isspace() for s in symbols[:limit])
    listing = ("" if plain else " ").join(s if plain else repr(s) for s in symbols[:limit])
    return listing if len(symbols) <= limit else f"{listing} … ({len(symbols)} in all)"


def normalize(text: str, form: str) -> str:
    """`text` in Unicode form NFC (`form` "nfc") or as it is (`form` "none")."""
    return unicodedata.normalize("NFC", text) if form == "nfc" else text
