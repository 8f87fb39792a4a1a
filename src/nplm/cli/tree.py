"""The command tree."""

from collections.abc import Callable
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
