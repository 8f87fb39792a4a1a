"""Run the commands of docs/lesson.md and put what they print under them.

python docs/refresh.py    (with nplm on the path; takes a few minutes)

Each block that starts with ```console holds commands, after "$ ", and their output. They run in
order in a new folder that has data/names.txt; pictures that they draw are not kept.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LESSON = HERE / "lesson.md"
BLOCK = re.compile(r"(```console\n)(.*?)(```\n)", re.DOTALL)


def commands_of(block: str) -> list[str]:
    """The commands of a block; one that ends in a backslash goes on in the next line."""
    joined = block.replace("\\\n", "\\\n\0")
    lines = [line for line in re.split(r"\n(?!\0)", joined) if line.startswith("$ ")]
    return [line.removeprefix("$ ").replace("\0", "") for line in lines]


def refreshed(block: re.Match[str], folder: Path) -> str:
    """The block with the output of its commands as of now."""
    parts = [block[1]]
    for command in commands_of(block[2]):
        print("$", command, file=sys.stderr)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        shown = "\n".join(line.rstrip() for line in done.stdout.splitlines())
        parts.append(f"$ {command}\n{shown}\n" if shown else f"$ {command}\n")
    return "".join([*parts, block[3]])


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "data").mkdir()
        shutil.copy(HERE.parent / "data" / "names.txt", folder / "data")
        text = LESSON.read_text(encoding="utf-8")
        text = BLOCK.sub(lambda block: refreshed(block, folder), text)
        LESSON.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
