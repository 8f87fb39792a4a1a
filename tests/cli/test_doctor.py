"""`nplm doctor`."""

import platform
from typing import TYPE_CHECKING

import pytest

import nplm as package
from nplm.cli import doctor

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

HERE = {"numpy": "2.0", "onnxruntime": "1.20", "onnxruntime-gpu": None, "torch": None}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions that the command believes in; a test may change them."""
    versions = dict(HERE)
    monkeypatch.setattr(doctor, "_version", versions.get)
    return versions


def test_it_shows_what_is_installed_and_usable(nplm: "Nplm") -> None:
    done = nplm.ok("doctor")
    shown = done.out.decode()
    for part in (package.__version__, platform.python_version(), "onnxruntime", "torch"):
        assert part in shown
    assert "CPUExecutionProvider" in shown
    assert "all is well" in shown
    assert "problem" not in shown
    assert done.err == ""


def test_without_torch_it_says_how_to_train(nplm: "Nplm", installed: dict[str, str | None]) -> None:
    assert installed["torch"] is None
    shown = nplm.ok("doctor").out.decode()
    assert "not installed" in shown
    assert 'pip install "nplm-toolkit[train]"' in shown


def test_two_builds_of_onnxruntime_are_a_problem(
    nplm: "Nplm", installed: dict[str, str | None]
) -> None:
    installed["onnxruntime-gpu"] = "1.20"
    done = nplm("doctor")
    assert done.code == 4
    (problem,) = [line for line in done.out.decode().splitlines() if line.startswith("problem")]
    assert "pip uninstall onnxruntime onnxruntime-gpu" in problem


def test_no_onnxruntime_is_a_problem(nplm: "Nplm", installed: dict[str, str | None]) -> None:
    installed["onnxruntime"] = None
    done = nplm("doctor")
    assert done.code == 4
    assert "pip install onnxruntime" in done.out.decode()
