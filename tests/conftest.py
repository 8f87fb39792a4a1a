"""Shared fixtures: a small list, its data set, and (with the train extra) a run and its export."""

import importlib.util
import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import pytest

import offline.sitecustomize
import skips
from nplm.config import DatasetConfig, RunConfig
from nplm.presets import override, preset
from nplm.text import datafolder, dataset, sources
from nplm.text.dataset import Dataset

HAS_TRAINING = importlib.util.find_spec("torch") is not None
SHARED = Path(os.environ.get("NPLM_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
ROOMS = {"training", "runs", "export", "report"}  # that need torch
NAMES = Path(__file__).parents[1] / "data" / "names.txt"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(skips, "skips")
    folder = str(Path(offline.sitecustomize.__file__).parent)
    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, *path]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ROOMS & set(item.path.relative_to(Path(__file__).parent).parts):
            item.add_marker("training")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Where there is no torch, files that import it are not collected."""
    inside = any(collection_path.is_relative_to(Path(__file__).parent / room) for room in ROOMS)
    return True if inside and not HAS_TRAINING else None


@pytest.fixture(scope="session")
def names() -> list[str]:
    """Every 20th of the built-in names: 1,105 strings."""
    return NAMES.read_text(encoding="utf-8").split()[::20]


@pytest.fixture(scope="session")
def names_file(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "names.txt"
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def small(names_file: Path) -> Dataset:
    """The data set of `names`."""
    source = sources.read_source(names_file.read_bytes(), names_file.name)
    return dataset.build(source, DatasetConfig())


@pytest.fixture(scope="session")
def small_folder(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "names"
    datafolder.save(small, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_config() -> RunConfig:
    """A network and a run that train in well under a second."""
    values = {
        "block_size": 3,
        "embedding_size": 4,
        "hidden_size": 16,
        "layers": 1,
        "activation": "tanh",
        "layer_norm": False,
        "dropout": 0.0,
        "weight_decay": 0.0,
        "smoothing": 0.3,
        "order": 3,
        "steps": 60,
        "batch_size": 64,
        "eval_every": 20,
        "patience": 0,
    }
    return override(preset("default"), values, "")


@pytest.fixture(scope="session")
def run_folder(
    small: Dataset,
    small_folder: Path,
    tiny_config: RunConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A finished run of `tiny_config` on `small`. Do not write into it: copy it."""
    pytest.importorskip("torch")
    from nplm.runs import run

    folder = tmp_path_factory.mktemp("checkpoints") / "names"
    list(run.train(folder, tiny_config, small, small_folder))
    return folder


@pytest.fixture(scope="session")
def model_file(run_folder: Path, small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of `run_folder`."""
    from nplm.export.onnxfile import export
    from nplm.runs.opened import load_run

    out = tmp_path_factory.mktemp("exports") / "names.onnx"
    export(load_run(run_folder), small, out)
    return out


class Serial:
    """A pool without processes: what is submitted is done at once."""

    def __init__(
        self, workers: int, context: Any, start: Callable[..., None], arguments: Any
    ) -> None:
        start(*arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def serial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps run in this process: a process that imports torch takes seconds to start."""
    pytest.importorskip("torch")
    from nplm.runs import sweep

    def start(reports: Any, stopping: Any) -> None:
        sweep._worker.update(reports=reports, stopping=stopping)

    monkeypatch.setattr(sweep, "ProcessPoolExecutor", Serial)
    monkeypatch.setattr(sweep, "_start_worker", start)


@pytest.fixture(scope="session")
def shared_names() -> Path:
    """The names list of the lesson; skips where it is not."""
    path = SHARED / "names.txt"
    if not path.exists():
        pytest.skip("the shared names list is not here")
    return path


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """A model file of format 1, exported by 0.1.0; no torch is needed."""
    return Path(__file__).parent / "golden" / "tiny.onnx"


@pytest.fixture(scope="session")
def signed_model() -> Path:
    """The same as a file of format 2; made by tests/golden/make.py."""
    return Path(__file__).parent / "golden" / "signed.onnx"
