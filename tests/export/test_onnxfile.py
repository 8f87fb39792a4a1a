"""Export: proof, bytes, and that a wrong file is never put in place."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from nplm.counts.tables import table_of
from nplm.errors import DataError, VerificationError
from nplm.export import onnxfile as exporting
from nplm.export import proof
from nplm.export.onnxfile import export
from nplm.export.proof import explained, prove
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runs.opened import load_run
from nplm.runtime import onnxguard
from nplm.runtime.generate import default_max_length, generate
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.runtime.walk import Generated
from nplm.stepmodel import StepModel
from nplm.text.dataset import Dataset


def test_two_exports_are_the_same_bytes(
    run_folder: Path, model_file: Path, small: Dataset, tmp_path: Path
) -> None:
    export(load_run(run_folder), small, tmp_path / "elsewhere" / "names.onnx")
    assert (tmp_path / "elsewhere" / "names.onnx").read_bytes() == model_file.read_bytes()


def test_the_file_tells_nothing_of_this_machine(run_folder: Path, model_file: Path) -> None:
    content = model_file.read_bytes()
    for secret in (str(run_folder.parent), "site-packages", 'File "', "stack_trace", "/home"):
        assert secret.encode() not in content


def test_interface_operators_and_versions(model_file: Path, small: Dataset) -> None:
    traced = onnx.load(model_file)
    assert [(o.domain, o.version) for o in traced.opset_import] == [("", 18)]
    assert traced.ir_version == 8
    assert [n.op_type for n in traced.graph.node] == ["Gather", "Reshape", "Gemm", "Tanh", "Gemm"]
    (given,), (out,) = traced.graph.input, traced.graph.output
    shapes = [
        [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (given, out)
    ]
    assert (given.name, out.name) == ("context", "logits")
    assert shapes == [["batch", 3], ["batch", len(small.vocab)]]
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in traced.graph.initializer)


def test_the_sidecar_says_what_the_file_says(model_file: Path) -> None:
    import hashlib

    sidecar = json.loads(model_file.with_name("names.onnx.json").read_text(encoding="utf-8"))
    assert sidecar.pop("sha256") == hashlib.sha256(model_file.read_bytes()).hexdigest()
    assert sidecar == open_model(model_file).card.facts()
    assert sidecar["proof"]["contexts"] > 1000


def test_both_runtimes_give_the_same_strings(run_folder: Path, model_file: Path) -> None:
    run, onnx_model = load_run(run_folder), open_model(model_file)
    sampling = SamplingConfig(max_length=30)
    one = list(generate(run.model, run.card, sampling, StreamConfig(1000, seed=1, cut=True)))
    two = list(
        generate(onnx_model, onnx_model.card, sampling, StreamConfig(1000, seed=1, cut=True))
    )
    assert [g.text for g in one] == [g.text for g in two]
    np.testing.assert_allclose([g.nats for g in one], [g.nats for g in two], rtol=1e-4)


NAMES = int(os.environ.get("NPLM_NAMES", "20000"))


def test_strings_differ_only_at_a_boundary(
    run_folder: Path, model_file: Path, record_property: Callable[[str, object], None]
) -> None:
    """NPLM_NAMES=1000000 makes it the long one."""
    run, onnx_model = load_run(run_folder), open_model(model_file)
    sampling = SamplingConfig(max_length=default_max_length(run.card))
    pairs = zip(
        generate(run.model, run.card, sampling, StreamConfig(NAMES, cut=True)),
        generate(onnx_model, onnx_model.card, sampling, StreamConfig(NAMES, cut=True)),
        strict=True,
    )
    parted = [(one, two) for one, two in pairs if one.text != two.text]
    record_property("differing", f"{len(parted)} of {NAMES}")
    assert all(explained(run.model, onnx_model, run.card, one, two) for one, two in parted)
    assert len(parted) <= NAMES * 1e-4


class Shifted:
    """A model whose logits of one symbol are off by a little."""

    def __init__(self, model: OnnxModel, by: float) -> None:
        self.model, self.by = model, by
        self.block_size, self.vocab_size = model.block_size, model.vocab_size

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        logits = self.model(contexts)
        logits[:, 1] += np.float32(self.by)
        return logits


def test_a_wrong_model_is_not_written(
    run_folder: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "names.onnx"
    out.write_bytes(b"what was there")
    real = exporting.open_bytes
    monkeypatch.setattr(exporting, "open_bytes", lambda *a: Shifted(real(*a), 0.01))
    with pytest.raises(VerificationError, match="differ by"):
        export(load_run(run_folder), small, out, force=True)
    assert out.read_bytes() == b"what was there"
    assert not out.with_name("names.onnx.json").exists()


def test_a_file_that_would_not_open_is_not_written(
    run_folder: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another torch might make of the network."""
    out = tmp_path / "names.onnx"
    out.write_bytes(b"what was there")
    monkeypatch.setattr(onnxguard, "OPERATORS", onnxguard.OPERATORS - {"Tanh"})
    with pytest.raises(VerificationError, match="the operator 'Tanh', which no export uses"):
        export(load_run(run_folder), small, out, force=True)
    assert out.read_bytes() == b"what was there"


