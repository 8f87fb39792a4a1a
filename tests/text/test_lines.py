"""Text in blocks to numbered lines, against the whole text split at LF."""

import errno
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.checks import MAX_LINE_BYTES
from nplm.errors import DataError, PathError
from nplm.text.lines import Lines, iter_lines, read_blocks

TEXT = "\ufeffanna\r\n\nb\u00e9\u2028b\x85\x0c\x1c\n\rc\nlast".encode()


def read(blocks: list[bytes], *, skip_errors: bool = False) -> Lines:
    chunks = list(iter_lines(blocks, "f.txt", skip_errors=skip_errors))
    return Lines(
        [text for chunk in chunks for text in chunk.texts],
        [number for chunk in chunks for number in chunk.numbers],
        sum(chunk.skipped for chunk in chunks),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_text_in_blocks(size: int) -> None:
    """Only LF and CRLF end a line, and a blank line is one."""
    lines = read([TEXT[k : k + size] for k in range(0, len(TEXT), size)])
    assert lines.texts == ["anna", "", "b\u00e9\u2028b\x85\x0c\x1c", "\rc", "last"]
    assert lines.numbers == [1, 2, 3, 4, 5]
    assert lines.skipped == 0


@given(st.text(st.sampled_from("ab\n\r\u2028\u00e9"), max_size=30), st.integers(1, 7))
def test_any_text_in_any_blocks(text: str, size: int) -> None:
    content = text.encode()
    expected = text.replace("\r\n", "\n").split("\n")
    if not text or text.endswith("\n"):
        expected.pop()
    lines = read([content[k : k + size] for k in range(0, len(content), size)])
    assert lines.texts == expected
    assert lines.numbers == list(range(1, len(expected) + 1))


@pytest.mark.parametrize("size", [1, 4, 100])
def test_lines_that_are_not_utf_8(size: int) -> None:
    text = b"anna\r\nb\xff\n\nc\n\xfe\n"
    blocks = [text[k : k + size] for k in range(0, len(text), size)]
    with pytest.raises(DataError, match="line 2, byte 2 is 0xff"):
        read(blocks)
    assert read(blocks, skip_errors=True) == Lines(["anna", "", "c"], [1, 3, 4], 2)


def test_a_mark_alone_is_no_line() -> None:
    assert read(["\ufeff".encode()]).texts == read([]).texts == []
    assert read(["\ufeff\n".encode()]).texts == [""]


def test_a_block_gives_the_lines_that_end_in_it() -> None:
    """So that somebody who types is answered after each line."""
    chunks = iter_lines(iter([b"anna\nbo", b"b\n", b"c"]), "stdin")
    assert [chunk.texts for chunk in chunks] == [["anna"], ["bob"], ["c"]]


def test_the_longest_line_and_one_that_is_longer() -> None:
    whole = b"a\n" + b"b" * MAX_LINE_BYTES + b"\n"
    for size in (1 << 20, len(whole)):
        blocks = [whole[k : k + size] for k in range(0, len(whole), size)]
        assert [len(text) for text in read(blocks).texts] == [1, MAX_LINE_BYTES]
        blocks[-1] = blocks[-1][:-1] + b"b\nc\n"
        for skip in (False, True):
            with pytest.raises(DataError, match=r"f.txt: line 2 is longer than 4,194,304 bytes"):
                read(blocks, skip_errors=skip)


def test_a_line_without_end_takes_no_more_memory() -> None:
    block = bytes(1 << 16)
    tracemalloc.start()
    with pytest.raises(DataError, match="line 1 is longer"):
        read(itertools.repeat(block))  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * MAX_LINE_BYTES


def test_an_error_in_the_middle_is_one_of_the_text() -> None:
    answers = iter([b"anna\nb", OSError(errno.EIO, "Input/output error")])

    def failing() -> bytes:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    lines = iter_lines(read_blocks(failing, "list.txt"), "list.txt")
    assert next(lines).texts == ["anna"]
    with pytest.raises(PathError, match=r"cannot read list.txt: Input/output error"):
        next(lines)
