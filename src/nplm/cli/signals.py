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
GRACE_SECONDS = 2.0  # in which a further signal does not cut the clean-up short


class Stopped(BaseException):
    """A signal ends the command. Like KeyboardInterrupt, nobody mends it by mistake."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {WORDS[signal.Signals(number)]}")


class _Received:
    """What has come: the first signal's number, and when one was raised, on the monotonic clock."""

    first = 0
    raised = float("-inf")


_received = _Received()


def install() -> None:
    """From now on signals raise Stopped in the main thread; the process is ours."""
    _received.first, _received.raised = 0, float("-inf")
    _set(_stop)


def leave() -> None:
    """All is done: a signal now ends the process, and no line of Python is told of it."""
    _set(signal.SIG_DFL)


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


def _stop(number: int, _: FrameType | None) -> None:
    now = time.monotonic()
    if now - _received.raised < GRACE_SECONDS:
        return
    _received.raised = now
    _received.first = _received.first or number
    raise Stopped(number)


def _set(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for number in WORDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
