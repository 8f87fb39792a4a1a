"""Reading texts that a person gives, which may come through a pipe, and hashes.

What was written by us is read back in `nplm.stored`, and written in `nplm.transaction`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nplm.errors import NotFoundError, PathError


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be read in blocks; NotFoundError or PathError when it cannot be."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error, "check the path") from error
    with file:
        yield file


def read_bytes(path: Path, cure: str = "check the path") -> bytes:
    """The content of `path`, or NotFoundError or PathError with `cure` when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error, cure) from error


def _unreadable(path: Path, error: OSError, cure: str) -> PathError:
    kind = NotFoundError if isinstance(error, FileNotFoundError) else PathError
    return kind(path, f"cannot read {path}: {error.strerror}", cure)


def sha256(*parts: bytes | memoryview) -> str:
    """The SHA-256 of the parts in hexadecimal, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        digest.update(size.to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
