r"""Patterns whose symbols are words, as patterns of characters that stand for them.

White space separates words and says nothing else; `.` is any word, and in a class stand the words
that it matches, as in `[the a]`. A special character is part of a word behind a backslash, as in
`U\.S\.`. What is about characters (`\d`, `\w`, `(?i)`) is refused.
"""

import re
from collections.abc import Iterator, Sequence

from nplm.errors import UsageError
from nplm.runtime.expression import Expression
from nplm.runtime.patternsyntax import parse, stranger

FIRST = 0x20000  # of the characters that stand for words, in the order of their ids
STRANGER = chr(0x10FFFF)  # for what a class has that the model does not know

# The first of these that fits.
_PIECES = re.compile(
    r"""
    (?P<space> \s+ )
  | (?P<letters> \\[a-zA-Z0-9] | \(\?[a-zA-Z-]+[:)] )
  | (?P<group> \(\?(?:P<[^>]*>|P=[^)]*\)|[:=!>(]|<[=!]) )
  | (?P<comment> \(\?\#[^)]*\) )
  | (?P<count> \{[0-9]*,?[0-9]*\} )
  | (?P<special> [()|*+?.^$\[\]] )
  | (?P<word> (?: \\. | [^\s()|*+?.^$\[\]\\{}] )+ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def parse_words(text: str, symbols: Sequence[str], argument: str = "match") -> Expression:
    """The strings of words that a pattern matches, of symbols with the ids 1 to n.

    Raises:
        UsageError: as `patternsyntax.parse`.
    """
    characters = [chr(FIRST + k) for k in range(len(symbols))]
    known = dict(zip(symbols, characters, strict=True))
    pieces = [*_translated(text, known, argument)]
    places = [place for piece, place in pieces for _ in piece]
    return parse("".join(piece for piece, _ in pieces), characters, argument, [*places, len(text)])


def _translated(text: str, known: dict[str, str], argument: str) -> Iterator[tuple[str, int]]:
    """Pieces of the pattern of characters, each with where it comes from."""
    in_class = False
    for match in _PIECES.finditer(text):
        piece, place = match[0], match.start()
        if match.lastgroup == "letters":
            raise UsageError(
                f"`{argument}` has {piece!r} at position {place}, which is about characters",
                "at word level a pattern is made of words, groups, alternatives and repetitions",
            )
        if match.lastgroup == "word":
            word = re.sub(r"\\(.)", r"\1", piece, flags=re.DOTALL)
            if word not in known and not in_class:
                raise stranger(argument, repr(word), place)
            yield known.get(word, STRANGER), place
        elif match.lastgroup not in {"space", "comment"}:
            in_class = {"[": True, "]": False}.get(piece, in_class)
            yield piece, place
