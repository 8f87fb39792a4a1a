"""Which letters are vowels, as far as a list or the names that Unicode gives to letters tell.

Of scripts that are not here (Chinese, Arabic, the syllables of Hangul) nothing is said.
"""

import re
import unicodedata
from collections.abc import Iterable

VOWELS = set("aeiouyæøœıаеёиоуыэюяєіїαεηιουω")
CONSONANTS = set("йў")  # which without their accents would be vowels
LISTED = {"LATIN", "GREEK", "CYRILLIC"}
INDIC = (
    *("DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA"),
    *("TAMIL", "TELUGU", "KANNADA", "MALAYALAM"),
)
# By script, what the name of a vowel says and that of no other letter.
NAMED = {
    "THAI": r"SARA|MAI HAN|MAITAIKHU|LAKKHANG",
    "HANGUL": "JUNGSEONG",
    **dict.fromkeys(("LAO", "KHMER", "TIBETAN"), r"\bVOWEL"),
    **dict.fromkeys(INDIC, "VOWEL|LETTER (CANDRA |SHORT )?(VOCALIC|[AEIOU])"),
}


def is_vowel(symbol: str) -> bool | None:
    """Whether a symbol, accents apart, is a vowel; None where its script does not tell."""
    if unicodedata.category(symbol)[0] not in "LM":
        return False
    if "HANGUL SYLLABLE" in unicodedata.name(symbol, ""):
        return None
    letter = symbol.lower()
    base = unicodedata.normalize("NFD", letter)[0]
    script, _, name = _name(base).partition(" ")
    if script in LISTED:
        return letter not in CONSONANTS and base in VOWELS
    return bool(re.search(NAMED[script], name)) if script in NAMED else None


def vowels_known(symbols: Iterable[str]) -> bool:
    """Whether it is known of most letters if they are vowels."""
    letters = [symbol for symbol in symbols if unicodedata.category(symbol)[0] == "L"]
    return 2 * sum(is_vowel(letter) is not None for letter in letters) > len(letters)


def _name(letter: str) -> str:
    """Letters of Hangul that stand alone have names that do not tell; their parts' names do."""
    name = unicodedata.name(letter, "")
    if "HANGUL LETTER" not in name:
        return name
    return unicodedata.name(unicodedata.normalize("NFKD", letter)[0], "")
