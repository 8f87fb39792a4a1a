"""One output transaction: files that are whole or not there.

What is written gets a temporary name beside its place (`nplm.temporaries`), reaches the disk, and
then takes the place in one step (`nplm.renames`). Without `force` the place must be free, also at
that last moment: of two writers one fails. A failed write, a full disk or a kill leaves what was
there before. Files that belong together are in `nplm.together`, folders in `nplm.outputfolder`,
reading is in `nplm.files`.

A place that is a symbolic link is followed: the link stays, what it leads to is replaced.
"""

import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nplm.errors import PathError
from nplm.occupied import already
from nplm.renames import rename_new
from nplm.temporaries import claim, remove, remove_stale, temporary_for
from nplm.turns import sync, turn, undisturbed

CURE = "what was there is unchanged"


class OutputFile:
    """A file that is being written; what fails is a PathError with the path it is meant for."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file

    def write(self, content: bytes) -> int:
        with path_errors(self._path):
            return self._file.write(content)

    def flush(self) -> None:
        with path_errors(self._path):
            self._file.flush()

    def close(self) -> None:
        """All of it is on the disk after this."""
        with path_errors(self._path):
            try:
                self._file.flush()
                os.fsync(self._file.fileno())
            finally:
                self._file.close()


@dataclass(frozen=True)
class Staged:
    """An output on its way.

    Attributes:
        path: as the caller named it; and the place where that really is.
        kept: a second name for what is to be replaced.
    """

    path: Path
    place: Path
    temporary: Path
    kept: Path


@contextmanager
def output_file(path: Path, *, force: bool = True) -> Iterator[OutputFile]:
    """A file to write, which takes the place of `path` at the end, whole.

    Raises:
        ExistsError: something is there and `force` is not given.
        PathError: the folder cannot be written or the disk is full; `path` is as it was.
    """
    with staged([path]) as (output,):
        with created(path, output.temporary) as file:
            yield file
        _publish(output, force=force)


def write_bytes(path: Path, content: bytes, *, force: bool = True) -> None:
    """Write a file; raises as `output_file` does."""
    with output_file(path, force=force) as file:
        file.write(content)


def as_json(content: Any) -> bytes:
    """As a person reads it, ended by a line end."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def append(path: Path, content: bytes, cure: str) -> None:
    """Add to the end of a file, onto the disk; a failure may leave a part of `content`."""
    with path_errors(path, cure), path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_file(path: Path) -> None:
    """Remove a file that is ours, if it is there.

    Raises:
        PathError: it cannot be removed.
    """
    with path_errors(path, "remove it by hand"):
        path.unlink(missing_ok=True)


def place_of(path: Path) -> Path:
    """Where a symbolic link leads; any other path as `named` returns it.

    Raises:
        PathError: links go round in a circle.
    """
    if not path.is_symlink():
        return named(path)
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise PathError(path, f"{path} is a symbolic link to itself", "choose another `out`")
    return place


def named(path: Path) -> Path:
    """`path`, so that something can stand beside it: `.` and `a/..` by the names that they have.

    Raises:
        PathError: it is the root of all folders, or an empty path where there is no folder.
    """
    with path_errors(path, "choose another `out`"):
        if path.name not in ("", ".."):
            path.exists()  # or it has no room for such a name
            return path
        place = path.resolve(strict=True)
    if not place.name:
        raise PathError(path, f"nothing can stand beside {path}", "choose another `out`")
    return place


@contextmanager
def staged(paths: Sequence[Path]) -> Iterator[list[Staged]]:
    """Temporary names for outputs; whatever of them is left at the end is removed."""
    outputs = []
    for path in paths:
        place = place_of(path)
        with path_errors(path):
            place.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(place.parent)
        outputs.append(Staged(path, place, temporary_for(place), temporary_for(place)))
    try:
        try:
            yield outputs
        finally:
            _clean_up(outputs)
    except BaseException:  # also of a signal that came when that had begun
        _clean_up(outputs)
        raise


def _clean_up(outputs: Sequence[Staged]) -> None:
    """Remove what is left of temporary names, whatever signals come meanwhile."""
    with undisturbed():
        for output in outputs:
            for path in (output.temporary, output.kept):
                with suppress(OSError):  # the next process that writes here tries again
                    remove(path)


@contextmanager
def created(path: Path, temporary: Path) -> Iterator[OutputFile]:
    with path_errors(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        claim(descriptor)
        file = OutputFile(path, os.fdopen(descriptor, "wb"))
    try:
        yield file
    except BaseException:
        with suppress(PathError):  # what is still to be written is wanted no more
            file.close()
        raise
    file.close()


def _publish(output: Staged, *, force: bool) -> None:
    """Let an output that is whole take its place."""
    with turn(output.place.parent):
        with path_errors(output.path):
            put_in_place(output.temporary, output, force=force)
        confirm(output.path, output.place)


def put_in_place(source: Path, output: Staged, *, force: bool) -> None:
    """Let a file take its place, for the same people to read as what stood there."""
    if not force:
        rename_free(source, output)
        return
    before = output.kept if output.kept.exists() else output.place
    with suppress(OSError):
        source.chmod(stat.S_IMODE(before.stat().st_mode))
    source.replace(output.place)


def rename_free(source: Path, output: Staged) -> None:
    try:
        rename_new(source, output.place)
    except FileExistsError:
        raise already(output.path) from None


@contextmanager
def path_errors(path: Path, cure: str = CURE) -> Iterator[None]:
    """An OSError within becomes a PathError about `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise PathError(path, f"cannot write {path}: {reason}", cure) from error


def confirm(path: Path, place: Path) -> None:
    with path_errors(path, "it is in its place, but a power cut may undo that"):
        sync(place.parent)
