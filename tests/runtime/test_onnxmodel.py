"""Opening model files: what is refused, and that a row's logits do not depend on its batch."""

from pathlib import Path

import numpy as np
import pytest

from nplm.errors import DataError, DeviceError
from nplm.runtime.onnxmodel import available_providers, choose_device, open_bytes, open_model
from nplm.stepmodel import all_logits


def test_rows_are_bit_equal_whatever_the_chunk(tiny_model: Path) -> None:
    model = open_model(tiny_model)
    contexts = np.random.default_rng(0).integers(0, model.vocab_size, (4099, model.block_size))
    whole = all_logits(model, contexts)
    for chunk in (1, 2, 3, 7, 15, 16, 17, 100, 1000, 4095):
        part = contexts[:50] if chunk < 16 else contexts
        np.testing.assert_array_equal(all_logits(model, part, chunk), whole[: len(part)])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no model file"), (b"not a model", "no model file"), (b"\x08\x08", "no model file")],
)
def test_what_is_not_onnx_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_bytes(content, "x.onnx")
    assert "\n" not in str(caught.value)


def test_a_truncated_model_is_refused(tiny_model: Path) -> None:
    with pytest.raises(DataError, match=r"x\.onnx"):
        open_bytes(tiny_model.read_bytes()[:-100], "x.onnx")


def test_a_missing_model_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nplm export onnx"):
        open_model(tmp_path / "none.onnx")


def test_devices() -> None:
    assert choose_device("cpu") == "cpu"
    with pytest.raises(DeviceError, match="choose auto, cpu or cuda"):
        choose_device("tpu")
    if "CUDAExecutionProvider" in available_providers():
        pytest.skip("this onnxruntime has CUDA")
    assert choose_device("auto") == "cpu"
    with pytest.raises(DeviceError, match="onnxruntime-gpu"):
        choose_device("cuda")
