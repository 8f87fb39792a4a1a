"""The exceptions nplm raises for mistakes a user can mend, each with its exit code.

    NplmError                    1
    ├── UsageError               2   an option or a combination of them makes no sense
    ├── DataError                3   what a text, a file or a folder holds cannot be used
    │   └── PathError            3   a file or a folder cannot be read or written; it has a path
    │       ├── NotFoundError    3   there is no file, data set, run or sweep
    │       ├── ExistsError      3   something stands where it is to be written
    │       ├── DamagedError     3   what stands there is not whole, or not what it should be
    │       └── InUseError       3   another process works there
    ├── MissingExtraError        4   an optional part is not installed
    ├── DeviceError              5   a device or provider that was asked for is not available
    ├── VerificationError        6   an exported file does not compute what the network computes
    ├── ConstraintError          7   no string can meet the constraint, or too few strings do
    ├── DivergedError            8   a loss or a parameter stopped being finite
    └── InterruptedRunError    130   stopped by Ctrl-C after everything was saved (SIGTERM: 143,
                                     SIGHUP: 129)

Bugs are not here: they surface as ordinary exceptions and assertions.

A message of the library names arguments, between backticks, alone or with a value: `count`,
`force=True`. A command makes its options of them (`cli.wording`).
"""

import re
from pathlib import Path
from typing import ClassVar

ARGUMENT = re.compile(r"`(\w+)(?:=([^`]+))?`")


class NplmError(Exception):
    """A mistake that one line can explain.

    Args:
        problem: what is wrong and where (file, line, key), without a final full stop.
        cure: what to do about it, or an empty string when the problem says it already.
    """

    exit_code: ClassVar[int] = 1

    # `args` stay what each class was called with, so that an error may cross processes.
    def __init__(self, problem: str, cure: str = "") -> None:
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem}; {self.cure}" if self.cure else self.problem


class UsageError(NplmError):
    exit_code = 2

    def within(self, place: str) -> "UsageError":
        """The same error of a setting in `place`, a file or a grid: a key there, no argument."""
        return UsageError(f"{place}: {keys(self.problem)}", self.cure)


class DataError(NplmError):
    exit_code = 3


class PathError(DataError):
    """What happened to the file or folder `path`."""

    def __init__(self, path: str | Path, problem: str, cure: str = "") -> None:
        super().__init__(problem, cure)
        self.path = Path(path)


class NotFoundError(PathError):
    pass


class ExistsError(PathError):
    pass


class DamagedError(PathError):
    pass


class InUseError(PathError):
    pass


class MissingExtraError(NplmError):
    exit_code = 4

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs the training extra", 'run: pip install "nplm-toolkit[train]"'
        )


class DeviceError(NplmError):
    exit_code = 5


class VerificationError(NplmError):
    exit_code = 6


class ConstraintError(NplmError):
    exit_code = 7


class DivergedError(NplmError):
    exit_code = 8


class InterruptedRunError(NplmError):
    exit_code = 130


def keys(message: str) -> str:
    """`message` without the marks of arguments: what it names are the keys of a file."""
    return ARGUMENT.sub(lambda argument: argument[0].strip("`"), message)
