"""The command tree. A command is loaded when it is called, or asked for its help."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nplm import __version__

COMMANDS = {  # in the order of the work: the file of each, and its name there
    "dataset": "dataset.app",
    "train": "train.train",
    "sweep": "sweep.sweep",
    "eval": "evaluate.evaluate",
    "plot": "plot.app",
    "report": "report.report",
    "export": "export.app",
    "generate": "generate.generate",
    "score": "score.score",
    "top": "top.top",
    "suggest": "suggest.suggest",
    "doctor": "doctor.doctor",
}


class Commands(Mapping[str, Any]):
    """The commands by name, each made when it is asked for.

    To make all of them takes a third of the time of `nplm generate -n 20`.
    """

    def __getitem__(self, name: str) -> Any:
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _command(name: str) -> Any:
    """The parser of a command, as it is where all are added to one application."""
    module, attribute = COMMANDS[name].split(".")
    command = getattr(import_module(f"nplm.cli.{module}"), attribute)
    alone = typer.Typer()
    if isinstance(command, typer.Typer):
        alone.add_typer(command, name=name)
    else:
        alone.command(name)(command)
    return typer.main.get_group(alone).commands[name]


class LazyGroup(TyperGroup):
    """Help lists the commands in their order; Typer's own puts groups last."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()  # type: ignore[assignment]  # nobody adds to it

    def list_commands(self, ctx: object) -> list[str]:
        return list(COMMANDS)


app = typer.Typer(
    name="nplm",
    cls=LazyGroup,
    help="Train a neural probabilistic language model on any list of strings, and generate more.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: nplm dataset build, nplm train, nplm eval, nplm export onnx, nplm generate",
)


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
