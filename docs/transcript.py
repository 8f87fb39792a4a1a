"""Documents that show commands and what these print: read, run, written anew.

A block that starts with ```console holds commands, after "$ ", each followed by its output. A
command that ends in a backslash goes on in the next line.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^(```console\n)(.*?)^(```)$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
WIDTH = "100"  # of the terminal that the output was made for


@dataclass(frozen=True)
class Entry:
    """A command of a document and the lines that stand below it."""

    command: str
    printed: list[str]


def entries(text: str) -> Iterator[Entry]:
    """Every command of a document, in order."""
    for block in BLOCK.finditer(text):
        for command, printed in COMMAND.findall(block[2]):
            yield Entry(command, printed.split("\n")[:-1])


def rewritten(text: str, output: Callable[[str], list[str]]) -> str:
    """The document with `output` of each command below it."""

    def entry(found: re.Match[str]) -> str:
        return "".join(f"{line}\n" for line in [f"$ {found[1]}", *output(found[1])])

    return BLOCK.sub(lambda block: block[1] + COMMAND.sub(entry, block[2]) + block[3], text)


def run(command: str, folder: Path) -> list[str]:
    """What a command prints in `folder`, on stdout and stderr, line by line.

    Raises:
        CalledProcessError: it fails.
    """
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
    )
    return lines_of(done.stdout)


def lines_of(output: bytes) -> list[str]:
    """Output as a document shows it: without what cannot be seen at the end of a line."""
    lines = output.decode("utf-8").removesuffix("\n").split("\n")
    return [line.rstrip() for line in lines] if output else []
