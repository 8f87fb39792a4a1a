"""Symbols and their ids. Id 0 is the boundary; it pads the start and ends the string.

At character level one code point is one symbol, at word level one token between white space. A
vocabulary may hold an unknown symbol, which stands for every one that it does not list; texts get
its id from a `Tokenizer`, while `Vocab.encode` is for what must be known, as a prefix. The boundary
is shown as "." in tables but is never a symbol, so a "." in the data has an id of its own.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nplm.checks import Level
from nplm.errors import DataError

BOUNDARY = 0
BOUNDARY_SHOWN = "."
UNKNOWN_SHOWN = "\ufffd"  # Unicode's character for one that is unknown


@dataclass(frozen=True)
class Vocab:
    """An ordered set of symbols; symbol k of `symbols` has id k + 1.

    Attributes:
        unknown: whether the last id, V - 1, stands for all other symbols.
        level: what a symbol is.

    Raises:
        DataError: a symbol is not one code point or, at word level, one token; has a line end or a
            surrogate in it; or stands twice.
    """

    symbols: tuple[str, ...]
    unknown: bool = False
    level: Level = "character"
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for symbol in self.symbols:
            if not _is_symbol(symbol, self.level):
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
    def separator(self) -> str:
        """What stands between two symbols of a text."""
        return " " if self.level == "word" else ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """How each id but the boundary is written."""
        return (*self.symbols, UNKNOWN_SHOWN) if self.unknown else self.symbols

    def encode(self, text: str) -> list[int]:
        """The ids of the symbols of `text`, without a boundary.

        Raises:
            DataError: a symbol is not listed; the message names it and what exists.
        """
        symbols = symbols_of(text, self.level)
        try:
            return [self._ids[symbol] for symbol in symbols]
        except KeyError:
            unknown = sorted(set(symbols) - self._ids.keys())
            raise DataError(
                f"{text!r} has symbols the model never saw: {show_symbols(unknown)}",
                f"it knows {show_symbols(self.symbols)}",
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; ValueError for the boundary, which is not a symbol."""
        text = list(ids)
        if BOUNDARY in text:
            raise ValueError("the boundary is not a symbol")
        return self.separator.join(self.spellings[k - 1] for k in text)


def symbols_of(text: str, level: Level) -> Sequence[str]:
    """The symbols of a text, one by one."""
    return text.split() if level == "word" else text


def _is_symbol(symbol: str, level: Level) -> bool:
    if level == "word":
        return symbol.split() == [symbol] and not _has_surrogate(symbol)
    return len(symbol) == 1 and symbol != "\n" and not _has_surrogate(symbol)


def _has_surrogate(symbol: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in symbol)


def show_symbols(symbols: Sequence[str], limit: int = 40) -> str:
    """Symbols for a message: single characters side by side, blanks and unprintable ones quoted.

    Long lists are cut.
    """
    plain = all(s.isprintable() and not s.isspace() for s in symbols[:limit])
    single = all(len(symbol) == 1 for symbol in symbols)
    listing = ("" if plain and single else " ").join(
        s if plain else repr(s) for s in symbols[:limit]
    )
    return listing if len(symbols) <= limit else f"{listing} … ({len(symbols)} in all)"


def normalize(text: str, form: str) -> str:
    """`text` in Unicode form NFC (`form` "nfc") or as it is (`form` "none")."""
    return unicodedata.normalize("NFC", text) if form == "nfc" else text
