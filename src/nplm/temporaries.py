"""Names for what is being written, beside its place, and the removal of what dead processes left.

`.names.txt.1f0c2d4e-4711-9a3b5c7d.tmp` is written by process 4711 of the machine 1f0c2d4e and will
be `names.txt`. Under `.names.1f0c2d4e-4711-9a3b5c7d.old` stands what is about to be replaced, where
the file system cannot exchange two folders in one step.
"""

import os
import platform
import re
import shutil
import zlib
from contextlib import suppress
from pathlib import Path

NEW, OLD = "tmp", "old"
LONGEST = 50  # characters of a place's name that its temporary name shows
PATTERN = re.compile(r"\.(.+)\.([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{8}\.(tmp|old)", re.DOTALL)

_ours: set[str] = set()  # names that this process gave: its number may have been another's


def temporary_for(place: Path) -> Path:
    """A name beside `place` that nothing has."""
    return _named(place, place.name[:LONGEST], NEW)


def aside_for(place: Path) -> Path:
    """A name for what stands at `place`, from which it comes back if this process dies."""
    return _named(place, place.name, OLD)


def _named(place: Path, shown: str, kind: str) -> Path:
    name = f".{shown}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}.{kind}"
    _ours.add(name)
    return place.with_name(name)


def is_temporary(path: Path) -> bool:
    """Whether a name is one of these."""
    return PATTERN.fullmatch(path.name) is not None


def remove_stale(folder: Path) -> None:
    """Remove what dead processes of this machine left in `folder`, or put it back.

    What cannot be removed stays: it is no reason not to write something else.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            found = PATTERN.fullmatch(path.name)
            if found and found[2] == _machine() and not _alive(path.name, int(found[3])):
                with suppress(OSError):
                    _settle(path, folder / found[1], found[4])


def _settle(path: Path, place: Path, kind: str) -> None:
    if kind == OLD and not os.path.lexists(place):
        path.rename(place)
    else:
        remove(path)


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
