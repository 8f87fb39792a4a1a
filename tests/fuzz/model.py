"""Model files, damaged: as they are, and with a hash that fits again, so that the graph is reached.

What opens is also asked for logits. `attack` damages fields of messages and keeps the lengths
around them right; other damage is `make fuzz`'s.
"""

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np

import wire
from fuzz.target import Target
from nplm.errors import DamagedError, DataError
from nplm.runtime.modelcard import SHA256
from nplm.runtime.onnxguard import read_envelope
from nplm.runtime.onnxmodel import open_bytes
from nplm.runtime.protobuf import BYTES, VARINT, WireError, iter_fields

GOLDEN = Path(__file__).parents[1] / "golden"
MIXTURE = Path(__file__).parents[1] / "compat" / "0.1.0" / "exports" / "mixture.onnx"
SIGNED = (GOLDEN / "signed.onnx").read_bytes()
Part = tuple[int, int, bytes]  # number and wire type of a field, and its bytes


def use(content: bytes) -> object:
    """Open a model file and ask it for logits."""
    model = open_bytes(content, "model.onnx")
    return model(np.zeros((16, model.block_size), np.int64))


def sign(content: bytes) -> bytes:
    """The content with a hash that fits, if it has a place for one."""
    try:
        place = read_envelope(content, "").places.get(SHA256)
    except DamagedError:
        return content
    if place is None:
        return content
    start, end = place
    blank = f'"{wire.BLANK}"'.encode()
    return wire.sign(content[:start] + blank + content[end:]) if end - start == 66 else content


TARGETS = [
    Target("model", SIGNED, lambda path: use(path.read_bytes()), "model.onnx"),
    Target("model signed anew", SIGNED, lambda path: use(sign(path.read_bytes())), "model.onnx"),
    Target("model of format 1", MIXTURE.read_bytes(), lambda path: use(path.read_bytes())),
]


def attack(valid: bytes, seed: int, cases: int) -> Counter[str]:
    """What came of so many damaged copies of a model file: the reason, or "opened"."""
    outcomes: Counter[str] = Counter()
    for case in range(cases):
        content = sign(damage(valid, Random(f"{seed}:{case}")))
        try:
            use(content)
            outcomes["opened"] += 1
        except DataError as error:
            outcomes[str(error)] += 1
    assert all(len(reason.splitlines()) == 1 for reason in outcomes)
    return outcomes


def damage(message: bytes, random: Random) -> bytes:
    """The message with one field, of it or of a message in it, changed."""
    try:
        fields = list(iter_fields(message, 0, len(message)))
    except WireError:
        return scramble(message, random)
    parts: list[Part] = [(it.number, it.wire, message[it.start : it.end]) for it in fields]
    if not parts:
        return scramble(message, random)
    place = random.randrange(len(parts))
    number, kind, raw = parts[place]
    if kind == BYTES and random.random() < 0.85:
        parts[place] = (number, kind, damage(raw, random))
    else:
        parts[place : place + 1] = changed(parts, place, random)
    return b"".join(map(written, parts))


def changed(parts: list[Part], place: int, random: Random) -> list[Part]:
    """What stands in the place of a field: nothing, two of it, another one, another value."""
    number, kind, raw = parts[place]
    value = random.choice([0, 1, 2, 3, 7, 8, 10, 2**31, 2**32 + 1, 2**63, 2**64 - 1])
    return random.choice(
        [
            [],
            [parts[place]] * random.choice([2, 100]),
            [random.choice(parts)],
            [(random.randrange(1, 30), kind, raw)],
            [(number, VARINT, wire.varint(value))],
            [(number, BYTES, scramble(raw, random))],
        ]
    )


def scramble(raw: bytes, random: Random) -> bytes:
    """Other bytes: flipped, cut, repeated, or words that a graph might hold."""
    words = [b"", b"Loop", b"Expand", b"Slice", b"logits", b"context", b"\xff" * 8, b"\x0a" * 500]
    kinds = [
        bytes(byte ^ (random.random() < 0.1) << random.randrange(8) for byte in raw),
        raw[: random.randrange(len(raw) + 1)],
        raw * random.choice([2, 50]),
        random.choice(words),
    ]
    return random.choice(kinds)


def written(part: Part) -> bytes:
    number, kind, raw = part
    length = wire.varint(len(raw)) if kind == BYTES else b""
    return wire.varint(number << 3 | kind) + length + raw
