"""The reader of the wire format against a naive writer, and against bytes that are no message."""

import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire
from nplm.runtime.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Slot,
    WireError,
    iter_fields,
    read_message,
)

NUMBERS = st.integers(1, 2**29 - 1)
VALUES = st.one_of(
    st.integers(0, 2**64 - 1), st.binary(max_size=200), st.floats(width=32, allow_nan=False)
)
SLOTS = {1: Slot("number", VARINT), 2: Slot("text", BYTES, 2), 3: Slot("secret", BYTES, 0)}


@given(st.lists(st.tuples(NUMBERS, VALUES), max_size=20), st.binary(max_size=9))
def test_what_was_written_is_read(
    written: list[tuple[int, int | bytes | float]], pad: bytes
) -> None:
    content = pad + b"".join(wire.field(number, value) for number, value in written)
    fields = list(iter_fields(content, len(pad), len(content)))
    assert [field.number for field in fields] == [number for number, _ in written]
    for field, (_, value) in zip(fields, written, strict=True):
        raw = content[field.start : field.end]
        if isinstance(value, int):
            assert (field.wire, field.value) == (VARINT, value)
        elif isinstance(value, float):
            assert (field.wire, raw) == (FIXED32, struct.pack("<f", value))
        else:
            assert (field.wire, raw) == (BYTES, value)


def test_by_hand() -> None:
    """The example of protobuf's own documentation: field 1 is 150; then eight bytes."""
    content = bytes([0x08, 0x96, 0x01, 0x11, *range(8)])
    assert list(iter_fields(content, 0, 12)) == [(1, VARINT, 150, 1, 3), (2, FIXED64, 0, 4, 12)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80", "does not end"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "does not end"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "does not end"),  # 65 bits
        (b"\x08", "does not end"),
        (b"\x00\x00", "no field 0"),
        (wire.varint(2**32) + b"\x00", "no field 536870912"),
        (b"\x0b\x0c", "no wire type 3"),
        (b"\x0e\x00", "no wire type 6"),
        (b"\x12\x05abcd", "after its message ends"),
        (b"\x12" + wire.varint(2**64 - 1), "after its message ends"),
        (b"\x0d\x00\x00\x00", "after its message ends"),
        (b"\x09" + bytes(7), "after its message ends"),
    ],
)
def test_what_is_no_message(content: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        list(iter_fields(content, 0, len(content)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wire.field(1, 1) * 2, "more than 1 of number"),
        (wire.field(2, b"") * 3, "more than 2 of text"),
        (wire.field(1, b""), "number at byte 2 is of wire type 2"),
        (wire.field(3, b""), "it has secret"),
        (wire.field(4, 1), "it has field 4"),
    ],
)
def test_what_is_not_described(content: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message):
        read_message(content, 0, len(content), SLOTS)


def test_values_by_name() -> None:
    content = wire.field(2, "é") + wire.field(1, 7) + wire.field(2, b"\xff")
    message = read_message(content, 0, len(content), SLOTS)
    assert (message.number("number"), message.text("text")) == (7, "é")
    assert len(message.all("text")) == 2
    nothing = read_message(content, 0, 0, SLOTS)
    assert (nothing.number("number"), nothing.text("text"), nothing.all("text")) == (0, "", [])
    with pytest.raises(WireError, match="it has no text"):
        nothing.one("text")
    with pytest.raises(WireError, match="not UTF-8"):
        read_message(wire.field(2, b"\xff"), 0, 3, SLOTS).text("text")


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_end_in_fields_or_an_error(seed: int) -> None:
    content = random.Random(seed).randbytes(2000)
    try:
        fields = list(iter_fields(content, 0, len(content)))
    except WireError:
        return
    assert fields[-1].end == len(content)


def test_nothing_is_kept_of_a_message_of_a_million_fields() -> None:
    content = wire.field(2, b"") * 1_000_000
    tracemalloc.start()
    with pytest.raises(WireError, match="more than 2 of text"):
        read_message(content, 0, len(content), SLOTS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
