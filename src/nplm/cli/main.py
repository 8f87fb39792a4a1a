"""The command tree and its edge, where an NplmError becomes one line and an exit code."""

import errno
import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from nplm import __version__
from nplm.cli import (
    dataset,
    doctor,
    evaluate,
    export,
    generate,
    plot,
    report,
    score,
    suggest,
    sweep,
    train,
)
from nplm.cli.wording import command_of, speak_of_options
from nplm.errors import DataError, NplmError, UsageError

app = typer.Typer(
    name="nplm",
    help="Train a neural probabilistic language model on any list of strings, and generate more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: nplm dataset build, nplm train, nplm eval, nplm export onnx, nplm generate",
)
app.add_typer(dataset.app, name="dataset")
app.command()(train.train)
app.command()(sweep.sweep)
app.command("eval")(evaluate.evaluate)
app.add_typer(export.app, name="export")
app.command()(generate.generate)
app.command()(score.score)
app.command()(suggest.suggest)
app.add_typer(plot.app, name="plot")
app.command()(report.report)
app.command()(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"nplm {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# Typer shows only this child of the error its parser raises for a wrong command line.
ParserError: type[Exception] = typer.BadParameter.__mro__[1]


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except NplmError as error:
        command = command_of(typer.main.get_command(app), sys.argv[1:])
        code = _fail(speak_of_options(str(error), command), error.exit_code)
    except ParserError as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "nplm")
        message = getattr(error, "format_message", error.__str__)()
        code = UsageError.exit_code
        if message:  # there is none where a bare command has just printed its help
            _fail(f"{message.rstrip('.')}; see {command} --help", code)
    except (BrokenPipeError, SystemExit) as error:
        # Whoever read stdout has gone (Typer turns that into its own exit): what Python would
        # still flush goes nowhere.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        code = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        code = _fail(f"cannot write: {error.strerror}; free some space", DataError.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> int:
    one_line = " ".join(filter(None, map(str.strip, message.splitlines())))
    typer.echo(f"nplm: {one_line}", err=True)
    return code
