"""A pytest plugin: a test that is skipped for a reason that is in no list fails the session.

The summary names every skip (`-ra`); this keeps a new one from passing unread.
"""

import re
from collections.abc import Iterable

import pytest

KNOWN = {
    "no GPU here": "what a GPU computes is compared on one",
    "torch sees CUDA": "that a GPU is missing is said where one is",
    "this onnxruntime has CUDA": "likewise",
    "the shared names list is not here": "figures of the lesson's own list, which is not ours",
    "could not import 'torch': .*": "the environment of the runtime alone",
    "could not import 'kenlm': .*": "KenLM, which is built where it is installed, reads our files",
}


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test, or all of a file, was skipped."""
    assert isinstance(report.longrepr, tuple)
    return str(report.longrepr[2]).removeprefix("Skipped: ")


def unknown(reasons: Iterable[str]) -> list[str]:
    """Those that no pattern of `KNOWN` is, each once."""
    return [
        reason
        for reason in dict.fromkeys(reasons)
        if not any(re.fullmatch(pattern, reason, re.DOTALL) for pattern in KNOWN)
    ]


def _unknown_skips(config: pytest.Config) -> list[str]:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    return unknown(map(reason_of, terminal.stats.get("skipped", []) if terminal else []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _unknown_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for reason in _unknown_skips(config):
        terminalreporter.write_line(
            f"FAILED: skipped for a reason that tests/skips.py does not know: {reason}", red=True
        )
