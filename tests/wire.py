"""A naive writer of protobuf and, with it, a model file by hand: a bigram of three symbols."""

import hashlib
import json
import struct
from typing import Any

SYMBOLS = ("a", "b")
LOGITS = ((0.0, 1.0, 2.0), (3.0, -1.0, 0.5), (1.5, 0.25, -2.0))  # by the symbol before
BLANK = "0" * 64


def varint(number: int) -> bytes:
    head, rest = number % 128, number // 128
    return bytes([head | 128]) + varint(rest) if rest else bytes([head])


def field(number: int, value: float | str | bytes) -> bytes:
    """One field: a varint, four bytes of a float, or a run of bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def node(operator: str, inputs: list[str], output: str, more: bytes = b"") -> bytes:
    names = b"".join(field(1, name) for name in inputs)
    return names + field(2, output) + field(4, operator) + more


def tensor(name: str, kind: int, dims: tuple[int, ...], raw: bytes, more: bytes = b"") -> bytes:
    sizes = b"".join(field(1, size) for size in dims)
    return sizes + field(2, kind) + field(8, name) + field(9, raw) + more


def value(name: str, kind: int, *dims: int | str) -> bytes:
    shape = b"".join(
        field(1, field(1, dim) if isinstance(dim, int) else field(2, dim)) for dim in dims
    )
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, shape)))


FLOATS = struct.pack("<9f", *(number for row in LOGITS for number in row))
NODES = [
    node("Gather", ["table", "context"], "rows"),
    node("Reshape", ["rows", "shape"], "logits"),
]
CONSTANTS = [
    tensor("table", 1, (3, 3), FLOATS),
    tensor("shape", 7, (2,), struct.pack("<2q", -1, 3)),
]
INPUTS, OUTPUTS = [value("context", 7, "batch", 1)], [value("logits", 1, "batch", 3)]


def graph(
    nodes: list[bytes] = NODES,
    constants: list[bytes] = CONSTANTS,
    inputs: list[bytes] = INPUTS,
    outputs: list[bytes] = OUTPUTS,
    more: bytes = b"",
) -> bytes:
    """The graph of the bigram: a look-up and a reshape."""
    parts = {1: nodes, 5: constants, 11: inputs, 12: outputs}
    fields = [field(number, part) for number, some in parts.items() for part in some]
    return b"".join(fields) + field(2, "by hand") + more


def metadata(**values: Any) -> dict[str, str]:
    """What the bigram says about itself, in JSON; `values` replace its own."""
    own = {
        "format": 2,
        "level": "character",
        "document": "line",
        "boundary_id": 0,
        "vocab": list(SYMBOLS),
        "unknown_id": None,
        "block_size": 1,
        "normalize": "nfc",
        "longest": 4,
        "dataset_sha256": "a" * 64,
        "sha256": BLANK,
    }
    return {f"nplm.{key}": json.dumps(value) for key, value in (own | values).items()}


GRAPH, METADATA = graph(), metadata()


def model(
    own_graph: bytes = GRAPH,
    entries: dict[str, str] = METADATA,
    opset: bytes = field(2, 18),
    ir_version: int = 8,
    more: bytes = b"",
) -> bytes:
    """The model file of the bigram, with its hash."""
    content = field(1, ir_version) + field(7, own_graph)
    content += field(8, opset)
    for key, text in entries.items():
        content += field(14, field(1, key) + field(2, text))
    return sign(content + more)


def sign(content: bytes) -> bytes:
    """The content with its hash in place of the zeros."""
    return content.replace(BLANK.encode(), hashlib.sha256(content).hexdigest().encode())
