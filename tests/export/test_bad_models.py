"""Exports that were changed and hashed anew: refused in one line that names the file.

What a graph may hold is in tests/runtime/test_onnxguard.py, without onnx.
"""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, external_data_helper

from nplm.errors import DataError
from nplm.runtime.checksum import BLANK, insert_checksum
from nplm.runtime.modelcard import SHA256
from nplm.runtime.onnxguard import read_envelope
from nplm.runtime.onnxmodel import open_model


def entry(model: onnx.ModelProto, key: str) -> onnx.StringStringEntryProto:
    return next(p for p in model.metadata_props if p.key == key)


def signed(model: onnx.ModelProto) -> bytes:
    entry(model, SHA256).value = f'"{BLANK}"'
    content = model.SerializeToString()
    return insert_checksum(content, read_envelope(content, "").places[SHA256])


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "x"
    model.graph.node[0].input[1] = "x"


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "y"
    model.graph.node[-1].output[0] = "y"


def other_block_size(model: onnx.ModelProto) -> None:
    entry(model, "nplm.block_size").value = "4"


def other_vocabulary(model: onnx.ModelProto) -> None:
    entry(model, "nplm.vocab").value = '["a", "b"]'


def other_format(model: onnx.ModelProto) -> None:
    entry(model, "nplm.format").value = "3"


def no_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def unlike_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-2].op_type = "Sigmoid"


def loop(model: onnx.ModelProto) -> None:
    node = model.graph.node.add(op_type="Loop", output=["spare"])
    node.attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.name = "body"


def damaged_filter(model: onnx.ModelProto) -> None:
    entry(model, "nplm.novelty").value = "%"


def other_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename_input, "other inputs or outputs"),
        (rename_output, "other inputs or outputs"),
        (other_block_size, "other inputs or outputs"),
        (other_vocabulary, "other inputs or outputs"),
        (other_type, "other inputs or outputs"),
        (other_format, "has format 3, this nplm reads 1 and 2"),
        (no_metadata, "not one that nplm exported"),
        (damaged_filter, "is damaged: nplm.novelty: "),
        (unlike_operator, "the operator 'Sigmoid'"),
        (loop, "cannot be run: it has a graph|the operator 'Loop'"),
    ],
)
def test_changed_models(
    model_file: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    model = onnx.load(model_file)
    change(model)
    path = tmp_path / "changed.onnx"
    path.write_bytes(signed(model) if model.metadata_props else model.SerializeToString())
    with pytest.raises(DataError, match=message) as caught:
        open_model(path)
    assert "changed.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("there", [True, False])
def test_external_data_is_refused(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """Also where the data lie beside the file, and where they lie in the working folder."""
    model = onnx.load(model_file)
    external_data_helper.convert_model_to_external_data(
        model, location="weights.bin", size_threshold=0
    )
    onnx.save(model, tmp_path / "split.onnx")
    split = onnx.load(tmp_path / "split.onnx", load_external_data=False)
    (tmp_path / "split.onnx").write_bytes(signed(split))
    if there:
        monkeypatch.chdir(tmp_path)
    else:
        (tmp_path / "weights.bin").unlink()
    with pytest.raises(DataError, match=r"split\.onnx cannot be run: it has external data"):
        open_model(tmp_path / "split.onnx")
