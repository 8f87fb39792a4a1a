"""Model files that are ONNX but not to be trusted: refused in one line that names the file."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, external_data_helper

from nplm.errors import DataError
from nplm.runtime.onnxmodel import open_model


def rename_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "x"
    model.graph.node[0].input[1] = "x"


def rename_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "y"
    model.graph.node[-1].output[0] = "y"


def other_block_size(model: onnx.ModelProto) -> None:
    next(p for p in model.metadata_props if p.key == "nplm.block_size").value = "4"


def other_vocabulary(model: onnx.ModelProto) -> None:
    next(p for p in model.metadata_props if p.key == "nplm.vocab").value = '["a", "b"]'


def other_format(model: onnx.ModelProto) -> None:
    next(p for p in model.metadata_props if p.key == "nplm.format").value = "3"


def no_metadata(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def damaged_filter(model: onnx.ModelProto) -> None:
    next(p for p in model.metadata_props if p.key == "nplm.novelty").value = "%"


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
    ],
)
def test_changed_models(
    model_file: Path, tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    model = onnx.load(model_file)
    change(model)
    path = tmp_path / "changed.onnx"
    path.write_bytes(model.SerializeToString())
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
    if there:
        monkeypatch.chdir(tmp_path)
    else:
        (tmp_path / "weights.bin").unlink()
    with pytest.raises(DataError, match=r"split\.onnx .*(external data|other files)"):
        open_model(tmp_path / "split.onnx")
