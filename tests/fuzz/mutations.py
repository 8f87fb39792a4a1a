"""Files made worse: a valid one with a few changes, each a function of a seeded random source."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any

MOST_BYTES = 1 << 20  # of what is made, but for nesting
NESTING = 100_000
NUMBERS = [
    b"-1",
    b"0",
    b"0.5",
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b"nan",
    b"1" * 400,
    b"1" * 5000,
    *(
        str(sign * 2**bits + more).encode()
        for bits in (31, 53, 63, 64)
        for sign in (1, -1)
        for more in (-1, 0)
    ),
]
VALUES = [
    *(b"null", b"true", b"[]", b"{}", b'""', b'"x"', b"[[0]]", b'{"a":1}', b"'x'", b"[1,2]"),
    *(b"1979-05-27", b"07:32:00", b"0x" + b"f" * 5000, b"{a=" * 3000, b"a.b.c"),
]
# Some are keys of thousands of parts, bare and quoted: parsers take time or memory for each.
LINES = [
    *(key + b"a." * 30_000 + b"b=1\n" for key in (b"", b"'='.", b'"#".', b"x={")),
    *(b'[["]".' + b"a." * 30_000 + b"b]]\n", b"\n[x]\n", b'{"a": 1}\n'),
]
PLAIN: list[Any] = [
    *(None, True, 0, 1, -1, 64, 65, 2**31, 2**63, 2**64, 10**30, 0.5, -0.5, 1e300, float("nan")),
    *("", "a", "\0", "\n", "\ud800", "../" * 50, "x" * 5000, "0" * 64, [], [[]], ["a", "a"], {}),
]
EXTREMES = [
    b"\xff" * 8,
    b"\x00" * 8,
    b"\xff" * 7 + b"\x7f",
    b"\x80" * 10 + b"\x01",
    b"\xed\xa0\x80",
]
TOKEN = re.compile(rb'"[^"]{0,80}"|\btrue\b|\bfalse\b|-?\d+(?:\.\d+)?')
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def mutate(valid: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """`valid` with one to four changes; now and then a whole file of another kind.

    Args:
        others: valid files of other kinds, to splice from.
    """
    if random.random() < 0.02:
        return random.choice([b"", *others])
    content = valid
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        content = random.choice(CHANGES)(content, others, random)
    return content


def _flip(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(random.choice([1, 1, 2, 8])):
        changed[_place(content, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return content[: _place(content, random)]


def _cut(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start = _place(content, random)
    return content[:start] + content[start + random.choice([1, 2, 8, 100]) :]


def _repeat(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    start = _place(content, random)
    part = content[start : start + random.choice([1, 8, 100, 10_000])]
    return content[:start] + part * random.choice([2, 3, 100]) + content[start:]


def _splice(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    other = random.choice([content, *others])
    start = _place(other, random)
    place = _place(content, random)
    part = other[start : start + random.choice([8, 100, 10_000])]
    return content[:place] + part + content[place + random.choice([0, len(part)]) :]


def _insert(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    place, piece = (
        _place(content, random),
        random.choice([*NUMBERS, *VALUES, *EXTREMES, b"\n"]),
    )
    return content[:place] + piece + content[place + random.choice([0, len(piece)]) :]


def _line(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    lines = content.splitlines(keepends=True)
    lines.insert(random.randrange(len(lines) + 1), random.choice(LINES))
    return b"".join(lines)


def _change_number(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return _replace_match(NUMBER, content, random.choice(NUMBERS), random)


def _change_value(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return _replace_match(TOKEN, content, random.choice([*VALUES, *NUMBERS]), random)


def _rename(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    return _replace_match(re.compile(rb"[a-z_0-9]{3,}"), content, b"x", random)


def _nest(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    opening, closing = random.choice(
        [(b"[", b"]"), (b'{"a":', b"}"), (b"a=[", b"]"), (b"\x0a", b"")]
    )
    depth = random.choice([100, 1100, NESTING])
    place = _place(content, random)
    return content[:place] + opening * depth + closing * depth + content[place:]


def _encode(content: bytes, _: Sequence[bytes], random: Random) -> bytes:
    if random.random() < 0.3:
        return b"\xef\xbb\xbf" + content
    if random.random() < 0.3:
        return content.replace(b"\n", random.choice([b"\r\n", b"\r", b"", b"\0", b"\xe2\x80\xa8"]))
    return content.decode("latin-1").encode(
        random.choice(["utf-16", "utf-16-be", "utf-32", "utf-8"])
    )


def _change_json(content: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """A JSON document, or a line of one, with another value somewhere in it."""
    lines = content.splitlines(keepends=True)
    place = random.randrange(len(lines) or 1)
    try:
        if content.count(b"\n{"):
            changed = json.dumps(_changed(json.loads(lines[place]), random)).encode()
            return b"".join([*lines[:place], changed + b"\n", *lines[place + 1 :]])
        return json.dumps(_changed(json.loads(content), random)).encode()
    except (ValueError, RecursionError):
        return _change_value(content, others, random)


def _changed(value: Any, random: Random) -> Any:
    if random.random() < 0.8:
        if isinstance(value, dict) and value:
            key = random.choice(list(value))
            if random.random() < 0.1:
                return {other: item for other, item in value.items() if other != key}
            return value | {key: _changed(value[key], random)}
        if isinstance(value, list) and value:
            place = random.randrange(len(value))
            return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
        if isinstance(value, str) and value.startswith(("{", "[", '"')):  # JSON inside of JSON
            with suppress(ValueError, RecursionError):
                return json.dumps(_changed(json.loads(value), random))
    return random.choice(PLAIN)


def _replace_match(pattern: re.Pattern[bytes], content: bytes, new: bytes, random: Random) -> bytes:
    found = list(pattern.finditer(content[:MOST_BYTES]))
    if not found:
        return new + content
    match = random.choice(found)
    return content[: match.start()] + new + content[match.end() :]


def _place(content: bytes, random: Random) -> int:
    """A place in a file; its beginning, where headers stand, as often as all the rest."""
    size = max(1, len(content))
    return random.randrange(min(size, 64) if random.random() < 0.5 else size)


Change = Callable[[bytes, Sequence[bytes], Random], bytes]
CHANGES: tuple[Change, ...] = (
    _flip,
    _flip,
    _truncate,
    _cut,
    _repeat,
    _splice,
    _insert,
    _line,
    _change_number,
    _change_number,
    _change_value,
    _change_value,
    _change_json,
    _change_json,
    _change_json,
    _rename,
    _nest,
    _encode,
)
