"""`make gpu` where there is no GPU, and all of it that needs none."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from nplm.errors import DeviceError
from nplm.presets import PRESETS, override
from nplm.runtime import onnxmodel
from nplm.runtime.onnxmodel import open_bytes, open_model
from nplm.text.dataset import Dataset

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def gpu() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def short(gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, small: Dataset) -> ModuleType:
    """Tiny networks on few names, few steps."""
    tiny = {"embedding_size": 4, "hidden_size": 8, "batch_size": 16, "steps": 50}
    monkeypatch.setattr(gpu, "PRESETS", {n: override(PRESETS[n], tiny, "") for n in PRESETS})
    monkeypatch.setattr(gpu, "WARM_UP", 2)
    monkeypatch.setattr(gpu, "CALLS", 1)
    monkeypatch.setattr(gpu, "names", lambda: small)
    return gpu


def test_without_a_gpu_it_says_so_and_is_done() -> None:
    if torch.cuda.is_available():
        pytest.skip("torch sees CUDA")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("no GPU: torch ")


def test_each_preset_has_a_row(short: ModuleType, small: Dataset) -> None:
    """The CPU in the place of a GPU, where no graph can be captured: eager steps are the same."""
    failures: list[str] = []
    rows = {row[0]: row[1:] for row in short.step_rows(small, "cpu", 3, failures)}
    assert failures == []
    assert list(rows) == list(PRESETS)
    assert rows["ngram"] == ["-", "-", "-"]
    assert rows["notebook"][:2] == ["-", "-"]
    rates = [*rows["default"], *rows["classic"], *rows["best"], rows["notebook"][2]]
    assert all(int(rate.replace(",", "")) > 0 for rate in rates)


def test_what_fails_says_why_in_its_cell(gpu: ModuleType) -> None:
    failures: list[str] = []

    def measure() -> float:
        raise RuntimeError("CUDA error: out of memory\nCompile with TORCH_USE_CUDA_DSA")

    assert gpu.cell(lambda: 1234.5, failures) == "1,234"
    assert gpu.cell(measure, failures) == "failed: CUDA error: out of memory"
    assert failures == ["CUDA error: out of memory"]


def test_a_rate_is_of_the_steps_that_were_measured(
    short: ModuleType, small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that moves by a second each time it is read: a step reads it twice."""
    ticks = iter(range(10_000))
    monkeypatch.setattr("nplm.training.recipe.time.perf_counter", lambda: float(next(ticks)))
    assert short.trained(short.plan("classic"), small, "cpu", 7) == 1.0


def test_providers(
    short: ModuleType, small: Dataset, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxmodel, "available_providers", lambda: available[1:])
    assert short.provider_rows(small, []) == [["onnxruntime has no CUDA provider", "-"]]
    monkeypatch.setattr(onnxmodel, "available_providers", lambda: available)
    monkeypatch.setattr(short, "model_file", lambda _: tiny_model.read_bytes())

    def opened(content: bytes, where: str, device: str) -> object:
        if device == "cuda":
            raise DeviceError("onnxruntime could not start CUDA")
        return open_bytes(content, where)

    monkeypatch.setattr(onnxmodel, "open_bytes", opened)
    failures: list[str] = []
    (cpu, rate), (cuda, reason) = short.provider_rows(small, failures)
    assert (cpu, cuda) == ("cpu, 4,096 rows a call", "cuda, 4,096 rows a call")
    assert int(rate.replace(",", "")) > 0
    assert reason == "failed: onnxruntime could not start CUDA"
    assert failures == ["onnxruntime could not start CUDA"]


def test_the_model_file_is_of_the_size_of_default(
    gpu: ModuleType, small: Dataset, tmp_path: Path
) -> None:
    (tmp_path / "default.onnx").write_bytes(gpu.model_file(small))
    model = open_model(tmp_path / "default.onnx")
    assert model.block_size == PRESETS["default"].model.block_size
    assert gpu.rows_per_second(model, 1) > 0


@pytest.mark.parametrize(("tests", "code"), [(0, 0), (1, 1)])
def test_the_whole_page(
    short: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tests: int,
    code: int,
) -> None:
    rows = short.step_rows
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some GPU")
    monkeypatch.setattr(short, "run_tests", lambda: tests)
    monkeypatch.setattr(short, "step_rows", lambda d, _, s, f: rows(d, "cpu", s, f))
    assert short.main(["--steps", "3"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("Some GPU, torch ")
    assert lines[2] == "| preset | captured | eager | CPU, one thread |"
    assert [line.split()[1] for line in lines[4:9]] == list(PRESETS)
    assert lines[-1] == "| onnxruntime has no CUDA provider | - |"


def test_the_gpu_tests_are_found(gpu: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """Skipped where there is none: an exit code of 0, and not that of no tests at all."""
    assert gpu.run_tests() == 0
    assert "passed" in (out := capfd.readouterr().out) or "skipped" in out
