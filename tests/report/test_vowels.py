"""Vowels by script: against lists by hand and the order of the letters in their blocks."""

import pytest

from nplm.report.vowels import INDIC, is_vowel, vowels_known

BLOCKS = dict(zip(INDIC, range(0x900, 0xD80, 0x80), strict=True))


@pytest.mark.parametrize("letter", "aeiouyAEIOUYàéîõüỹÅǖİαεηιουωάΉϊώаеёиоуыэюяєіїЁЇæøœıÆØ")
def test_vowels(letter: str) -> None:
    assert is_vowel(letter)


@pytest.mark.parametrize("symbol", "bzñçßβςжщьъйўЙ日اא1 .$\\-\u0301😀")
def test_no_vowels(symbol: str) -> None:
    assert not is_vowel(symbol)


@pytest.mark.parametrize("symbol", "日あカاבმ가")
def test_scripts_that_do_not_tell(symbol: str) -> None:
    assert is_vowel(symbol) is None


def test_thai() -> None:
    vowels = [chr(k) for k in (*range(0x0E30, 0x0E3A), *range(0x0E40, 0x0E46), 0x0E47)]
    everything = [chr(k) for k in (*range(0x0E01, 0x0E3B), *range(0x0E40, 0x0E4F))]
    assert {symbol for symbol in everything if is_vowel(symbol)} == set(vowels)
    assert None not in map(is_vowel, everything)


@pytest.mark.parametrize("first", BLOCKS.values(), ids=BLOCKS)
def test_scripts_of_india(first: int) -> None:
    """Their blocks have one order: vowels, consonants, signs of vowels; gaps where one lacks."""
    letters = {offset: is_vowel(chr(first + offset)) for offset in range(0x05, 0x4D)}
    assert letters[0x05]
    assert not any(letters[offset] for offset in range(0x15, 0x3A))
    assert all(letters[offset] for offset in (0x06, 0x07, 0x08, 0x09, 0x0A, 0x10, 0x14))
    assert all(letters[offset] for offset in (0x3E, 0x3F, 0x40, 0x41, 0x42, 0x48, 0x4C))


def test_hangul_by_letters() -> None:
    assert all(is_vowel(chr(k)) for k in (*range(0x314F, 0x3164), *range(0x1161, 0x1176)))
    assert not any(is_vowel(chr(k)) for k in (*range(0x3131, 0x314F), *range(0x1100, 0x1113)))


@pytest.mark.parametrize(
    ("symbols", "known"),
    [
        ("abc", True),
        ("", False),
        ("123 .", False),
        ("日本a", False),
        ("日a", False),
        ("日ab", True),
        ("กขา", True),
        ("가나다", False),
        ("حب", False),
    ],
)
def test_where_most_letters_tell(symbols: str, known: bool) -> None:
    assert vowels_known(symbols) == known
