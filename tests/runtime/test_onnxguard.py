"""A model by hand, opened; and everything a model may not be, refused before it is run."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wire
from nplm.errors import DamagedError, DataError
from nplm.runtime import onnxguard, onnxmodel
from nplm.runtime.onnxmodel import open_bytes, open_model
from nplm.stored import MAX_MODEL
from wire import CONSTANTS, FLOATS, NODES, field, graph, metadata, model, node, tensor, value

COMPAT = Path(__file__).parents[1] / "compat" / "0.1.0" / "exports"


def test_a_model_by_hand() -> None:
    opened = open_bytes(model(), "x.onnx")
    assert (opened.card.format, opened.card.vocab.symbols) == (2, wire.SYMBOLS)
    np.testing.assert_array_equal(opened(np.array([[0], [2]])), [wire.LOGITS[0], wire.LOGITS[2]])


def attribute(name: str, *values: bytes) -> bytes:
    return field(5, field(1, name) + b"".join(values))


def with_node(operator: str, more: bytes = b"") -> bytes:
    return model(graph(nodes=[*NODES, node(operator, ["rows"], "spare", more)]))


def with_table(table: bytes) -> bytes:
    return model(graph(constants=[table, CONSTANTS[1]]))


CHANGED = {
    "no graph": (b"", "it has no graph"),
    "not a message": (b"not a model", "no model file, or a damaged one"),
    "a loop": (with_node("Loop"), "the operator 'Loop'"),
    "a branch": (with_node("If"), "the operator 'If'"),
    "a scan": (with_node("Scan"), "the operator 'Scan'"),
    "random numbers": (with_node("RandomNormal"), "the operator 'RandomNormal'"),
    "a long operator": (with_node("x" * 5000), "the operator 'xxxx"),
    "no operator": (with_node(""), "the operator ''"),
    "a domain": (with_node("Add", field(7, "com.microsoft")), "it has a domain"),
    "an overload": (with_node("Add", field(8, "x")), "it has field 8"),
    "two outputs": (with_node("Add", field(2, "more")), "more than 1 of output"),
    "many inputs": (model(graph(nodes=[node("Max", ["rows"] * 33, "o")])), "more than 32 of input"),
    "a long name": (model(graph(nodes=[node("Add", ["n" * 257], "o")])), "more than 256 bytes"),
    "a graph inside": (with_node("Add", attribute("body", field(6, graph()))), "it has a graph"),
    "graphs inside": (with_node("Add", attribute("body", field(11, graph()))), "it has graphs"),
    "a tensor inside": (with_node("Add", attribute("t", field(5, b""))), "it has a tensor"),
    "text inside": (with_node("Add", attribute("s", field(4, b"x"))), "'s' of Add is no number"),
    "another word": (
        with_node("ScatterElements", field(5, field(1, "reduction") + field(4, b"mul"))),
        "'reduction' of ScatterElements is no number",
    ),
    "no value": (with_node("Add", attribute("axis")), "'axis' of Add is no number"),
    "two values": (with_node("Add", attribute("axis", field(2, 1.0), field(3, 1))), "is no number"),
    "many nodes": (model(graph(nodes=NODES * 8193)), "more than 16,384 of node"),
    "functions": (model(more=field(25, b"")), "it has functions"),
    "training": (model(more=field(20, b"")), "it has training_info"),
    "a second graph": (model(more=field(7, graph())), "more than 1 of graph"),
    "opset 17": (model(opset=field(2, 17)), "not of opset 18 alone"),
    "no opset": (model(opset=b""), "not of opset 18 alone"),
    "another domain": (model(opset=field(1, "my.own") + field(2, 18)), "'my.own'"),
    "two opsets": (model(more=field(8, field(2, 18))), "not of opset 18 alone"),
    "IR version 10": (model(ir_version=10), "its IR version is 10, not 8"),
    "sparse": (model(graph(more=field(15, b""))), "it has sparse constants"),
    "text": (with_table(tensor("table", 8, (1,), b"", field(6, b"x"))), "it has text"),
    "of text": (with_table(tensor("table", 8, (3, 3), FLOATS)), "of type 8"),
    "of doubles": (with_table(tensor("table", 11, (3, 3), FLOATS * 2)), "of type 11"),
    "elsewhere": (with_table(tensor("table", 1, (3, 3), FLOATS, field(13, b""))), "external data"),
    "said so": (with_table(tensor("table", 1, (3, 3), FLOATS, field(14, 1))), "external data"),
    "as numbers": (with_table(tensor("table", 1, (3, 3), FLOATS, field(4, b""))), "field 4"),
    "too small": (with_table(tensor("table", 1, (3, 4), FLOATS)), "not as large as it says"),
    "too large": (with_table(tensor("table", 1, (3,), FLOATS)), "not as large as it says"),
    "huge": (with_table(tensor("table", 1, (2**62, 4), b"")), "not as large as it says"),
    "empty": (with_table(tensor("table", 1, (0, 2**62), b"")), "not as large as it says"),
    "deep": (with_table(tensor("table", 1, (1,) * 5, FLOATS)), "more than 4 of dims"),
    "no data": (with_table(field(2, 1) + field(8, "table")), "it has no raw_data"),
    "other name": (model(graph(inputs=[value("x", 7, "batch", 1)])), "other inputs or outputs"),
    "other type": (model(graph(inputs=[value("context", 6, "batch", 1)])), "other inputs"),
    "other width": (model(graph(outputs=[value("logits", 1, "batch", 4)])), "other inputs"),
    "a fixed batch": (model(graph(inputs=[value("context", 7, 2, 1)])), "other inputs"),
    "no input": (model(graph(inputs=[])), "other inputs"),
    "two inputs": (model(graph(inputs=[value("context", 7, 1)] * 2)), "more than 1 of input"),
    "no type": (model(graph(inputs=[field(1, "context")])), "it has no type"),
    "block size": (model(entries=metadata(block_size=2)), "other inputs or outputs"),
    "the same key": (model(more=field(14, field(1, "nplm.level") + field(2, ""))), "twice"),
    "not UTF-8": (model(more=field(14, field(1, b"\xff") + field(2, ""))), "not UTF-8"),
    "no hash": (model(entries=metadata(sha256=7)), "64 hexadecimal digits"),
    "any hash": (model(entries=metadata(sha256="b" * 64)), "hash is another"),
    "cut": (model()[:-1], "a damaged one"),
    "flipped": (model().replace(b'"character"', b'"charactes"'), "level 'charactes'"),
    "in the weights": (model().replace(FLOATS, FLOATS[::-1]), "hash is another"),
    "unused": (model().replace(b"by hand", b"by band"), "hash is another"),
}


@pytest.mark.parametrize(("content", "message"), CHANGED.values(), ids=CHANGED)
def test_what_is_no_model_of_ours(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxmodel, "_onnxruntime", lambda: pytest.fail("onnxruntime was asked"))
    monkeypatch.setattr(onnxmodel, "choose_device", lambda device: device)
    with pytest.raises(DataError, match=message) as caught:
        open_bytes(content, "x.onnx")
    assert str(caught.value).startswith("x.onnx")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


def test_a_file_is_no_larger_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxguard, "MAX_MODEL", len(model()))
    open_bytes(model(), "x.onnx")
    with pytest.raises(DamagedError, match="a model has at most"):
        open_bytes(model(more=field(6, "")), "x.onnx")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.onnx").open("wb") as file:
        file.truncate(MAX_MODEL + 1)
    tracemalloc.start()
    with pytest.raises(DamagedError, match="has more than"):
        open_model(tmp_path / "x.onnx")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_what_others_made_is_called_that() -> None:
    """Whatever it holds: nobody is told of operators who takes a picture's model for one."""
    convolution = graph(nodes=[node("Conv", ["context"], "logits")])
    foreign = model(convolution, {"author": "somebody"}, field(2, 21), 10)
    with pytest.raises(DataError, match="not one that nplm exported"):
        open_bytes(foreign, "x.onnx")


