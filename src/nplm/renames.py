"""Renames that lose nothing: onto a free name alone, or two names exchanged in one step.

Linux does both in one call (`renameat2`). Elsewhere, and on file systems without it, the first is
a hard link, and the second goes by a third name, from which the next process that writes there
brings back what a kill left (`nplm.temporaries`). Nobody else should rename there meanwhile:
`nplm.transaction` takes turns.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from nplm.temporaries import aside_for

NOREPLACE, EXCHANGE = 1, 2
AT_FDCWD = -100
# What a system, a file system or a container's filter says to a call that it does not know.
UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


def rename_new(source: Path, target: Path) -> None:
    """Rename a file or a folder; FileExistsError, and nothing done, where `target` exists."""
    if _renamed(source, target, NOREPLACE):
        return
    if not source.is_dir():
        try:
            target.hardlink_to(source)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in UNKNOWN:
                raise
        else:
            source.unlink()
            return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def exchange(one: Path, two: Path) -> None:
    """Let two files or folders that exist change places."""
    if _renamed(one, two, EXCHANGE):
        return
    aside = aside_for(two)
    two.rename(aside)
    try:
        one.rename(two)
    except BaseException:
        aside.rename(two)
        raise
    aside.rename(one)


def _renamed(source: Path, target: Path, flag: int) -> bool:
    """Whether `renameat2` did it; False where there is none; OSError where it failed."""
    call = _renameat2()
    if call is None:
        return False
    if call(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


@cache
def _renameat2() -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
