"""What version 0.1.0 made stays readable: the project folder in tests/compat/0.1.0.

Its `expected.json` holds what the command of that version printed there, by command line.
"""

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

COMPAT = Path(__file__).parents[1] / "compat" / "0.1.0"
EXPECTED: dict[str, Any] = json.loads((COMPAT / "expected.json").read_text(encoding="utf-8"))
PRINTED: dict[str, Any] = EXPECTED["printed"]
RUNS = ("names", "ngram", "mixture", "stopped")
TOLERANCE = {"dataset": 1e-9, "eval": 1e-6, "score": 1e-6, "suggest": 1e-5, "generate": 1e-5}


def training(test: Callable[..., None]) -> Callable[..., None]:
    return pytest.mark.training(pytest.mark.usefixtures("one_thread")(test))


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Path:
    """The working folder as 0.1.0 left it: a copy, for some commands write."""
    shutil.copytree(COMPAT, tmp_path, dirs_exist_ok=True)
    return tmp_path


def of_model(run: str) -> list[str]:
    """The recorded command lines about a run's model file."""
    return [command for command in PRINTED if f"exports/{run}.onnx" in shlex.split(command)]


def check(nplm: "Nplm", command: str, recorded: Any) -> None:
    """The command prints what was recorded."""
    words = shlex.split(command)
    text = nplm.ok(*words).out.decode("utf-8")
    tolerance = TOLERANCE[words[0]]
    if words[0] == "generate":
        # By index: strings that were cut at the longest length are not on record, and may go.
        strings = {string["index"]: string for string in map(json.loads, text.splitlines())}
        assert strings.keys() >= {string["index"] for string in recorded}
        assert_same([strings[string["index"]] for string in recorded], recorded, tolerance)
    elif isinstance(recorded, list):
        assert_same([json.loads(line) for line in text.splitlines()], recorded, tolerance)
    else:
        assert_same(json.loads(text), recorded, tolerance)


def assert_same(new: Any, old: Any, tolerance: float) -> None:
    """All of `old` is in `new`, numbers within a relative tolerance; keys may have come."""
    if isinstance(old, dict):
        for key, value in old.items():
            assert_same(new[key], value, tolerance)
    elif isinstance(old, list):
        assert len(new) == len(old)
        for item, value in zip(new, old, strict=True):
            assert_same(item, value, tolerance)
    elif isinstance(old, float):
        assert new == pytest.approx(old, rel=tolerance)
    else:
        assert new == old


@pytest.mark.parametrize("command", [it for it in PRINTED if "checkpoints/" not in it])
def test_data_and_models(nplm: "Nplm", command: str) -> None:
    check(nplm, command, PRINTED[command])


@training
@pytest.mark.parametrize("command", [it for it in PRINTED if "checkpoints/" in it])
def test_runs(nplm: "Nplm", command: str) -> None:
    check(nplm, command, PRINTED[command])


@pytest.mark.parametrize("folder", EXPECTED["build"])
def test_a_data_set_built_again_has_the_same_ids(nplm: "Nplm", project: Path, folder: str) -> None:
    nplm.ok(*shlex.split(EXPECTED["build"][folder]), "--force")
    old, new = (json.loads((at / folder / "dataset.json").read_bytes()) for at in (COMPAT, project))
    assert (new["symbols"], new["sha256"]) == (old["symbols"], old["sha256"])


@training
@pytest.mark.parametrize("run", RUNS)
def test_a_run_generates_what_its_model_file_did(nplm: "Nplm", run: str) -> None:
    """But for `seen`: a run does not know its training strings."""
    model, kept = f"exports/{run}.onnx", ("index", "text", "nats")
    for command in of_model(run):
        if command.startswith("generate"):
            recorded = [{key: string[key] for key in kept} for string in PRINTED[command]]
            check(nplm, f"{command.replace(model, f'checkpoints/{run}')} --runtime torch", recorded)


@training
@pytest.mark.parametrize("run", RUNS)
def test_a_run_is_exported_again(nplm: "Nplm", project: Path, run: str) -> None:
    nplm.ok("export", "onnx", f"checkpoints/{run}", "--force")
    sidecar = Path("exports", f"{run}.onnx.json")
    old, new = (json.loads((at / sidecar).read_bytes()) for at in (COMPAT, project))
    assert (new["vocab"], new["dataset_sha256"]) == (old["vocab"], old["dataset_sha256"])
    for command in of_model(run):
        check(nplm, command, PRINTED[command])


@training
def test_a_look_at_test_is_remembered(nplm: "Nplm") -> None:
    looked = nplm.ok("eval", "checkpoints/ngram", "--split", "test", "--json")
    assert looked.json["earlier_looks"] == 1


@training
def test_the_stopped_run_goes_on(nplm: "Nplm", project: Path) -> None:
    """To the same end but for rounding; or it is said what can still be done.

    To the same bits until steps were no longer torch's own: docs/log.md.
    """
    resume, run = EXPECTED["resume"], project / "checkpoints" / "stopped"
    done = nplm(*shlex.split(resume["command"]))
    if done.code == 3:
        assert "eval" in done.err
        assert "export" in done.err
        return
    assert done.code == 0, done.err
    assert f"from step {resume['stopped_at']}" in done.err
    last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert_same(last, resume["last"], 1e-6 if where_bits_are_the_same() else 1e-4)


def where_bits_are_the_same() -> bool:
    """Whether torch and the processor are those that the recorded end was made with."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line for line in lines if line.startswith("model name")), "").partition(": ")[2]
    machine = f"{torch.backends.cpu.get_cpu_capability()}, {model}"
    return (torch.__version__, machine) == (EXPECTED["torch"], EXPECTED["machine"])


@training
@pytest.mark.usefixtures("serial")
def test_the_sweep_goes_on(nplm: "Nplm", project: Path) -> None:
    """Trials that had ended stay as they are; the one that was stopped goes on where it was."""
    folder = project / "checkpoints" / "names-sweep"
    ended = [json.loads(line) for line in (folder / "sweep.jsonl").read_bytes().splitlines()]
    nplm.ok("plot", "sweep", "checkpoints/names-sweep", "--out", "sweep.svg")
    assert (project / "sweep.svg").exists()
    before = contents(folder / "trials")
    table = nplm.ok(*shlex.split(EXPECTED["sweep"]["command"])).out.decode("utf-8")
    assert all(f"{trial['val_nats_per_symbol']:.4f}" in table for trial in ended)
    lines = (folder / "sweep.jsonl").read_bytes().splitlines()
    assert_same([json.loads(line) for line in lines], EXPECTED["sweep"]["outcomes"], 1e-4)
    after = contents(folder / "trials")
    assert {path.parent for path in after} == {path.parent for path in before}
    for path, content in before.items():
        if "steps=1000" not in path.parent.name:
            assert after[path] == content
        elif path.name == "metrics.jsonl":
            assert after[path].startswith(content)


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file but the locks."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in paths}


def test_the_golden_model_is_the_one_of_0_1_0(tiny_model: Path) -> None:
    digest = "f94ae709df6eece57bc0a50b806bcf0478d72867d65346462c209929cd20ad83"
    assert hashlib.sha256(tiny_model.read_bytes()).hexdigest() == digest
