"""Symbols as fonts can draw them, against the character maps of the font files."""

import sys
import unicodedata

import pytest
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from nplm.report.fonts import OWN, code_point, drawable, visible
from nplm.report.vowels import is_vowel


def glyphs(name: str, weight: str = "normal") -> set[int]:
    path = font_manager.findfont(font_manager.FontProperties(family=[name], weight=weight))
    return set(FT2Font(path).get_charmap())


def glyphs_of_the_system() -> set[int]:
    """What a font that can be scaled and is not one of boxes alone draws; each symbol by one."""
    useless = ("color", "emoji", "last resort")
    entries = font_manager.fontManager.ttflist
    files = {e.fname for e in entries if not any(word in e.name.lower() for word in useless)}
    return set().union(*(FT2Font(file).get_charmap() for file in files))


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("a", "a"),
        ("$", "$"),
        ("\\", "\\"),
        (" ", "\u2423"),
        ("\t", "U+0009"),
        ("\x00", "U+0000"),
        ("\r", "U+000D"),
        ("\u00a0", "U+00A0"),
        ("\u3000", "U+3000"),
        ("\u200d", "U+200D"),
        ("\ufeff", "U+FEFF"),
        ("\ue000", "U+E000"),
        ("\U0010ffff", "U+10FFFF"),
        ("\u0301", "\u0301"),
        ("\u65e5", "\u65e5"),
    ],
)
def test_every_symbol_is_something_to_see(symbol: str, shown: str) -> None:
    assert visible(symbol) == shown


def test_code_points() -> None:
    assert (code_point("a"), code_point("\U0001f600")) == ("U+0061", "U+1F600")


def test_what_is_shown_can_be_drawn_or_is_a_code_point() -> None:
    symbols = [*"aéж日本ا\u05d0\U0001f600\U0001f9ff\u0301 \t$\\", "\U0001f1e9", "\U000e0041"]
    shown, fonts = drawable(symbols)
    assert fonts[0] == OWN
    assert not [name for name in fonts if "last resort" in name.lower()]  # it has boxes alone
    known = set().union(*map(glyphs, fonts))
    every = glyphs_of_the_system()
    for symbol, label in zip(symbols, shown, strict=True):
        seen = visible(symbol)
        assert label == (seen if {*map(ord, seen)} <= every else code_point(symbol))
        assert {ord(character) for character in label} <= known
    assert shown[:3] == ["a", "é", "ж"]
    assert drawable(["a", "b"]) == (["a", "b"], [OWN])
    assert drawable([]) == ([], [OWN])


def test_vowels_can_be_drawn_in_bold() -> None:
    """What stands in bold must be in the bold font, too."""
    letters = [chr(k) for k in range(sys.maxunicode) if unicodedata.category(chr(k))[0] in "LM"]
    vowels = {ord(letter) for letter in letters if is_vowel(letter)}
    assert len(vowels) > 200
    assert not vowels & glyphs(OWN) - glyphs(OWN, "bold")
