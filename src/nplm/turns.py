"""Renames and clean-ups that nothing comes between: no other nplm, no signal; and names on disk."""

import errno
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from nplm.errors import InUseError

LONGEST_WAIT = 30.0  # seconds; a row of renames takes less than one
# What file systems say that cannot be asked for it.
UNSUPPORTED = {errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF, errno.EPERM}


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Rename in a folder while no other nplm does, and no signal cuts a row of renames short.

    Raises:
        InUseError: another program, perhaps one that was stopped, holds the folder.
    """
    descriptor = None
    try:
        with suppress(OSError, ImportError):  # a folder that cannot be read, or locked
            descriptor = os.open(folder, os.O_RDONLY)
            _wait_for(descriptor, folder)
        with undisturbed():
            yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_for(descriptor: int, folder: Path) -> None:
    import fcntl

    end = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                problem = f"{folder} is locked by another program"
                raise InUseError(folder, problem, "wait for it or stop it") from None
            time.sleep(0.01)


@contextmanager
def undisturbed() -> Iterator[None]:
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
        _put_back(before)
        for number in waiting[:1]:
            signal.raise_signal(number)


def _put_back(handlers: dict[int, Any]) -> None:
    """Put handlers back, all of them also where one that is back is called, and raises."""
    try:
        while handlers:
            number = next(iter(handlers))
            signal.signal(number, handlers[number])
            del handlers[number]
    finally:
        if handlers:
            _put_back(handlers)


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
