"""Streams: data goes to stdout, everything else to stderr, progress only to a terminal."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

Format = Literal["text", "jsonl"]  # of data on stdout
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line ends and what moves a terminal


class Sink(Protocol):
    """What data is written to."""

    def write(self, content: bytes, /) -> int: ...
    def flush(self) -> None: ...


def stderr() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def format_count(number: int, what: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def note(message: str) -> None:
    """One plain line on stderr, whatever the names and strings in it hold."""
    typer.echo(
        CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), message), err=True
    )


def draws() -> bool:
    """Whether anything is to be drawn on stderr, as Rich decides; loading it takes 25 ms."""
    asked = any(name in os.environ for name in ("FORCE_COLOR", "TTY_COMPATIBLE"))
    return (asked or sys.stderr.isatty()) and stderr().is_terminal


class Bars(Protocol):
    """Bars of progress, as Rich has them."""

    def add_task(self, description: str, /, *, total: float) -> "TaskID": ...
    def update(self, task: "TaskID", /, *, completed: float) -> None: ...
    def advance(self, task: "TaskID", amount: float, /) -> None: ...
    def remove_task(self, task: "TaskID", /) -> None: ...


class _NoBars:
    """What nobody sees."""

    def add_task(self, description: str, /, *, total: float) -> Any:
        return 0

    def update(self, task: "TaskID", /, *, completed: float) -> None: ...
    def advance(self, task: "TaskID", amount: float, /) -> None: ...
    def remove_task(self, task: "TaskID", /) -> None: ...


@contextmanager
def progress(*, show: bool = True) -> Iterator[Bars]:
    """Bars on stderr for long work; nothing where that is no terminal."""
    if not (show and draws()):
        yield _NoBars()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeRemaining

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemaining())
    with Progress(*columns, console=stderr(), transient=True) as bars:
        yield bars


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say on a terminal what is being done while it takes long."""
    if not draws():
        yield
        return
    with stderr().status(what):
        yield


@contextmanager
def data_output(out: Path | None, *, force: bool) -> Iterator[Sink]:
    """Bytes to `out` (whole or not at all) or to stdout."""
    if out is not None and str(out) != "-":
        from nplm.occupied import refuse_existing
        from nplm.transaction import output_file

        refuse_existing(out, force=force)
        with output_file(out, force=force) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
