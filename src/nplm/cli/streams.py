"""The standard streams of the process: there, in UTF-8, and no complaint about a lost stderr.

Where one was closed, the file that is opened next would take its number and be written to by
mistake. So its place is taken by what can be opened, but not used: to read stdin or to write stdout
then fails.
"""

import io
import os
import sys
from contextlib import suppress

MODES = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)  # of what takes the place of each


class _Lossy(io.FileIO):
    """What cannot be written is lost: work does not fail because nobody can be told of it."""

    def write(self, content: "bytes | memoryview") -> int:  # type: ignore[override]
        with suppress(OSError):
            return super().write(content)
        return len(content)


def prepare() -> None:
    """Make the three streams whole."""
    for number, mode in enumerate(MODES):
        _fill(number, mode)
    sys.stdin = sys.stdin or io.TextIOWrapper(open(0, "rb", closefd=False))  # noqa: SIM115
    sys.stdout = sys.stdout or io.TextIOWrapper(open(1, "wb", closefd=False))  # noqa: SIM115
    if sys.stderr is sys.__stderr__:  # else somebody listens in
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Lossy(2, "wb", closefd=False)), line_buffering=True
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _fill(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # The lowest free number is taken, and those below are open by now.
        os.set_inheritable(os.open(os.devnull, mode), True)


def discard() -> None:
    """What stdout still holds goes nowhere: its reader has gone, or need not wait for it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
