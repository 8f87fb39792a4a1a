"""Bytes that come in blocks to lines of text, numbered."""

import codecs
from collections.abc import Iterable, Iterator
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
    numbers: list[int]
    skipped: int


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
        DataError: a line is not UTF-8 and `skip_errors` is not given; the message names it.
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
        raw = whole.removesuffix(b"\n")
        lines = _decode(raw, number, name, cure, skip_errors=skip_errors)
        number += len(lines.texts) + lines.skipped
        yield lines


def _decode(raw: bytes, number: int, name: str, cure: str, *, skip_errors: bool) -> Lines:
    try:
        texts = [text.removesuffix("\r") for text in raw.decode("utf-8").split("\n")]
        return Lines(texts, list(range(number, number + len(texts))), 0)
    except UnicodeDecodeError:
        decoded = [_text_or_none(line.removesuffix(b"\r")) for line in raw.split(b"\n")]
    if not skip_errors:
        raise DataError(f"{name} is not UTF-8: line {number + decoded.index(None)}", cure)
    kept = [(text, number + k) for k, text in enumerate(decoded) if text is not None]
    return Lines([text for text, _ in kept], [place for _, place in kept], len(decoded) - len(kept))


def _text_or_none(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None
