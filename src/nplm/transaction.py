"""One output transaction: files, folders and pairs of files that are whole or not there.

What is written gets a temporary name beside its place (`nplm.temporaries`), reaches the disk, and
then takes the place in one step (`nplm.renames`). Without `force` the place must be free, also at
that last moment: of two writers one fails. A failed write, a full disk or a kill leaves what was
there before. Reading is in `nplm.files`.

A place that is a symbolic link is followed: the link stays, what it points to is replaced.
"""

import errno
import json
import os
import shutil
import signal
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from nplm.errors import ExistsError, PathError
from nplm.renames import exchange, rename_new
from nplm.temporaries import is_temporary, remove, remove_stale, temporary_for

CURE = "what was there is unchanged"
UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF, errno.EPERM}


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise ExistsError when `path` exists and may not be replaced."""
    if path.exists() and not force:
        raise _already(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        cure = "write to - for stdout, or choose another"
        raise ExistsError(path, f"{path} is not a regular file", cure)


def _already(path: Path) -> ExistsError:
    cure = "give `force=True` to replace it or choose another `path`"
    return ExistsError(path, f"{path} already exists", cure)


def refuse_foreign(
    folder: Path, files: Collection[str], what: str, folders: Collection[str] = ()
) -> None:
    """Raise ExistsError where `folder` holds more than the files and folders of those names."""
    for path in sorted(folder.iterdir()):
        ours = folders if path.is_dir() and not path.is_symlink() else files
        if is_temporary(path) or path.name in ours:
            continue
        raise ExistsError(
            folder,
            f"{folder} is not replaced: it holds {path.name}, which is not of a {what}",
            "move that away or choose another `out`",
        )


class OutputFile:
    """A file that is being written; what fails is a PathError with the path it is meant for."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file

    def write(self, content: bytes) -> int:
        with _told(self._path):
            return self._file.write(content)

    def flush(self) -> None:
        with _told(self._path):
            self._file.flush()

    def close(self) -> None:
        """All of it is on the disk after this."""
        with _told(self._path):
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
    with _staged([path]) as (staged,):
        with _created(path, staged.temporary) as file:
            yield file
        _publish([staged], force=force)


def write_files(contents: Mapping[Path, bytes], *, force: bool = True) -> None:
    """Write files as one: a failure leaves all as they were.

    A kill in the last moment leaves the first one, old or new, without the others: never one beside
    others that do not belong to it.
    """
    with _staged([*contents]) as outputs:
        for staged, content in zip(outputs, contents.values(), strict=True):
            with _created(staged.path, staged.temporary) as file:
                file.write(content)
        _publish(outputs, force=force)


def write_bytes(path: Path, content: bytes, *, force: bool = True) -> None:
    write_files({path: content}, force=force)


def write_json(path: Path, content: Any, *, force: bool = True) -> None:
    write_bytes(path, as_json(content), force=force)


