"""Every command line of the README and of the lesson runs, in order, on a small list."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = pytest.mark.usefixtures("one_thread", "serial")
ROOT = Path(__file__).parents[2]
TRAINS = {"train", "sweep"}


def lines_of(document: str) -> Iterator[str]:
    """The commands of a document: those indented by four, and those after a prompt."""
    text = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^(?:    |\$ )(.+)$", text, re.MULTILINE):
        if any(word == "nplm" for word in line.split("|")[-1].split()[:1]) or "data/" in line:
            yield line


@pytest.fixture
def folder(tmp_path: Path, names_file: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("data/names.txt", "towns.txt"):  # a copy, as the README says
        (tmp_path / name).write_bytes(names_file.read_bytes())


def run(nplm: "Nplm", line: str) -> None:
    """One line; training is cut to a few steps, the last option given being the one that counts."""
    *before, last = line.split("|")
    stdin = b""
    if before:
        stdin = subprocess.run(
            ["bash", "-c", "|".join(before)], cwd=nplm.cwd, capture_output=True, check=True
        ).stdout
    words = shlex.split(last, comments=True)
    if words[0] != "nplm":
        subprocess.run(words, cwd=nplm.cwd, check=True, capture_output=True)
        return
    short = ["--steps", "12", "--eval-every", "6"] if words[1] in TRAINS else []
    done = nplm(*words[1:], *short, stdin=stdin)
    assert done.code == 0, f"{line}: {done.err}"


@pytest.mark.parametrize("document", ["README.md", "docs/lesson.md"])
@pytest.mark.usefixtures("folder")
def test_every_command_runs(nplm: "Nplm", document: str) -> None:
    lines = list(lines_of(document))
    assert len(lines) > 20
    for line in lines:
        run(nplm, line)
