"""The command tree and its edge, where an NplmError becomes one line and an exit code."""

import sys
from typing import Annotated

import typer

from nplm import __version__
from nplm.cli import dataset, doctor, evaluate, export, generate, train
from nplm.errors import NplmError

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
app.command("eval")(evaluate.evaluate)
app.add_typer(export.app, name="export")
app.command()(generate.generate)
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


def main() -> None:
    """The console script."""
    try:
        app()
    except NplmError as error:
        typer.echo(f"nplm: {error}", err=True)
        sys.exit(error.exit_code)
