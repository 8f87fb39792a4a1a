"""Renames that nothing comes between: no other nplm, and no signal; and that reach the disk."""

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

# What file systems say that cannot be asked for it.
UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF, errno.EPERM}


@contextmanager
def turn(folder: Path) -> Iterator[None]:
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


def sync(folder: Path) -> None:
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
