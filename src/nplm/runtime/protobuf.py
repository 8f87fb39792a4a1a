"""The wire format of protobuf, in which model files are written: the fields of one message.

A field is a number and a varint, 4 or 8 bytes, or a run of bytes: text, or a message again, which
is read when it is asked for. So nothing recurses, no byte is copied, and what one message may take
is bounded by its description. Left out: groups, which ONNX never had.

Stricter than protobuf: a field that is not described is an error, and so is a second value of a
field that is there once (protobuf merges two messages, or takes the last number).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
WIDTHS = {FIXED64: 8, FIXED32: 4}
VARINT_BYTES = 10  # the longest: 64 bits, seven a byte
MAX_NUMBER = (1 << 29) - 1  # of a field


class WireError(ValueError):
    """Bytes that are no message, or not one of the described kind."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        value: of a varint, unsigned; else 0.
        start: where its bytes begin in the whole content.
        end: where they end.
    """

    number: int
    wire: int
    value: int
    start: int
    end: int


class Slot(NamedTuple):
    """What a message may have under one number: its name, its wire type and how many of them."""

    name: str
    wire: int
    most: int = 1


class Message:
    """A message that was found to hold nothing but what its description allows."""

    def __init__(self, content: bytes, fields: Mapping[str, list[Field]]) -> None:
        self._content = content
        self._fields = fields

    def all(self, name: str) -> list[Field]:
        """The fields of that name, in order."""
        return self._fields.get(name, [])

    def one(self, name: str) -> Field:
        """The field of that name; WireError where there is none."""
        if not self.all(name):
            raise WireError(f"it has no {name}")
        return self._fields[name][0]

    def number(self, name: str) -> int:
        """The value of a varint; 0 where there is none, as in protobuf."""
        return self.one(name).value if self.all(name) else 0

    def text(self, name: str) -> str:
        """The text of a field; empty where there is none, as in protobuf."""
        return text_of(self._content, self.one(name)) if self.all(name) else ""


def text_of(content: bytes, field: Field) -> str:
    """The bytes of a field as text; WireError where they are not UTF-8."""
    try:
        return content[field.start : field.end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"text at byte {field.start} is not UTF-8") from error


def read_message(content: bytes, start: int, end: int, slots: Mapping[int, Slot]) -> Message:
    """The message in content[start:end], described by `slots` by number.

    Raises:
        WireError: it is no message, or has something that `slots` do not allow.
    """
    fields: dict[str, list[Field]] = {}
    for field in iter_fields(content, start, end):
        slot = slots.get(field.number)
        if slot is None:
            raise WireError(f"it has field {field.number} at byte {field.start}")
        if slot.wire != field.wire:
            raise WireError(f"{slot.name} at byte {field.start} is of wire type {field.wire}")
        if not slot.most:
            raise WireError(f"it has {slot.name}")
        same = fields.setdefault(slot.name, [])
        if len(same) == slot.most:
            raise WireError(f"it has more than {slot.most:,} of {slot.name}")
        same.append(field)
    return Message(content, fields)


def iter_fields(content: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields in content[start:end], whatever they are.

    Raises:
        WireError: the bytes are no message.
    """
    while start < end:
        tag, start = _varint(content, start, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number <= MAX_NUMBER:
            raise WireError(f"there is no field {number}, at byte {start}")
        value, stop = 0, start
        if wire == VARINT:
            value, stop = _varint(content, start, end)
        elif wire == BYTES:
            length, start = _varint(content, start, end)
            stop = start + length
        elif wire in WIDTHS:
            stop = start + WIDTHS[wire]
        else:
            raise WireError(f"there is no wire type {wire}, at byte {start}")
        if stop > end:
            raise WireError(f"field {number} at byte {start} goes on after its message ends")
        yield Field(number, wire, value, start, stop)
        start = stop


def _varint(content: bytes, start: int, end: int) -> tuple[int, int]:
    """A number of at most 64 bits, the lowest seven first, and where it ends."""
    value = 0
    for place in range(start, min(end, start + VARINT_BYTES)):
        byte = content[place]
        value |= (byte & 0x7F) << 7 * (place - start)
        if byte < 0x80:
            if value >> 64:
                break
            return value, place + 1
    raise WireError(f"a number at byte {start} does not end")
