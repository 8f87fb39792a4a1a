"""Names for what is being written, beside its place, and the removal of what dead processes left.

`.names.txt.1f0c2d4e-4711-9a3b5c7d.tmp` is written by process 4711 of the machine 1f0c2d4e and will
be `names.txt`. Under `.names.1f0c2d4e-4711-9a3b5c7d.old` stands what is about to be replaced, where
the file system cannot exchange two folders in one step. `.names.1f0c2d4e-4711-9a3b5c7d.put` is a
folder of files that belong together, all of them whole: each takes the place of its name beside the
folder, whatever stands there; those in an `.add` do where nothing does.
"""

import os
import platform
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nplm.errors import InUseError
from nplm.turns import turn

NEW, OLD, PUT, ADD = "tmp", "old", "put", "add"
LONGEST = 50  # characters of a place's name that its temporary name shows
PATTERN = re.compile(
    r"\.(.+)\.([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{8}\.(tmp|old|put|add)", re.DOTALL
)

_ours: set[str] = set()  # names that this process gave: its number may have been another's


def temporary_for(place: Path) -> Path:
    """A name beside `place` that nothing has."""
    return _named(place, place.name[:LONGEST], NEW)


def aside_for(place: Path) -> Path:
    """A name for what stands at `place`, from which it comes back if this process dies."""
    return _named(place, place.name, OLD)


def together_for(place: Path, *, force: bool) -> Path:
    """A name for the folder of files that are to stand beside one another, `place` among them."""
    return _named(place, place.name[:LONGEST], PUT if force else ADD)


def _named(place: Path, shown: str, kind: str) -> Path:
    name = f".{shown}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}.{kind}"
    _ours.add(name)
    return place.with_name(name)


def is_temporary(path: Path) -> bool:
    """Whether a name is one of these."""
    return PATTERN.fullmatch(path.name) is not None


def remove_stale(folder: Path) -> None:
    """Remove what dead processes of this machine left in `folder`, put it back, or finish it.

    What cannot be removed stays: it is no reason not to write something else.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            found = PATTERN.fullmatch(path.name)
            if not found or found[2] != _machine() or _alive(path.name, int(found[3])):
                continue
            if not _is_claimed(path):
                with suppress(OSError, InUseError):
                    _settle(path, folder / found[1], found[4])


def _settle(path: Path, place: Path, kind: str) -> None:
    if kind == OLD and not os.path.lexists(place):
        path.rename(place)
    elif kind in (PUT, ADD):
        with turn(path.parent):
            _finish(path, force=kind == PUT)
    else:
        remove(path)


def _finish(together: Path, *, force: bool) -> None:
    files = sorted(together.iterdir())
    places = [together.with_name(file.name) for file in files]
    if force or not any(map(os.path.lexists, places)):
        for file, place in zip(files, places, strict=True):
            file.replace(place)
    remove(together)


def claim(descriptor: int) -> None:
    """Hold an open temporary, so that no process takes it for a dead one's.

    Where another container shares the folder and the name of the machine, the number of this
    process means nothing there, or another process.
    """
    with suppress(OSError, ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a temporary folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        claim(descriptor)
        yield
    finally:
        os.close(descriptor)


def _is_claimed(path: Path) -> bool:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    with suppress(OSError, ImportError):
        import fcntl

        descriptor = os.open(path, flags)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that it holds; OSError where that fails."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _alive(name: str, process: int) -> bool:
    if process == os.getpid():
        return name in _ours
    if os.name == "nt":  # signal 0 would be a Ctrl-C there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _machine() -> str:
    """Eight digits for this machine: a folder may be shared by several."""
    return f"{zlib.crc32(platform.node().encode('utf-8', 'replace')):08x}"
