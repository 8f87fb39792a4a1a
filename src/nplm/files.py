"""Files that are whole or not there: atomic writes, hashes, and texts that a person gives.

Everything nplm writes goes through here. A reader sees the old content or the new content, never a
part; a failed write (a full disk, a kill) leaves what was there before. What was written is read
back in `nplm.stored`, which takes regular files alone; a text may come through a pipe.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from nplm.errors import ExistsError, NotFoundError, PathError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise ExistsError when `path` exists and may not be replaced."""
    if path.exists() and not force:
        raise ExistsError(
            path,
            f"{path} already exists",
            "give `force=True` to replace it or choose another `path`",
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        cure = "write to - for stdout, or choose another"
        raise ExistsError(path, f"{path} is not a regular file", cure)


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of `path`; on success fsync it and rename it to `path`.

    Raises:
        PathError: the folder cannot be written or the disk is full; `path` is as it was.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        problem = f"cannot write {path}: {reason}"
        raise PathError(path, problem, "what was there is unchanged") from error
    finally:
        if temporary is not None:
            with suppress(FileNotFoundError):
                temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    with atomic_writer(path) as file:
        file.write(content)


def write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it takes the place of `path`, whole.

    Raises:
        PathError: something in it cannot be written; `path` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        content = scratch / "new"
        content.mkdir()
        yield content
        _swap(content, path, scratch / "old")
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap(new: Path, path: Path, old: Path) -> None:
    """Put `new` in the place of `path`; if that is cut short, what was at `path` comes back."""
    try:
        if path.exists():
            path.replace(old)
        new.replace(path)
    except BaseException:
        if old.exists():
            old.replace(path)
        raise


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


def _unwritable(path: Path, error: OSError) -> PathError:
    return PathError(path, f"cannot write {path}: {error.strerror}", "choose another `path`")


def sha256(*parts: bytes | memoryview) -> str:
    """The SHA-256 of the parts in hexadecimal, each preceded by its length."""
    digest = hashlib.sha256()
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        digest.update(size.to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _umask() -> int:
    """The process's umask: mkstemp ignores it, but a file should get the usual permissions."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
