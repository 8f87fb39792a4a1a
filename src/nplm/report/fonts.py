"""Which fonts draw which symbols: matplotlib's own where it can, then any font of the system.

A symbol that no font can draw is shown by its code point, never as a missing-glyph box.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"  # comes with matplotlib
SPACE = "\N{OPEN BOX}"


def visible(symbol: str) -> str:
    """A symbol as something to see: a space as an open box, what has no shape as its code point."""
    if symbol == " ":
        return SPACE
    return "".join(
        code_point(character) if unicodedata.category(character)[0] in "CZ" else character
        for character in symbol
    )


def code_point(symbol: str) -> str:
    """`U+1F600`, of each character of a word."""
    return "".join(f"U+{ord(character):04X}" for character in symbol)


def drawable(symbols: Iterable[str]) -> tuple[list[str], list[str]]:
    """The symbols as fonts can draw them, and the names of the fonts that it takes."""
    fonts, labels = [OWN], []
    for symbol in map(visible, symbols):
        font = next((name for name in fonts if _has(name, symbol)), None) or _font_of(symbol)
        if font and font not in fonts:
            fonts.append(font)
        labels.append(symbol if font else code_point(symbol))
    return labels, fonts


@cache
def _glyphs(path: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):  # a broken font, or one of bitmaps alone
        return frozenset()


@lru_cache(maxsize=1 << 14)  # words are many
def _has(name: str, symbol: str) -> bool:
    # A bare name would be read as a fontconfig pattern, in which some characters mean something.
    glyphs = _glyphs(font_manager.findfont(font_manager.FontProperties(family=[name])))
    return all(ord(character) in glyphs for character in symbol)


@lru_cache(maxsize=1 << 14)
def _font_of(symbol: str) -> str | None:
    """The name of a font of the system that draws `symbol`.

    Fonts of bitmaps cannot be scaled, and a font of last resort has only boxes.
    """
    for entry in font_manager.fontManager.ttflist:
        useless = any(word in entry.name.lower() for word in ("color", "emoji", "last resort"))
        if not useless and all(ord(c) in _glyphs(entry.fname) for c in symbol):
            return entry.name
    return None
