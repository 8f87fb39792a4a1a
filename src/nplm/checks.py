"""Bounds of settings and arguments, budgets of memory, and the checks of values."""

import math
import os
import sys
from pathlib import Path
from typing import Any, Literal, get_args

from nplm.errors import UsageError

Normalization = Literal["nfc", "none"]
Level = Literal["character", "word"]
Document = Literal["line", "stream"]
SplitName = Literal["train", "val", "test"]
SPLITS: tuple[str, ...] = get_args(SplitName)
MAX_BLOCK_SIZE = 64
MAX_SEED = 2**64 - 1
MAX_INDEX = 2**63 - 1
MAX_NETWORKS = 16
MAX_SIZE = 1 << 20  # of anything that arrays are allocated for
MAX_LINE_BYTES = 4 * MAX_SIZE  # of a text: a string of that size, of the longest symbols
MAX_TEXT_MB = 256.0  # of a list; to build a data set of it takes up to twenty times that
WALK_SYMBOLS = 1 << 24  # of strings walked side by side: their number times the greatest length
VAIN_SYMBOLS = 1 << 27  # drawn without a string before too few are found, counted likewise
MAX_SUGGESTIONS = 1000
MAX_PARAMETERS = 1 << 30  # of all networks; to train one takes sixteen bytes of memory


def check_choice(name: str, value: object, choices: Any) -> None:
    """Raise UsageError unless `value` is one of a Literal's."""
    if not isinstance(value, str) or value not in get_args(choices):
        raise UsageError(f"`{name}` is {value!r}", f"choose {', '.join(get_args(choices))}")


def check_switch(name: str, value: object) -> None:
    """Raise UsageError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise UsageError(f"`{name}` is {value!r}", "give true or false")


def check_text(name: str, value: object) -> None:
    """Raise UsageError unless `value` is a text."""
    if not isinstance(value, str):
        raise UsageError(f"`{name}` is {value!r}", "give a text")


def check_path(name: str, value: object) -> Path:
    """`value` as a path; UsageError unless it can be one: a text that has no character 0."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise UsageError(f"`{name}` is {value!r}", "give a path")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise UsageError(f"`{name}` is {str(value)!a}", "give a path that can be written") from None
    return Path(value)


def check_integer(name: str, value: object, low: int, high: int = MAX_INDEX) -> None:
    """Raise UsageError unless `value` is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"`{name}` is {value!r}", "give a whole number")
    if not low <= value <= high:
        unbounded = high == MAX_INDEX and value < low
        bounds = f"at least {low}" if unbounded else f"between {low} and {high}"
        raise UsageError(f"`{name}` is {_shown(value)}", f"it must be {bounds}")


def check_number(name: str, value: object, low: float, high: float = math.inf) -> None:
    """Raise UsageError unless `value` is a finite number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"`{name}` is {value!r}", "give a number")
    if abs(value) > sys.float_info.max or math.isnan(value):
        raise UsageError(f"`{name}` is {_shown(value)}", "give a finite number")
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise UsageError(f"`{name}` is {value:g}", f"it must be {bounds}")


def _shown(number: float) -> str:
    """A number in a message; of one with hundreds of digits, how many these are."""
    digits = int(math.log10(2) * number.bit_length()) if isinstance(number, int) else 0
    return f"a number of {digits} digits or more" if digits > 40 else f"{number}"


def check_above_zero(name: str, value: object, high: float) -> None:
    """Raise UsageError unless `value` is a number above 0 and up to `high`."""
    check_number(name, value, 0.0, high)
    if value == 0:
        raise UsageError(f"`{name}` is 0", "it must be above 0")
