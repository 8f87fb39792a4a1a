"""The exceptions nplm raises for mistakes a user can mend, each with its exit code.

    NplmError                    1
    ├── UsageError               2   an option or a combination of them makes no sense
    ├── DataError                3   an input, a file or a folder is missing, broken or in the way
    ├── MissingExtraError        4   an optional part is not installed
    ├── DeviceError              5   a device or provider that was asked for is not available
    ├── VerificationError        6   an exported file does not compute what the network computes
    ├── ConstraintError          7   no string can meet the constraint, or too few strings do
    ├── DivergedError            8   a loss or a parameter stopped being finite
    └── InterruptedRunError    130   stopped by the user after everything was saved

Bugs are not here: they surface as ordinary exceptions and assertions.
"""

from typing import ClassVar


class NplmError(Exception):
    """A mistake that one line can explain.

    Args:
        problem: what is wrong and where (file, line, key), without a final full stop.
        cure: what to do about it, or an empty string when the problem says it already.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem}; {self.cure}" if self.cure else self.problem


class UsageError(NplmError):
    exit_code = 2


class DataError(NplmError):
    exit_code = 3


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