def test_a_signed_file_of_format_1_is_held_to_its_hash() -> None:
    entries = metadata(format=1)
    for key in ("document", "unknown_id"):
        del entries[f"nplm.{key}"]
    assert open_bytes(model(entries=entries), "x.onnx").card.format == 1
    with pytest.raises(DamagedError, match="hash is another"):
        open_bytes(model(entries=entries).replace(FLOATS, FLOATS[::-1]), "x.onnx")


@pytest.mark.parametrize("path", sorted(COMPAT.glob("*.onnx")), ids=lambda path: path.stem)
def test_files_of_0_1_0_open_and_are_of_format_1(path: Path) -> None:
    assert open_model(path).card.format == 1


class Session:
    """Stands for onnxruntime, gone wrong."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def run(self, outputs: list[str], inputs: dict[str, Any]) -> list[Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer]


GOOD = np.array(wire.LOGITS[:2], np.float32)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (GOOD[:1], r"it gives \(1, 3\), not \(2, 3\) numbers"),
        (GOOD.ravel(), r"it gives \(6,\), not"),
        (GOOD.astype(np.float64), "it gives no float32"),
        (wire.LOGITS[:2], "it gives no float32"),
        (GOOD * np.float32("nan"), "not finite"),
        (GOOD - np.float32("inf"), "not finite"),
        (RuntimeError("[ONNXRuntimeError] : 6 : FAIL : no room.\nmore"), "cannot be run: no room;"),
    ],
)
def test_what_onnxruntime_gives_is_looked_at(answer: Any, message: str) -> None:
    opened = open_bytes(model(), "x.onnx")
    opened._session = Session(GOOD)
    np.testing.assert_array_equal(opened(np.zeros((2, 1), np.int64)), GOOD)
    opened._session = Session(answer)
    with pytest.raises(DamagedError, match=message) as caught:
        opened(np.zeros((2, 1), np.int64))
    assert str(caught.value).startswith("x.onnx cannot be run: ")
