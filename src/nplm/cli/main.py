"""The command tree and its edge, where an NplmError becomes one line and an exit code."""

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated

import typer
from typer.core import TyperGroup

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

COMMANDS: dict[str, typer.Typer | Callable[..., None]] = {  # in the order of the work
    "dataset": dataset.app,
    "train": train.train,
    "sweep": sweep.sweep,
    "eval": evaluate.evaluate,
    "plot": plot.app,
    "report": report.report,
    "export": export.app,
    "generate": generate.generate,
    "score": score.score,
    "suggest": suggest.suggest,
    "doctor": doctor.doctor,
}


class InOrder(TyperGroup):
    """Help lists the commands in their order; Typer's own puts groups last."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(COMMANDS)


app = typer.Typer(
    name="nplm",
    cls=InOrder,
    help="Train a neural probabilistic language model on any list of strings, and generate more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: nplm dataset build, nplm train, nplm eval, nplm export onnx, nplm generate",
)
for name, command in COMMANDS.items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)


def _version(value: bool) -> None:
    if value:
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
        code = _fail(speak_of_options(str(error), command, sys.argv[1:]), error.exit_code)
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
