"""What a model file may hold, checked before onnxruntime sees it.

A model of ours is a few dozen plain operators over constants that lie in the file. Everything else
is refused by not being described here: operators that loop or branch, functions, other domains,
constants in other files, sparse ones and those of text. What the numbers are is not looked at, nor
how much memory an operator takes.

The descriptions are those of onnx.proto, as far as our exports use it; fields that may not be there
(`most` 0) have a name for the message alone.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nplm.errors import DamagedError
from nplm.runtime.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    Field,
    Message,
    Slot,
    WireError,
    read_message,
    text_of,
)
from nplm.stored import MAX_MODEL, shorten

OPSET = 18
IR_VERSION = 8  # the one of opset 18: onnxruntime since 2023 reads it
MAKE = "make one: nplm export onnx"
MAX_NODES = 1 << 14  # also constants; 16 networks of 16 layers beside a 65-gram have some 10,000
MAX_NAME = 256  # bytes
MAX_DIMENSIONS = 4
MAX_INPUTS = 32  # of a node: one for each part of a mixture
MAX_METADATA = 256  # entries

# All that the exports of any settings use: tests/export/test_operators.py.
OPERATORS = frozenset({
    "Add", "And", "Cast", "Concat", "CumSum", "Div", "Equal", "Erf", "Expand", "Gather", "GatherND",
    "Gemm", "Greater", "LayerNormalization", "Less", "LessOrEqual", "Log", "LogSoftmax", "Max",
    "Min", "Mul", "Range", "ReduceLogSumExp", "Relu", "Reshape", "ScatterElements", "Shape",
    "Slice", "Squeeze", "Sub", "Tanh", "Unsqueeze", "Where",
})  # fmt: skip
WORDS = {("ScatterElements", "reduction"): ("add", "none")}  # attributes that are no numbers
FLOAT, INT32, INT64, FLOAT16 = 1, 6, 7, 10
ITEM_BYTES = {FLOAT: 4, INT32: 4, INT64: 8, FLOAT16: 2}
INPUT, OUTPUT = "context", "logits"

Slots = Mapping[int, Slot]
MODEL: Slots = {
    1: Slot("ir_version", VARINT),
    2: Slot("producer_name", BYTES),
    3: Slot("producer_version", BYTES),
    6: Slot("doc_string", BYTES),
    7: Slot("graph", BYTES),
    8: Slot("opset_import", BYTES, 8),
    14: Slot("metadata_props", BYTES, MAX_METADATA),
    20: Slot("training_info", BYTES, 0),
    25: Slot("functions", BYTES, 0),
}
OPSET_ID: Slots = {1: Slot("domain", BYTES), 2: Slot("version", VARINT)}
ENTRY: Slots = {1: Slot("key", BYTES), 2: Slot("value", BYTES)}
GRAPH: Slots = {
    1: Slot("node", BYTES, MAX_NODES),
    2: Slot("name", BYTES),
    5: Slot("initializer", BYTES, MAX_NODES),
    10: Slot("doc_string", BYTES),
    11: Slot("input", BYTES),
    12: Slot("output", BYTES),
    15: Slot("sparse constants", BYTES, 0),
}
NODE: Slots = {
    1: Slot("input", BYTES, MAX_INPUTS),
    2: Slot("output", BYTES),
    3: Slot("name", BYTES),
    4: Slot("op_type", BYTES),
    5: Slot("attribute", BYTES, 8),
    6: Slot("doc_string", BYTES),
    7: Slot("a domain", BYTES, 0),
}
ATTRIBUTE: Slots = {
    1: Slot("name", BYTES),
    2: Slot("f", FIXED32),
    3: Slot("i", VARINT),
    4: Slot("s", BYTES),
    5: Slot("a tensor", BYTES, 0),
    6: Slot("a graph", BYTES, 0),
    11: Slot("graphs", BYTES, 0),
    13: Slot("doc_string", BYTES),
    20: Slot("type", VARINT),
}
TENSOR: Slots = {
    1: Slot("dims", VARINT, MAX_DIMENSIONS),
    2: Slot("data_type", VARINT),
    6: Slot("text", BYTES, 0),
    8: Slot("name", BYTES),
    9: Slot("raw_data", BYTES),
    12: Slot("doc_string", BYTES),
    13: Slot("external data", BYTES, 0),
    14: Slot("external data", VARINT, 0),
}
VALUE: Slots = {1: Slot("name", BYTES), 2: Slot("type", BYTES), 3: Slot("doc_string", BYTES)}
TYPE: Slots = {1: Slot("tensor_type", BYTES)}
TENSOR_TYPE: Slots = {1: Slot("elem_type", VARINT), 2: Slot("shape", BYTES)}
SHAPE: Slots = {1: Slot("dim", BYTES, MAX_DIMENSIONS)}
DIMENSION: Slots = {1: Slot("dim_value", VARINT), 2: Slot("dim_param", BYTES)}


@dataclass(frozen=True)
class Envelope:
    """A model file around its graph.

    Attributes:
        metadata: by key.
        places: where each value lies in the content, by key.
        graph: where the graph lies.
    """

    metadata: dict[str, str]
    places: dict[str, tuple[int, int]]
    graph: Field


def read_envelope(content: bytes, where: str) -> Envelope:
    """What stands around the graph; `where` names the file in messages.

    Raises:
        DamagedError: it is not ONNX, of another version, or has what no model of ours has.
    """
    try:
        if len(content) > MAX_MODEL:
            raise WireError(f"it has {len(content):,} bytes; a model has at most {MAX_MODEL:,}")
        model = read_message(content, 0, len(content), MODEL)
        graph = model.one("graph")
        places, metadata = {}, {}
        for entry in _messages(content, model, "metadata_props", ENTRY):
            key, value = entry.text("key"), entry.one("value")
            if key in places:
                raise WireError(f"its metadata have {shorten(repr(key))} twice")
            places[key], metadata[key] = (value.start, value.end), text_of(content, value)
        if any(key.startswith("nplm.") for key in metadata):  # others are told so by their card
            _check_versions(content, model)
    except WireError as error:
        problem = f"{where} is no model file, or a damaged one: {error}"
        raise DamagedError(where, problem, MAKE) from error
    return Envelope(metadata, places, graph)


def check_graph(content: bytes, graph: Field, block_size: int, vocab_size: int, where: str) -> None:
    """Refuse a graph that is none of ours; `where` names the file in messages.

    Raises:
        DamagedError: the message says what it holds.
    """
    try:
        parts = read_message(content, graph.start, graph.end, GRAPH)
        for node in _messages(content, parts, "node", NODE):
            _check_node(content, node)
        for tensor in _messages(content, parts, "initializer", TENSOR):
            _check_constant(tensor)
        interface = [
            _read_interface(content, value)
            for name in ("input", "output")
            for value in _messages(content, parts, name, VALUE)
        ]
    except WireError as error:
        raise refused(where, error) from error
    sizes = [(INPUT, INT64, ["batch", block_size]), (OUTPUT, FLOAT, ["batch", vocab_size])]
    if interface != sizes:
        raise DamagedError(
            where,
            f"{where} has other inputs or outputs than its metadata says: "
            f"{shorten(repr(interface))}",
            "export it again",
        )


def refused(where: str, reason: object) -> DamagedError:
    """The error for a file that is not to be run."""
    return DamagedError(where, f"{where} cannot be run: {reason}", MAKE)


def _check_versions(content: bytes, model: Message) -> None:
    opsets = [
        (opset.text("domain"), opset.number("version"))
        for opset in _messages(content, model, "opset_import", OPSET_ID)
    ]
    if opsets != [("", OPSET)]:
        raise WireError(f"its operators are of {shorten(repr(opsets))}, not of opset {OPSET} alone")
    if model.number("ir_version") != IR_VERSION:
        raise WireError(f"its IR version is {model.number('ir_version')}, not {IR_VERSION}")


def _check_node(content: bytes, node: Message) -> None:
    operator = node.text("op_type")
    if operator not in OPERATORS:
        raise WireError(f"it has the operator {shorten(repr(operator))}, which no export uses")
    for names in (node.all("input"), node.all("output"), node.all("name")):
        if any(field.end - field.start > MAX_NAME for field in names):
            raise WireError(f"a name has more than {MAX_NAME} bytes")
    for attribute in _messages(content, node, "attribute", ATTRIBUTE):
        name = attribute.text("name")
        if (operator, name) in WORDS and attribute.text("s") in WORDS[operator, name]:
            continue
        if len(attribute.all("f")) + len(attribute.all("i")) != 1 or attribute.all("s"):
            raise WireError(f"{shorten(repr(name))} of {operator} is no number")


def _check_constant(tensor: Message) -> None:
    """It lies in the file, and is as large as it says."""
    name, kind = shorten(repr(tensor.text("name"))), tensor.number("data_type")
    if kind not in ITEM_BYTES:
        raise WireError(f"the constant {name} is of type {kind}")
    dimensions = [field.value for field in tensor.all("dims")]
    data = tensor.one("raw_data")
    if math.prod(dimensions) * ITEM_BYTES[kind] != data.end - data.start or 0 in dimensions:
        raise WireError(f"the constant {name} is not as large as it says")


def _read_interface(content: bytes, value: Message) -> tuple[str, int, list[str | int]]:
    """The name, type and shape of an input or output."""
    tensor = _message(content, _message(content, value, "type", TYPE), "tensor_type", TENSOR_TYPE)
    shape: list[str | int] = []
    for dim in _messages(content, _message(content, tensor, "shape", SHAPE), "dim", DIMENSION):
        if dim.all("dim_param") and dim.all("dim_value"):
            raise WireError("a dimension has a name and a size")
        shape.append(dim.text("dim_param") or dim.number("dim_value"))
    return value.text("name"), tensor.number("elem_type"), shape


def _message(content: bytes, parent: Message, name: str, slots: Slots) -> Message:
    part = parent.one(name)
    return read_message(content, part.start, part.end, slots)


def _messages(content: bytes, parent: Message, name: str, slots: Slots) -> Iterator[Message]:
    for part in parent.all(name):
        yield read_message(content, part.start, part.end, slots)
