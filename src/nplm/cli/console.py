"""Streams: data goes to stdout, everything else to stderr, progress only to a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import typer

from nplm.errors import MissingExtraError
from nplm.files import atomic_writer, refuse_existing

if TYPE_CHECKING:
    from rich.console import Console

TRAIN_EXTRA = {"torch", "onnx", "onnxscript", "safetensors", "tomli_w", "filelock", "matplotlib"}


def stderr() -> "Console":
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> "Console":
    from rich.console import Console

    return Console(highlight=False)


def note(message: str) -> None:
    """One plain line on stderr."""
    typer.echo(message, err=True)


@contextmanager
def training_extra(what: str) -> Iterator[None]:
    """Turn a missing package of the `train` extra into MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in TRAIN_EXTRA:
            raise MissingExtraError(what) from error
        raise


@contextmanager
def data_output(out: Path | None, *, force: bool) -> Iterator[IO[bytes]]:
    """Bytes to `out` (whole or not at all) or to stdout."""
    if out is not None and str(out) != "-":
        refuse_existing(out, force=force)
        with atomic_writer(out) as file:
            yield file
        return
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()
