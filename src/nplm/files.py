"""Reading texts that a person gives, which may come through a pipe, and hashes.

What was written by us is read back in `nplm.stored`, and written in `nplm.transaction`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nplm.errors import DataError, NotFoundError, PathError


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to be read in blocks; NotFoundError or PathError when it cannot be."""
    try:
        file = path.open("rb")
    except OSError as error:
        kind = NotFoundError if isinstance(error, FileNotFoundError) else PathError
        raise kind(path, f"cannot read {path}: {error.strerror}", "check the path") from error
    with file:
        yield file


def read_up_to(path: Path, limit: int) -> bytes:
    """The content of a file, a pipe too; DataError where that is more than `limit` bytes."""
    with reading(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataError(f"{path} has more than {limit:,} bytes", "check the path")
    return content


def sha256(*parts: bytes | memoryview) -> str:
    """The SHA-256 of the parts in hexadecimal, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        digest.update(size.to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