def as_json(content: Any) -> bytes:
    """As a person reads it, ended by a line end."""
    return (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def append(path: Path, content: bytes, cure: str) -> None:
    """Add to the end of a file, onto the disk; a failure may leave a part of `content`."""
    with _told(path, cure), path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


class OutputFolder:
    """A folder that is being filled with files."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self._path, self._temporary = path, temporary

    @contextmanager
    def file(self, name: str) -> Iterator[OutputFile]:
        with _created(self._path, self._temporary / name) as file:
            yield file


@contextmanager
def output_folder(path: Path, *, force: bool) -> Iterator[OutputFolder]:
    """A folder to fill, which takes the place of `path` at the end, whole.

    With `force` all that was in `path` goes: see `refuse_foreign`.

    Raises:
        ExistsError: something is there and `force` is not given.
        PathError: something in it cannot be written; `path` is as it was.
    """
    with _staged([path]) as (staged,):
        with _told(path):
            staged.temporary.mkdir()
        yield OutputFolder(path, staged.temporary)
        with _told(path), _turn(staged.place.parent):
            _sync(staged.temporary)
            if force and staged.place.is_dir():
                exchange(staged.temporary, staged.place)
            else:
                _rename_new(staged)
        _confirm(path, staged.place)


def replace_folder(new: Path, place: Path) -> None:
    """Put the folder `new` at `place`; what stood there, if anything did, is then at `new`.

    Raises:
        PathError: it cannot be done; both are as they were.
    """
    with _told(place), _turn(place.parent):
        if os.path.lexists(place):
            exchange(new, place)
        else:
            rename_new(new, place)
    _confirm(place, place)


def discard_folder(path: Path) -> None:
    """Remove a folder that is ours: gone in one step for everybody who looks.

    Raises:
        PathError: it cannot be removed.
    """
    with _told(path, "remove it by hand"):
        temporary = temporary_for(path)
        path.rename(temporary)
        remove(temporary)


def remove_file(path: Path) -> None:
    """Remove a file that is ours, if it is there.

    Raises:
        PathError: it cannot be removed.
    """
    with _told(path, "remove it by hand"):
        path.unlink(missing_ok=True)


def place_of(path: Path) -> Path:
    """Where a symbolic link leads; any other path is returned as it is.

    Raises:
        PathError: links go round in a circle.
    """
    if not path.is_symlink():
        return path
    place = Path(os.path.realpath(path))
    if place.is_symlink():
        raise PathError(path, f"{path} is a symbolic link to itself", "choose another `path`")
    return place


@contextmanager
def _staged(paths: Sequence[Path]) -> Iterator[list[Staged]]:
    """Temporary names for outputs; whatever of them is left at the end is removed."""
    outputs = []
    for path in paths:
        place = place_of(path)
        with _told(path):
            place.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(place.parent)
        outputs.append(Staged(path, place, temporary_for(place), temporary_for(place)))
    try:
        yield outputs
    finally:
        for output in outputs:
            for path in (output.temporary, output.kept):
                with suppress(OSError):  # the next process that writes here tries again
                    remove(path)


@contextmanager
def _created(path: Path, temporary: Path) -> Iterator[OutputFile]:
    with _told(path):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        file = OutputFile(path, os.fdopen(descriptor, "wb"))
    try:
        yield file
    except BaseException:
        with suppress(PathError):  # what is still to be written is wanted no more
            file.close()
        raise
    file.close()


def _publish(outputs: Sequence[Staged], *, force: bool) -> None:
    """Let outputs that are whole take their places."""
    first, *others = outputs
    with _turn(first.place.parent):
        with _told(first.path):
            if others:
                _publish_together(outputs, force=force)
            elif force:
                first.temporary.replace(first.place)
            else:
                _rename_new(first)
        for output in outputs:
            _confirm(output.path, output.place)


def _publish_together(outputs: Sequence[Staged], *, force: bool) -> None:
    """The first of them, then what belongs to it; if one fails, all are as they were."""
    placed: list[Staged] = []
    kept = [output for output in outputs if force and _keep(output)]
    try:
        for output in outputs[1:]:
            if output in kept:
                output.place.unlink()
        for output in outputs:
            if force:
                output.temporary.replace(output.place)
            else:
                _rename_new(output)
            placed.append(output)
    except BaseException:
        for output in outputs:
            if output in kept:
                output.kept.replace(output.place)
            elif output in placed:
                output.place.unlink()
        raise


def _keep(output: Staged) -> bool:
    """Give what is to be replaced a second name, or a copy; whether there is anything."""
    if not output.place.exists():
        return False
    try:
        output.kept.hardlink_to(output.place)
    except OSError:
        shutil.copyfile(output.place, output.kept)
    return True


def _rename_new(output: Staged) -> None:
    try:
        rename_new(output.temporary, output.place)
    except FileExistsError:
        raise _already(output.path) from None


@contextmanager
def _told(path: Path, cure: str = CURE) -> Iterator[None]:
    """An OSError within becomes a PathError about `path`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise PathError(path, f"cannot write {path}: {reason}", cure) from error


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Rename in a folder while no other nplm does, and no signal cuts a row of renames short."""
    descriptor = None
    try:
        with suppress(OSError, ImportError):  # a folder that cannot be read, or locked
            import fcntl

            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with _undisturbed():
            yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that would end the process wait until the end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # they go to the main thread
        return
    waiting: list[int] = []

    def wait(number: int, _: FrameType | None) -> None:
        waiting.append(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    # One that is ignored stays so (nohup), and one that is not Python's cannot be put back.
    before = {n: old for n, old in before.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, wait)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        for number in waiting[:1]:
            signal.raise_signal(number)


def _confirm(path: Path, place: Path) -> None:
    with _told(path, "it is in its place, but a power cut may undo that"):
        _sync(place.parent)


def _sync(folder: Path) -> None:
    """The names in a folder reach the disk, where the file system can be asked for that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
