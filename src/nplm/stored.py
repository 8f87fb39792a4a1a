"""Stored files, read with distrust: regular ones, up to a size, that can be parsed.

Anything else is a DamagedError, or a PathError where it cannot be read at all. What the parsed
values must be is in `nplm.record`. Texts that a person gives may come through a pipe and be of any
size: they are not read here.
"""

import json
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nplm.errors import DamagedError, NotFoundError, PathError

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
# The most that is read of a file of each kind, in bytes.
MAX_SETTINGS = 64 * KIB  # TOML
MAX_DOCUMENT = 16 * MIB  # JSON: every code point there is, as a vocabulary, has room
MAX_LINE = 64 * KIB  # of a log
MAX_LOG = 256 * MIB
MAX_LOSSES = GIB
MAX_MODEL = GIB  # the tables of an n-gram take at most half of it
MAX_TENSORS = 4 * GIB
MAX_IDS = 16 * GIB
MAX_DEPTH = 32  # of nested values
MAX_PARTS = 16  # of a TOML key: tomllib takes memory in proportion to their square
# So many parts with their dots, wherever: in a table's name, before a value or inside of one. Of a
# quoted part as much is looked at as bounds the work: a file of longer ones has few parts.
LONG_KEY = (  # compiled where it is needed
    r"""(?<![\w-])(?:(?:[\w-]+|"(?:[^"\\\n]|\\.){0,100}"|'[^'\n]{0,100}')[ \t]*\.[ \t]*)"""
    rf"{{{MAX_PARTS}}}"
)

CHECK = "check the path"
DAMAGED = "it was damaged; make it again"


@contextmanager
def open_stored(path: Path, limit: int, cure: str = CHECK) -> Iterator[IO[bytes]]:
    """Open a regular file, or a symbolic link to one; a named pipe is not waited for.

    Raises:
        NotFoundError: there is none.
        PathError: it cannot be read, or is a folder, a pipe or a device.
        DamagedError: it has more than `limit` bytes.
    """
    try:
        # Path.open has no opener.
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PathError(path, f"{path} is not a regular file", cure)
            if status.st_size > limit:
                raise _too_large(path, limit)
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(path, f"cannot read {path}: {error.strerror}", cure) from error
    except OSError as error:
        raise PathError(path, f"cannot read {path}: {error.strerror}", cure) from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_stored(path: Path, limit: int, cure: str = CHECK) -> bytes:
    """The content of a file; raises as `open_stored` does."""
    with open_stored(path, limit, cure) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)
        if len(content) > size:  # files of /proc are larger than they say
            content += file.read(limit + 1 - len(content))
    if len(content) > limit:
        raise _too_large(path, limit)
    return content


def stored_lines(path: Path, cure: str = CHECK) -> Iterator[bytes]:
    """The lines of a log with their ends; a kill may have left the last one without.

    Raises:
        DamagedError: a line is too long; and as `open_stored` does.
    """
    with open_stored(path, MAX_LOG, cure) as file:
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                problem = f"{path} is damaged: a line has more than {MAX_LINE:,} bytes"
                raise DamagedError(path, problem, DAMAGED)
            yield line


def read_json(path: Path, cure: str = CHECK) -> dict[str, Any]:
    """The object in a JSON file; raises as `open_stored` and `parse_json` do."""
    parsed = parse_json(read_stored(path, MAX_DOCUMENT, cure), path)
    if not isinstance(parsed, dict):
        raise DamagedError(path, f"{path} is not a JSON object", DAMAGED)
    return parsed


def parse_json(content: bytes, path: str | Path, where: str = "", cure: str = DAMAGED) -> Any:
    """The value of a JSON text in UTF-8, without anything that others read differently.

    Args:
        where: a place in the file, for the message.

    Raises:
        DamagedError: it is none; or has a key twice, deep nesting, a number that is not finite or
            has more than 64 bits, or half a surrogate pair.
    """
    try:
        return parse_text(content.decode("utf-8"))
    except ValueError as error:
        problem = f"{path}{where} is not valid JSON: {error}"
        raise DamagedError(path, problem, cure) from error


def parse_text(text: str) -> Any:
    """As `parse_json`, but raises ValueError."""
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_not_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_values(value)
    return value


def read_toml(path: Path, cure: str = CHECK) -> dict[str, Any]:
    """The tables of a TOML file; raises as `open_stored` and `parse_toml` do."""
    return parse_toml(read_stored(path, MAX_SETTINGS, cure), path)


def parse_toml(content: bytes, path: Path) -> dict[str, Any]:
    """The tables of a TOML text in UTF-8.

    Raises:
        DamagedError: it is none, or has what `parse_json` refuses.
    """
    import tomllib  # a command that opens a model needs no parser of settings

    try:
        text = content.decode("utf-8")
        _check_keys(text)
        tables = tomllib.loads(text)
        _check_values(tables)
    except RecursionError as error:
        problem = f"{path} is not valid TOML: it is nested too deeply"
        raise DamagedError(path, problem, "mend it") from error
    except ValueError as error:
        problem = f"{path} is not valid TOML: {shorten(str(error))}"
        raise DamagedError(path, problem, "mend that line") from error
    return tables


def _check_keys(text: str) -> None:
    """Raise ValueError for a key of many parts before the parser meets it."""
    if found := re.search(LONG_KEY, text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"a key has more than {MAX_PARTS} parts (at line {line})")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {shorten(repr(twice))} stands twice")
    return values


def _not_finite(constant: str) -> float:
    raise ValueError(f"{constant} is not a finite number")


def _check_values(value: Any) -> None:
    """Raise ValueError for what no file of ours holds, wherever it stands in a parsed one."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
            else:
                _check_scalar(item)
        if not below:
            return
        level = below
    raise ValueError("it is nested too deeply")


def _check_scalar(value: Any) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError("a whole number has more than 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("a text has half a surrogate pair") from None


def shorten(text: str, limit: int = 120) -> str:
    """`text` for a message: what is long loses its middle."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[: half - 1]}…{text[-half:]}"


def _too_large(path: Path, limit: int) -> DamagedError:
    return DamagedError(path, f"{path} has more than {limit:,} bytes", "it is not one of nplm's")
