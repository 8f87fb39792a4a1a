"""What is fuzzed: a reader of one kind of file, and a valid file of that kind.

Every tests/fuzz/*.py may hold a list TARGETS; `make fuzz` runs them all (fuzz/run.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """A reader that must return, or refuse with an NplmError, whatever the file holds.

    Attributes:
        name: as printed; unique.
        valid: what a good file holds; mutations begin with it.
        read: opens the file at that path. Any other exception is a fault.
        filename: the file's name, for a reader that looks at it.
        beside: a folder whose other files lie beside it, if any are needed.
        codes: exit codes of the errors that it may raise.
    """

    name: str
    valid: bytes
    read: Callable[[Path], object]
    filename: str = "input"
    beside: Path | None = None
    codes: tuple[int, ...] = (3,)
