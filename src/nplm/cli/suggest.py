"""`nplm suggest`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import stdout
from nplm.commandline import command_line
from nplm.errors import UsageError


def suggest(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[MODEL] PREFIX", help="model.onnx (default: the newest), prefix."),
    ],
    count: Annotated[int, typer.Option("-n", help="How many of each.", min=1, max=1000)] = 10,
    max_length: Annotated[
        int | None,
        typer.Option(help="Longest completion. (default: twice the longest of training)"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The most probable next symbols and whole strings after a prefix."""
    from nplm.runtime.automatoncache import AutomatonCache
    from nplm.runtime.suggest import suggest as find

    if len(words) > 2:
        raise UsageError(f"{len(words)} words are given", "give a model and a prefix, or a prefix")
    *paths, prefix = words
    if not paths and prefix.endswith(".onnx") and Path(prefix).is_file():
        again = command_line("suggest", prefix, "")
        raise UsageError("there is a model but no prefix", f"give one; all strings: {again}")
    model = latest.open_model(Path(paths[0]) if paths else None)
    suggestions = find(AutomatonCache(model, model.card), prefix, count, max_length)
    if as_json:
        typer.echo(json.dumps(asdict(suggestions), ensure_ascii=False))
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for heading in ("next symbol", "probability", "whole string", "probability"):
        table.add_column(heading, justify="right" if heading == "probability" else "left")
    for k in range(max(len(suggestions.next_symbols), len(suggestions.completions))):
        cells = ["", "", "", ""]
        if k < len(suggestions.next_symbols):
            symbol = suggestions.next_symbols[k]
            text = "(end)" if symbol.symbol is None else _printable(symbol.symbol)
            cells[:2] = [escape(text), f"{symbol.probability:.4f}"]
        if k < len(suggestions.completions):
            whole = suggestions.completions[k]
            cells[2:] = [escape(_printable(whole.text)), f"{whole.probability:.4f}"]
        table.add_row(*cells)
    stdout().print(table)


def _printable(text: str) -> str:
    """A text of the list without characters that a terminal would obey."""
    return repr(text)[1:-1]
