"""`nplm dataset build` and `nplm dataset info`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.checks import MAX_TEXT_MB, SPLITS, Normalization
from nplm.cli import latest
from nplm.cli.console import format_count, note, stage, stdout
from nplm.commandline import command_line
from nplm.config import DatasetConfig, SplitBy
from nplm.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from nplm.text.dataset import Dataset

app = typer.Typer(
    help="Make a data set from a list of strings, or describe one.", no_args_is_help=True
)
DEFAULT_SOURCE = latest.DATA / "names.txt"


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="Text file, one string a line; - for stdin.")
    ] = DEFAULT_SOURCE,
    out: Annotated[Path | None, typer.Option(help="Folder to write. (default: data/NAME)")] = None,
    split: Annotated[str, typer.Option(help="Shares of train, val and test.")] = "0.8,0.1,0.1",
    split_by: Annotated[
        SplitBy,
        typer.Option(help="string: copies stay together, nothing leaks; line: the lesson's split."),
    ] = "string",
    distinct: Annotated[bool, typer.Option("--distinct", help="Drop copies first.")] = False,
    normalize: Annotated[Normalization, typer.Option(help="Unicode normalisation.")] = "nfc",
    seed: Annotated[int, typer.Option(help="Of the shuffle.")] = 0,
    min_count: Annotated[
        int,
        typer.Option(help="Symbols seen less often in train become one unknown symbol; 0: none."),
    ] = 0,
    max_mb: Annotated[
        float, typer.Option(help="Megabytes of text; a build takes up to 20 times that.")
    ] = MAX_TEXT_MB,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,
) -> None:
    """Split a list of strings and write it as ids."""
    from nplm.text import datafolder, dataset, sources

    shares = split.split(",")
    if len(shares) != 3:
        raise UsageError(f"--split is {split}", "give three numbers, as in 0.8,0.1,0.1")
    parts = shares[0], shares[1], shares[2]
    config = DatasetConfig(parts, split_by, distinct, normalize, seed, min_count)
    name = "stdin" if str(source) == "-" else source.name
    folder = out or latest.DATA / Path(name).stem
    datafolder.refuse_folder(folder, force=force)
    with stage("reading"):
        strings = sources.read_source(_blocks(source), name, normalize, str(source), max_mb)
    with stage(f"numbering {len(strings.strings):,} strings"):
        built = dataset.build(strings, config)
    with stage(f"writing {folder}"):
        datafolder.save(built, folder, force=force)
    blank = built.source["blank_lines"]
    skipped = f", {format_count(blank, 'blank line')} skipped" if blank else ""
    if min_count:
        unknown = sum(built.unknown(name) for name in SPLITS)
        skipped += f", {format_count(unknown, 'symbol')} of the text unknown"
    note(f"{built.source['strings']:,} strings, {len(built.vocab)} symbols{skipped} -> {folder}")
    note("next: " + command_line("train", *([] if out is None else [folder])))


def _blocks(source: Path) -> Iterator[bytes]:
    from nplm.text.lines import BLOCK_BYTES, file_blocks, read_blocks

    if str(source) == "-":
        return read_blocks(lambda: sys.stdin.buffer.read(BLOCK_BYTES), "stdin")
    if source == DEFAULT_SOURCE and not source.exists():
        cure = "name your own list: nplm dataset build FILE"
        raise NotFoundError(source, f"there is no {source} here", cure)
    return file_blocks(source)


@app.command()
def info(
    folder: Annotated[Path | None, typer.Argument(help="A data set. (default: the newest)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a data set holds.

    Also how its contexts grow with the block size.
    """
    from nplm.counts.info import describe
    from nplm.text.datafolder import load

    dataset = load(latest.dataset_folder(folder))
    if as_json:
        typer.echo(json.dumps(describe(dataset), ensure_ascii=False, indent=2))
    else:
        _print(dataset)


def _print(dataset: "Dataset") -> None:
    from rich.markup import escape
    from rich.table import Table

    from nplm.counts.info import block_sizes
    from nplm.text.vocab import show_symbols

    splits = Table(title=escape(f"{dataset.name}: {len(dataset.vocab)} symbols with the boundary"))
    splits.add_column("split")
    splits.add_column("strings", justify="right")
    splits.add_column("symbols to predict", justify="right")
    if dataset.vocab.unknown:
        splits.add_column("of them unknown", justify="right")
    for name in SPLITS:
        cells = [f"{dataset.strings(name):,}", f"{dataset.symbols(name):,}"]
        cells += [f"{dataset.unknown(name):,}"] if dataset.vocab.unknown else []
        splits.add_row(name, *cells)
    growth = Table(title="why tables explode: contexts by block size")
    for heading in ("block size", "rows possible", "seen in train", "val unseen", "floor (nats)"):
        growth.add_column(heading, justify="right")
    for item in block_sizes(dataset):
        unseen = "" if item.val_unseen_share is None else f"{item.val_unseen_share:.2%}"
        possible = (
            f"{item.rows_possible:,}"
            if item.rows_possible < 10**12
            else f"{item.rows_possible:.2e}"
        )
        floor = f"{item.floor_nats_per_symbol:.4f}"
        growth.add_row(str(item.block_size), possible, f"{item.contexts_seen:,}", unseen, floor)
    console = stdout()
    console.print(splits)
    console.print(f"symbols: {show_symbols(dataset.vocab.symbols)}", markup=False)
    console.print(growth)