def test_a_nan_fails_the_proof(model_file: Path, small: Dataset) -> None:
    truth = open_model(model_file)
    with pytest.raises(VerificationError, match="differ by nan"):
        prove(truth, Shifted(truth, float("nan")), truth.card, table_of(small, "train", 3))


def parted(truth: StepModel, wrong: StepModel, card: ModelCard) -> list[tuple[Generated, ...]]:
    """The strings of 1,000 in which two models differ."""
    sampling, stream = SamplingConfig(max_length=30), StreamConfig(1000, cut=True)
    both = (generate(model, card, sampling, stream) for model in (truth, wrong))
    return [pair for pair in zip(*both, strict=True) if pair[0].text != pair[1].text]


def test_a_string_may_differ_only_at_a_boundary(
    model_file: Path, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = open_model(model_file)
    wrong = Shifted(truth, 0.05)
    monkeypatch.setattr(proof, "TOLERANCE", 1.0)
    with pytest.raises(VerificationError, match="different strings"):
        prove(truth, wrong, truth.card, table_of(small, "train", 3))
    pairs = parted(truth, wrong, truth.card)
    assert not all(explained(truth, wrong, truth.card, *pair) for pair in pairs)
    monkeypatch.setattr(proof, "BOUNDARY_TOLERANCE", 0.05)
    assert all(explained(truth, wrong, truth.card, *pair) for pair in pairs)


def test_the_boundary_must_be_near_in_both_models(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = open_model(model_file)
    wrong, card, found = Shifted(truth, 0.05), truth.card, set()
    pairs = parted(truth, wrong, card)[:20]
    for tolerance in (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2):
        monkeypatch.setattr(proof, "BOUNDARY_TOLERANCE", tolerance)
        for pair in pairs:
            near = tuple(explained(model, model, card, *pair) for model in (truth, wrong))
            assert explained(truth, wrong, card, *pair) == all(near)
            found.add(near)
    assert found == {(False, False), (False, True), (True, False), (True, True)}


def test_a_disk_that_is_full_at_the_sidecar_leaves_the_old_pair(
    run_folder: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"names.onnx": b"old", "names.onnx.json": b'{"format": 1, "block_size": 3}'}
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match=r"names\.onnx\.json: No space left"):
            export(load_run(run_folder), small, tmp_path / "names.onnx", force=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_an_existing_file_is_kept(run_folder: Path, small: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "names.onnx"
    out.write_bytes(b"mine")
    with pytest.raises(DataError, match="`force=True`"):
        export(load_run(run_folder), small, out)
    assert out.read_bytes() == b"mine"


def test_export_is_silent(
    run_folder: Path, small: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    export(load_run(run_folder), small, tmp_path / "names.onnx")
    assert capfd.readouterr() == ("", "")
