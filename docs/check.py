"""Run the commands of docs/lesson.md, and compare what they print with what stands there.

python docs/check.py    (with nplm on the path; takes a few minutes)

Exits with 1 where a word, or a figure beyond what the machine explains, differs:
`docs/transcriptdiff.py` says how near is near enough. `docs/refresh.py` then puts what they print
now in its place.
"""

import sys

from refresh import LESSON, announced, new_folder
from transcript import entries
from transcriptdiff import differences


def main() -> None:
    wrong = 0
    with new_folder() as folder:
        for entry in entries(LESSON.read_text(encoding="utf-8")):
            for line in differences(entry.command, entry.printed, announced(entry.command, folder)):
                print(f"    {line}")
                wrong += 1
    print(f"{wrong} differences" if wrong else "docs/lesson.md is what its commands print")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
