"""Streams: data goes to stdout, everything else to stderr, progress only to a terminal."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

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


def progress(*, show: bool = True) -> "Progress":
    """Bars on stderr for long work; nothing where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeRemaining

    console = stderr()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemaining())
    return Progress(
        *columns, console=console, disable=not (show and console.is_terminal), transient=True
    )


@contextmanager
def stage(what: str) -> Iterator[None]:
    """Say on a terminal what is being done while it takes long."""
    console = stderr()
    if not console.is_terminal:
        yield
        return
    with console.status(what):
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
