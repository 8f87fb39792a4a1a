"""The README and the lesson: every command line runs, in order, and prints what stands below it.

On a small list and with a few steps; figures, and the strings that a model makes, are masked.
`make docs-check` compares those too.
"""

import io
import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from nplm.cli.main import main
from transcript import ROOT, WIDTH, Entry, entries, lines_of
from transcriptdiff import masked

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "serial")]
SHORT = {word: ["--steps", "12", "--eval-every", "6"] for word in ("train", "sweep")}
# What the few steps change in a line that `sweep --pick` prints.
FEW = re.compile(r" --(steps|eval-every|embedding-size) \S+")
README, LESSON = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/lesson.md"))


def indented(text: str) -> Iterator[str]:
    """Blocks that are indented by four."""
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        yield dedent(block)


def is_python(block: str) -> bool:
    return block.startswith(("import ", "from "))


@pytest.fixture
def folder(tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A small list that begins as the built-in one does, and a copy of it, as the README says."""
    first = (ROOT / "data" / "names.txt").read_text(encoding="utf-8").split()[:5]
    content = "".join(f"{name}\n" for name in first + names)
    (tmp_path / "data").mkdir()
    for name in ("data/names.txt", "towns.txt"):
        (tmp_path / name).write_text(content, encoding="utf-8")
    corpus = "".join(f"{' '.join(names[k : k + 9])} .\n" for k in range(0, 900, 3))
    for name in ("corpus.txt", "val.txt"):
        (tmp_path / name).write_text(corpus, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", WIDTH)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line with few steps (the last option given counts): what both streams show."""
    before, _, last = line.replace("\\\n", " ").rpartition("|")
    shell = subprocess.run(["bash", "-c", before], capture_output=True, check=True)
    words = shlex.split(last, comments=True)
    if words[0] != "nplm":
        return lines_of(subprocess.run(words, capture_output=True, check=True).stdout)
    shown = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", [*words, *SHORT.get(words[1], [])])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(shell.stdout)))
        patch.setattr(sys, "stdout", shown)
        patch.setattr(sys, "stderr", shown)
        with pytest.raises(SystemExit) as done:
            main()
    output = shown.buffer.getvalue()  # type: ignore[attr-defined]
    assert done.value.code == 0, f"{line}: {output.decode()}"
    return lines_of(output)


def words_of(entry: Entry, lines: list[str]) -> list[str]:
    """Without what few steps change: also how many strings are too long, which a run leaves out."""
    words = [FEW.sub("", line) for line in masked(entry.command, lines)]
    words = [line for line in words if not line.startswith("# left out: longer")]
    return [line for line in words if line != "~" or " train " not in entry.command]


@pytest.mark.usefixtures("folder")
def test_the_lesson_prints_what_stands_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = list(entries(LESSON))
    assert len(shown) > 25
    assert sum(bool(entry.printed) for entry in shown) > 25
    for entry in shown:
        now = run(entry.command, monkeypatch)
        assert words_of(entry, now) == words_of(entry, entry.printed), entry.command


@pytest.mark.usefixtures("folder")
def test_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command lines, and its Python: without torch, which scores what it samples, and with."""
    blocks = [block for block in indented(README) if not block.startswith(("make ", "pip "))]
    assert len(blocks) > 7
    for block in blocks:
        if "nplm.train(" in block:
            exec(block, made := {})
            assert (made["run"].config.steps, made["proof"].strings) == (300, 1000)
            continue
        if is_python(block):
            strings, nats = printed_by(block, "strings", "nats")
            assert len(strings) == len(nats) == 5
            assert all(string.startswith("sa") for string in strings)
            assert all(0 < each < math.inf for each in nats)
            continue
        for line in block.splitlines():
            run(line, monkeypatch)
    assert sum(map(is_python, blocks)) == 2


def printed_by(block: str, *names: str) -> list[list[object]]:
    """The values of names after lines of Python, in a process that has no torch."""
    code = "import json, sys; sys.modules['torch'] = None\n"
    code += f"{block}\nprint(json.dumps([{', '.join(names)}]))"
    command = [sys.executable, "-W", "error", "-c", code]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def test_no_output_in_the_readme_goes_unread() -> None:
    """It has none today; what it will have must stand in a block that is compared."""
    assert "$ " not in README
    assert "```" not in README
