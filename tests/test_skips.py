"""Skips: those that are known pass, any other fails the session. In sessions of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skips import KNOWN, unknown

HERE = Path(__file__).parent


def session(folder: Path, *files: str) -> "subprocess.CompletedProcess[str]":
    """pytest with the plugin on files of tests."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -ra\n", encoding="utf-8")
    for k, content in enumerate(files):
        (folder / f"test_{k}.py").write_text(f"import pytest\n{content}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "skips", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_known_reasons_pass_and_are_printed(tmp_path: Path) -> None:
    """An expected failure is no skip."""
    reasons = ["no GPU here", "the shared names list is not here", "could not import 'torch': x"]
    tests = [f"def test_{k}(): pytest.skip({r!r})" for k, r in enumerate(reasons)]
    failing = "@pytest.mark.xfail\ndef test_that(): assert False"
    done = session(tmp_path, "def test_it(): pass", failing, *tests)
    assert done.returncode == 0, done.stdout
    for reason in reasons:
        assert reason in done.stdout


def test_every_other_reason_is_named_and_fails_the_session(tmp_path: Path) -> None:
    done = session(
        tmp_path,
        "def test_it(): pass",
        "def test_it(): pytest.skip('no time')",
        "@pytest.mark.skip('no wish')\ndef test_it(): pass",
        "@pytest.mark.skipif(True, reason='no rain')\ndef test_it(): pass",
        "@pytest.fixture\ndef fix(): pytest.skip('no fix')\ndef test_it(fix): pass",
        "pytest.skip('no module', allow_module_level=True)",
        "def test_it(): pytest.skip('no GPU here, and no time')",
        "def test_it(): pytest.skip('no GPU here')",
    )
    assert done.returncode == 1, done.stdout
    named = re.findall("does not know: (.*)", done.stdout)
    assert sorted(named) == [
        *("no GPU here, and no time", "no fix", "no module", "no rain", "no time", "no wish"),
    ]


def test_a_session_that_ends_otherwise_keeps_its_code(tmp_path: Path) -> None:
    done = session(tmp_path, "def test_it(): pytest.skip('no time')", "raise KeyboardInterrupt")
    assert done.returncode == 2


def test_a_missing_package_other_than_torch_is_unknown() -> None:
    missing = "could not import '{0}': No module named '{0}'"
    assert unknown([missing.format("torch"), *KNOWN]) == []
    assert unknown([missing.format("numpy")] * 2) == [missing.format("numpy")]


def test_these_very_tests_are_watched(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("skips")
