"""Run the commands of docs/lesson.md and put what they print under them.

python docs/refresh.py    (with nplm on the path; takes a few minutes)

They run in order in a new folder that has data/names.txt; pictures that they draw are not kept.
`docs/check.py` compares instead.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transcript import ROOT, rewritten, run

LESSON = ROOT / "docs" / "lesson.md"


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder as the lesson starts in."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "data").mkdir()
        shutil.copy(ROOT / "data" / "names.txt", folder / "data")
        yield folder


def announced(command: str, folder: Path) -> list[str]:
    print("$", command, flush=True)
    return run(command, folder)


def main() -> None:
    text = LESSON.read_text(encoding="utf-8")
    with new_folder() as folder:
        text = rewritten(text, lambda command: announced(command, folder))
    LESSON.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
