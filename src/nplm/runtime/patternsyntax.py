"""The text of a pattern, in the syntax of Python's `re`, read as an expression over ids.

Python itself says whether the text is a regular expression, and which symbols a class or an escape
matches; what is read here is how those are put together. A pattern is of whole strings, so anchors
at its edges say nothing, and a quantifier may be lazy. Look-around, back-references, anchors in the
middle, conditional and atomic groups, possessive quantifiers and flags other than `(?i)` are
refused. Positions count symbols from 0, as Python's do.
"""

import math
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nplm.errors import UsageError
from nplm.runtime.expression import Expression, alternation, concatenation, one_of, repetition

MAX_SYMBOLS = 50_000  # of the text of a pattern
MAX_MEMBERS = 500_000  # of its distinct classes
MAX_DEPTH = 100  # of groups within groups

# The first of these that fits. That the text is a regular expression is known before it is cut.
_TOKENS = re.compile(
    r"""
    (?P<comment> \(\?\#[^)]*\) )
  | (?P<lookahead> \(\?[=!] )
  | (?P<lookbehind> \(\?<[=!] )
  | (?P<atomic> \(\?> )
  | (?P<conditional> \(\?\( )
  | (?P<backreference> \(\?P=[^)]*\) | \\(?!0|[0-7]{3})[0-9][0-9]? )
  | (?P<flags> \(\?[a-zA-Z]+\) )
  | (?P<open> \((?:\?(?:P<[^>]*>|[a-zA-Z-]*:))? )
  | (?P<close> \) )
  | (?P<bar> \| )
  | (?P<possessive> (?:[*+?]|\{(?:[0-9]+|[0-9]*,[0-9]*)\})\+ )
  | (?P<quantifier> (?:[*+?]|\{(?:[0-9]+|[0-9]*,[0-9]*)\})\?? )
  | (?P<boundary> \\[bB] )
  | (?P<anchor> [$^]|\\[AZz] )
  | (?P<any> \. )
  | (?P<set> \[\^?\]?(?:\\.|[^\]\\])*\] | \\[dDsSwW] )
  | (?P<escape> \\(?:x..|u.{4}|U.{8}|N\{[^}]*\}|0[0-7]{,2}|[0-7]{3}|.) )
  | (?P<literal> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_REFUSED = {
    "lookahead": "a look-ahead",
    "lookbehind": "a look-behind",
    "atomic": "an atomic group",
    "conditional": "a conditional group",
    "backreference": "a back-reference",
    "possessive": "a possessive quantifier",
    "boundary": "a word boundary",
    "anchor": "an anchor in its middle",
}


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(
    text: str,
    symbols: Sequence[str],
    argument: str = "match",
    places: Sequence[int] | None = None,
) -> Expression:
    """The strings that `re.fullmatch(text, ...)` matches, of symbols with the ids 1 to n.

    `.` is every one of them. A class may have members that are none of them, but a literal must
    be one; under `(?i)` it is enough that one case is.

    Args:
        argument: what messages call the text.
        places: what they call its positions, and its end.

    Raises:
        UsageError: the text is no regular expression, has something that is not understood, or asks
            for a symbol that is not listed; the message names it and its position.
    """
    places = range(len(text) + 1) if places is None else places
    _check(text, argument, places)
    return _Parser(text, symbols, argument, places).whole()


def literal(text: Sequence[str], symbols: Sequence[str], argument: str) -> Expression:
    """The one string of the symbols of `text`.

    Raises:
        UsageError: it has a symbol that is not listed.
    """
    ids = {symbol: k for k, symbol in enumerate(symbols, start=1)}
    for position, symbol in enumerate(text):
        if symbol not in ids:
            raise stranger(argument, repr(symbol), position)
    return concatenation(one_of([ids[symbol]]) for symbol in text)


def _check(text: str, argument: str, places: Sequence[int]) -> None:
    """Python compiles the text; its limits of size and depth are not ours, and are met first."""
    if len(text) > MAX_SYMBOLS:
        raise UsageError(f"`{argument}` has {len(text):,} symbols, of {MAX_SYMBOLS:,} at most")
    try:
        _compiled(text)
    except RecursionError:
        raise _too_deep(argument) from None
    except (re.error, OverflowError, ValueError) as error:
        position = getattr(error, "pos", None)
        where = "" if position is None else f" at position {places[position]}"
        reason = getattr(error, "msg", error)
        raise UsageError(f"`{argument}` is no regular expression: {reason}{where}") from None


def _compiled(text: str, flags: int = 0) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(text, flags)


def _too_deep(argument: str) -> UsageError:
    return UsageError(f"`{argument}` has groups within groups, more than {MAX_DEPTH} deep")


def stranger(argument: str, symbol: str, position: int) -> UsageError:
    """The error for a symbol that is asked for and not listed."""
    return UsageError(
        f"`{argument}` asks for {symbol} at position {position}, which the model does not know"
    )


class _Alphabet:
    """Which ids an atom of a pattern, as `a` or `[^a-f]`, matches; Python is asked once."""

    def __init__(self, symbols: Sequence[str], argument: str) -> None:
        self._argument = argument
        self._size = 0
        self._text = "".join(symbols)
        self._ids = {symbol: [k] for k, symbol in enumerate(symbols, start=1)}
        self._members: dict[tuple[str, bool], Expression] = {}
        self.all = one_of(range(1, len(symbols) + 1))

    def members(self, atom: str, *, any_case: bool) -> Expression:
        key = atom, any_case
        if key not in self._members:
            ids = self._matched(atom, any_case)
            self._size += len(ids)
            if self._size > MAX_MEMBERS:
                raise UsageError(
                    f"`{self._argument}` has classes of more than {MAX_MEMBERS:,} symbols in all",
                    "give a simpler pattern",
                )
            self._members[key] = one_of(ids)
        return self._members[key]

    def _matched(self, atom: str, any_case: bool) -> list[int]:
        if len(atom) == 1 and not any_case:
            return self._ids.get(atom, [])
        pattern = _compiled(atom, re.IGNORECASE if any_case else 0)
        return [match.start() + 1 for match in pattern.finditer(self._text)]


class _Parser:
    """By recursive descent: an alternation of sequences of repeated atoms."""

    def __init__(
        self, text: str, symbols: Sequence[str], argument: str, places: Sequence[int]
    ) -> None:
        self._argument, self._places = argument, places
        self._alphabet = _Alphabet(symbols, argument)
        self._any_case = False
        self._tokens = _trimmed(self._read(text))
        self._next = 0

    def whole(self) -> Expression:
        return self._alternatives(self._any_case, depth=0)

    def _read(self, text: str) -> Iterator[_Token]:
        for match in _TOKENS.finditer(text):
            token = _Token(str(match.lastgroup), match[0], self._places[match.start()])
            if token.kind == "flags":
                self._any_case = self._flags(token, token.text[2:-1])
            elif token.kind != "comment":
                yield token

    def _alternatives(self, any_case: bool, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise _too_deep(self._argument)
        parts = [self._sequence(any_case, depth)]
        while self._peek() == "bar":
            self._next += 1
            parts.append(self._sequence(any_case, depth))
        return alternation(parts)

    def _sequence(self, any_case: bool, depth: int) -> Expression:
        parts: list[Expression] = []
        while self._peek() not in {"bar", "close", "end"}:
            part = self._atom(self._take(), any_case, depth)
            if self._peek() == "quantifier":
                part = repetition(part, *_counts(self._take().text))
            parts.append(part)
        return concatenation(parts)

    def _atom(self, token: _Token, any_case: bool, depth: int) -> Expression:
        if token.kind == "open":
            flags = token.text[2:-1] if token.text.endswith(":") else ""
            part = self._alternatives(self._flags(token, flags) or any_case, depth + 1)
            self._next += 1  # the closing one
            return part
        if token.kind == "any":
            return self._alphabet.all
        if token.kind in _REFUSED:
            raise self._refusal(_REFUSED[token.kind], token)
        atom = re.escape(token.text) if token.kind == "literal" else token.text
        part = self._alphabet.members(atom, any_case=any_case)
        if not part.ids and token.kind != "set":
            symbol = repr(token.text) if token.kind == "literal" else f"'{token.text}'"
            raise stranger(self._argument, symbol, token.position)
        return part

    def _flags(self, token: _Token, flags: str) -> bool:
        """Whether these flags ask for any case; others are refused."""
        if flags.strip("i"):
            raise self._refusal(f"the flag {flags!r}", token)
        return bool(flags)

    def _refusal(self, what: str, token: _Token) -> UsageError:
        return UsageError(
            f"`{self._argument}` has {what} at position {token.position}",
            "a pattern is made of literals, classes, groups, alternatives and repetitions",
        )

    def _peek(self) -> str:
        return self._tokens[self._next].kind if self._next < len(self._tokens) else "end"

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]


def _trimmed(tokens: Iterator[_Token]) -> list[_Token]:
    """Without the anchors at the edges."""
    kept = list(tokens)
    first = next((k for k, t in enumerate(kept) if t.text not in {"^", r"\A"}), len(kept))
    last = next((k for k in range(len(kept), first, -1) if not _ends(kept[k - 1])), first)
    return kept[first:last]


def _ends(token: _Token) -> bool:
    return token.kind == "anchor" and token.text not in {"^", r"\A"}


def _counts(quantifier: str) -> tuple[int, float]:
    """The least and the greatest number of times."""
    signs = {"*": (0, math.inf), "+": (1, math.inf), "?": (0, 1)}
    if quantifier[0] in signs:
        return signs[quantifier[0]]
    least, comma, most = quantifier.rstrip("?")[1:-1].partition(",")
    if not comma:
        return int(least), int(least)
    return int(least or 0), int(most) if most else math.inf
