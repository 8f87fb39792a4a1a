"""Bytes that come in blocks to lines of text, numbered: the one reader of text."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from nplm.errors import DataError


@dataclass(frozen=True)
class Lines:
    """Whole lines of a text.

    Attributes:
        texts: without their ends.
        numbers: of the lines, from 1.
        skipped: lines left out because they are not UTF-8.
    """

    texts: list[str]
    numbers: Sequence[int]
    skipped: int = 0


def iter_lines(
    blocks: Iterable[bytes],
    name: str,
    *,
    skip_errors: bool = False,
    cure: str = "convert it to UTF-8 first",
) -> Iterator[Lines]:
    """Blocks of a UTF-8 text -> its lines; each block gives those that end in it.

    Lines end at LF or CRLF; a blank one is the empty string. A byte-order mark is dropped.

    Args:
        name: of the text, in messages.
        cure: what to do about a line that is not UTF-8.

    Raises:
        DataError: a line is not UTF-8 and `skip_errors` is not given; names line and byte.
    """
    number = 1
    begun: list[bytes] = []  # of a line whose end has not come
    for block in chain(blocks, [b""]):
        cut = block.rfind(b"\n") + 1
        if block and not cut:
            begun.append(block)
            continue
        whole, begun = b"".join([*begun, block[:cut]]), [block[cut:]]
        if number == 1:
            whole = whole.removeprefix(codecs.BOM_UTF8)
        if not whole:
            continue
        content = whole.replace(b"\r\n", b"\n").removesuffix(b"\n")
        try:
            texts = content.decode("utf-8").split("\n")
            lines = Lines(texts, range(number, number + len(texts)))
        except UnicodeDecodeError as error:
            if not skip_errors:
                raise DataError(_where(content, error.start, number, name), cure) from None
            lines = _decodable(content.split(b"\n"), number)
        number += len(lines.texts) + lines.skipped
        yield lines


def _where(content: bytes, place: int, number: int, name: str) -> str:
    line = number + content.count(b"\n", 0, place)
    byte = place - content.rfind(b"\n", 0, place)
    return f"{name} is not UTF-8: line {line}, byte {byte} is 0x{content[place]:02x}"


def _decodable(lines: list[bytes], number: int) -> Lines:
    """Those that are UTF-8."""
    texts, numbers = [], []
    for place, line in enumerate(lines, start=number):
        try:
            texts.append(line.decode("utf-8"))
            numbers.append(place)
        except UnicodeDecodeError:
            continue
    return Lines(texts, numbers, len(lines) - len(texts))
