"""Bytes that come in blocks to lines of text, numbered: the one reader of text.

What is held is a block and a line, each of bounded size.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from nplm.checks import MAX_LINE_BYTES
from nplm.errors import DataError, PathError
from nplm.files import reading

BLOCK_BYTES = 1 << 20


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


def file_blocks(path: Path) -> Iterator[bytes]:
    """The blocks of a file.

    Raises:
        NotFoundError, PathError: it cannot be read.
    """
    with reading(path) as file:
        yield from read_blocks(lambda: file.read(BLOCK_BYTES), str(path))


def read_blocks(read: Callable[[], bytes], name: str) -> Iterator[bytes]:
    """What `read` gives until it gives nothing; an error of it is one of the source, `name`."""
    while True:
        try:
            block = read()
        except OSError as error:
            raise PathError(name, f"cannot read {name}: {error.strerror or error}") from error
        if not block:
            return
        yield block


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
        DataError: a line is longer than MAX_LINE_BYTES; or it is not UTF-8 and `skip_errors` is not
            given; names line and byte.
    """
    number = 1
    begun: list[bytes] = []  # of a line whose end has not come
    begun_bytes = 0
    for block in chain(blocks, [b""]):
        cut = block.rfind(b"\n") + 1
        if begun_bytes + len(block) > MAX_LINE_BYTES:
            _refuse_long(begun_bytes, block, number, name)
        if block and not cut:
            begun.append(block)
            begun_bytes += len(block)
            continue
        whole, begun = b"".join([*begun, block[:cut]]), [block[cut:]]
        begun_bytes = len(begun[0])
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


def _refuse_long(begun_bytes: int, block: bytes, number: int, name: str) -> None:
    """Raise DataError where a line in `block`, the first of which is begun, is too long."""
    for place, line in enumerate(block.split(b"\n")):
        if (0 if place else begun_bytes) + len(line) > MAX_LINE_BYTES:
            raise DataError(
                f"{name}: line {number + place} is longer than {MAX_LINE_BYTES:,} bytes",
                "give a text with one string a line",
            )


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
