"""Values of a stored file, each taken by its key with a type and bounds.

Whatever is missing or wrong is a DamagedError that names the file, the key and what it must be.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from nplm.checks import (
    MAX_INDEX,
    check_choice,
    check_integer,
    check_number,
    check_switch,
)
from nplm.errors import DamagedError, UsageError, keys
from nplm.stored import shorten

HASH = re.compile(r"[0-9a-f]{64}")
SETTINGS = TypeVar("SETTINGS")


@dataclass(frozen=True)
class Record:
    """What a file, or a line or table of it, says.

    Attributes:
        values: as parsed.
        path: of the file.
        cure: what to do when it is damaged.
        where: a line in the file, for messages, or nothing.
        table_of: the keys that lead to this table, each with a dot.
    """

    values: Mapping[str, Any]
    path: str | Path
    cure: str
    where: str = ""
    table_of: str = ""

    @classmethod
    def of(cls, value: Any, path: str | Path, cure: str, where: str = "") -> "Record":
        """The record of a parsed value; DamagedError where it is not an object."""
        if not isinstance(value, dict):
            raise cls({}, path, cure, where).wrong("it is not an object of keys and values")
        return cls(value, path, cure, where)

    def wrong(self, problem: str) -> DamagedError:
        """The error of a value; `problem` may begin with its key."""
        problem = shorten(keys(problem), 200)
        text = f"{self.path}{self.where} is damaged: {self.table_of}{problem}"
        return DamagedError(self.path, text, self.cure)

    def value(self, key: str) -> Any:
        if key not in self.values:
            raise self.wrong(f"{key} is missing")
        return self.values[key]

    def integer(self, key: str, low: int = 0, high: int = MAX_INDEX) -> int:
        """A whole number from `low` to `high`."""
        value = self.value(key)
        self._check(check_integer, key, value, low, high)
        return int(value)

    def number(self, key: str, low: float = float("-inf")) -> float:
        """A finite number from `low` up."""
        value = self.value(key)
        self._check(check_number, key, value, low)
        return float(value)

    def number_or_none(self, key: str) -> float | None:
        return None if self.value(key) is None else self.number(key)

    def switch(self, key: str) -> bool:
        value = self.value(key)
        self._check(check_switch, key, value)
        return bool(value)

    def choice(self, key: str, choices: Any) -> Any:
        """One of a Literal's."""
        value = self.value(key)
        self._check(check_choice, key, value, choices)
        return value

    def text(self, key: str) -> str:
        """A text without the character 0, which no path or message can hold."""
        value = self.value(key)
        if not isinstance(value, str) or "\0" in value:
            raise self.wrong(f"{key} is {value!r}, not a text")
        return value

    def digest(self, key: str) -> str:
        """A SHA-256 in hexadecimal."""
        value = self.value(key)
        if not isinstance(value, str) or not HASH.fullmatch(value):
            raise self.wrong(f"{key} is {value!r}, not 64 hexadecimal digits")
        return value

    def items(self, key: str) -> list[Any]:
        """A list."""
        value = self.value(key)
        if not isinstance(value, list):
            raise self.wrong(f"{key} is {value!r}, not a list")
        return value

    def symbols(self, key: str) -> tuple[str, ...]:
        """At least one text; what can be a symbol is for `Vocab` to say."""
        value = self.items(key)
        if not value or not all(isinstance(symbol, str) for symbol in value):
            raise self.wrong(f"{key} is not a list of symbols")
        return tuple(value)

    def table(self, key: str) -> "Record":
        """The table, or object, under a key."""
        value = self.value(key)
        if not isinstance(value, dict):
            raise self.wrong(f"{key} is {value!r}, not a table")
        return Record(value, self.path, self.cure, self.where, f"{self.table_of}{key}.")

    def settings(self, key: str, kind: type[SETTINGS]) -> SETTINGS:
        """The table under a key as settings of a class; one that is missing has its default."""
        table = self.table(key)
        for name in table.values.keys() - {item.name for item in fields(kind)}:  # type: ignore[arg-type]
            raise table.wrong(f"{name} is no setting")
        try:
            return kind(**table.values)
        except UsageError as error:
            raise table.wrong(f"{error.problem}: {error.cure}") from error

    def _check(self, check: Any, key: str, *arguments: Any) -> None:
        try:
            check(key, *arguments)
        except UsageError as error:
            raise self.wrong(f"{error.problem}: {error.cure}") from error
