"""Ctrl-C, a polite kill and a terminal that goes away: clean-up runs, long work stops saved.

A signal that the process was started to ignore, as SIGHUP under nohup, stays ignored.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

WORDS = {
    signal.SIGINT: "Ctrl-C",
    signal.SIGTERM: "SIGTERM",
    **({signal.SIGHUP: "SIGHUP, the terminal has gone"} if hasattr(signal, "SIGHUP") else {}),
}
RETRY_SECONDS = 0.01
GRACE_SECONDS = 2.0  # in which a further signal does not cut the clean-up short


class Stopped(BaseException):
    """A signal ends the command. Like KeyboardInterrupt, nobody mends it by mistake."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {WORDS[signal.Signals(number)]}")


class _Received:
    """What has come.

    Attributes:
        first: the first signal's number; 0 before any.
        waiting: it is to be raised when no import is going on.
        raised: when one was raised last, on the monotonic clock.
    """

    first = 0
    waiting = False
    raised = float("-inf")


_received = _Received()


def install() -> None:
    """From now on signals raise Stopped in the main thread; the process is ours."""
    _received.first, _received.waiting, _received.raised = 0, False, float("-inf")
    _set(_stop)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _try_again)


def leave() -> None:
    """All is done: a signal now ends the process, and no line of Python is told of it."""
    _received.raised = float("inf")  # nor is one that comes in between
    _set(signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def exit_code() -> int:
    """128 and the number of the signal that came first; where none did, of Ctrl-C."""
    return 128 + (_received.first or signal.SIGINT)


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """A function that says whether to stop; a second signal ends at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        if _received.first:
            _stop(number, frame)
        _received.first = number

    _set(ask)
    try:
        yield lambda: bool(_received.first)
    finally:
        _set(_stop)


def _stop(number: int, frame: FrameType | None) -> None:
    """Raise Stopped; the first time not in the middle of an import, which may lose or disguise it.

    Compiled modules do so while they are loaded: numpy's generators, onnxruntime.
    """
    now = time.monotonic()
    if now - _received.raised < GRACE_SECONDS:
        return
    _received.first = _received.first or number
    if not _received.waiting and hasattr(signal, "setitimer") and _importing(frame):
        _received.waiting = True
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS, RETRY_SECONDS)
        return
    _received.raised = now
    raise Stopped(number)


def _try_again(_: int, frame: FrameType | None) -> None:
    if not _importing(frame):
        signal.setitimer(signal.ITIMER_REAL, 0)
        _stop(_received.first, frame)


def _importing(frame: FrameType | None) -> bool:
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _set(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for number in WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
