"""`nplm dataset build` and `nplm dataset info`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.checks import MAX_TEXT_MB, SPLITS, Document, Level, Normalization
from nplm.cli import latest
from nplm.cli.console import format_count, note, stage, stdout
from nplm.cli.options import Force
from nplm.commandline import command_line
from nplm.config import CountOn, DatasetConfig, SplitBy, usual_split
from nplm.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from nplm.text.dataset import Dataset
    from nplm.text.sources import Source

app = typer.Typer(
    help="Make a data set from a list of strings, or describe one.", no_args_is_help=True
)
DEFAULT_SOURCE = latest.DATA / "names.txt"


@app.command()
def build(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="Text file, one string a line; - for stdin.")
    ] = DEFAULT_SOURCE,
    train: Annotated[
        Path | None, typer.Option(help="File of the train split, instead of one file to split.")
    ] = None,
    val: Annotated[Path | None, typer.Option(help="File of the val split.")] = None,
    test: Annotated[Path | None, typer.Option(help="File of the test split.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write. (default: data/NAME)")] = None,
    split: Annotated[str, typer.Option(help="Shares of train, val and test.")] = "0.8,0.1,0.1",
    split_by: Annotated[
        SplitBy | None,
        typer.Option(
            help="string: copies stay together, nothing leaks; line: the lesson's split; order: "
            "the first lines are train. (default: string; order of a stream)"
        ),
    ] = None,
    distinct: Annotated[bool, typer.Option("--distinct", help="Drop copies first.")] = False,
    normalize: Annotated[Normalization, typer.Option(help="Unicode normalisation.")] = "nfc",
    seed: Annotated[int, typer.Option(help="Of the shuffle.")] = 0,
    level: Annotated[
        Level, typer.Option(help="What a symbol is: a character, or a word between white space.")
    ] = "character",
    document: Annotated[
        Document,
        typer.Option(help="line: a string a line; stream: one text, contexts cross line ends."),
    ] = "line",
    min_count: Annotated[
        int,
        typer.Option(help="Symbols seen less often in train become one unknown symbol; 0: none."),
    ] = 0,
    max_vocab: Annotated[
        int,
        typer.Option(
            help="The rarer symbols become one unknown symbol, until so many are left with it and "
            "the boundary; 0: any number."
        ),
    ] = 0,
    count_on: Annotated[
        CountOn, typer.Option(help="The splits that say how often a symbol is seen.")
    ] = "train",
    max_mb: Annotated[
        float, typer.Option(help="Megabytes of text; a build takes up to 20 times that.")
    ] = MAX_TEXT_MB,
    force: Force = False,
) -> None:
    """Split a list of strings and write it as ids."""
    from nplm.text import datafolder, dataset

    shares = split.split(",")
    if len(shares) != 3:
        raise UsageError(f"--split is {split}", "give three numbers, as in 0.8,0.1,0.1")
    config = DatasetConfig(
        (shares[0], shares[1], shares[2]),
        split_by or usual_split(document),
        distinct,
        normalize,
        seed,
        min_count,
        max_vocab,
        count_on,
        level,
        document,
    )
    files = _files(context, source, train, val, test)
    first = next(iter(files.values()))
    name = "stdin" if str(first) == "-" else first.name
    folder = out or latest.DATA / Path(name).stem
    datafolder.refuse_folder(folder, force=force)
    with stage("reading"):
        strings = _read(files, config, max_mb)
    with stage(f"numbering {len(strings.strings):,} strings"):
        built = dataset.build(strings, config)
    with stage(f"writing {folder}"):
        datafolder.save(built, folder, force=force)
    note(_describe(built) + f" -> {folder}")
    note("next: " + command_line("train", *([] if out is None else [folder])))


def _describe(built: "Dataset") -> str:
    """How many strings, symbols and so on, as far as there is something to say."""
    lines, ids = built.source["strings"], f"{len(built.vocab):,} {_ids(built)}"
    strings = f"{lines:,} strings" if built.document == "line" else f"a stream of {lines:,} lines"
    parts = [strings, ids]
    if blank := built.source["blank_lines"]:
        parts.append(f"{format_count(blank, 'blank line')} skipped")
    if built.vocab.unknown:
        unknown = sum(built.unknown(name) for name in SPLITS)
        parts.append(f"{format_count(unknown, 'symbol')} of the text unknown")
    return ", ".join(parts)


def _ids(built: "Dataset") -> str:
    """What the ids are of."""
    if built.vocab.level == "character":
        return "symbols"
    words = f"{format_count(len(built.vocab.symbols), 'word')}"
    return f"symbols ({words}{', the unknown one' if built.vocab.unknown else ''}, the boundary)"


def _files(
    context: typer.Context, source: Path, train: Path | None, val: Path | None, test: Path | None
) -> dict[str, Path]:
    """The one file to split, or the file of each split.

    Raises:
        UsageError: both are given, or what only concerns one file.
    """
    files = {"train": train, "val": val, "test": test}
    given = {name: path for name, path in files.items() if path is not None}
    if not given:
        return {"": source}
    if train is None:
        raise UsageError("--train is missing", "give it beside --val and --test")
    for name in ("source", "split", "split_by", "distinct", "seed"):
        origin = context.get_parameter_source(name)
        if origin and origin.name == "COMMANDLINE":
            option = "FILE" if name == "source" else f"--{name.replace('_', '-')}"
            problem = f"{option} and --train contradict each other"
            raise UsageError(problem, "the files of the splits are taken as they are")
    if [str(path) for path in given.values()].count("-") > 1:
        raise UsageError("- is given twice", "only one split can come from stdin")
    return given


def _read(files: dict[str, Path], config: DatasetConfig, max_mb: float) -> "Source":
    from nplm.text import sources

    form, level = config.normalize, config.level
    read = {}
    for split, path in files.items():
        name = "stdin" if str(path) == "-" else path.name
        read[split] = sources.read_source(_blocks(path), name, form, str(path), max_mb, level)
    return read[""] if "" in read else sources.join_sources(read)


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

    of_words = dataset.vocab.level == "word"
    ids = _ids(dataset) if of_words else "symbols with the boundary"
    splits = Table(title=escape(f"{dataset.name}: {len(dataset.vocab):,} {ids}"))
    splits.add_column("split")
    splits.add_column("strings", justify="right")
    splits.add_column("symbols to predict", justify="right")
    if dataset.vocab.unknown:
        splits.add_column("of them unknown", justify="right")
    if of_words:
        splits.add_column("not in train", justify="right")
    for name in SPLITS:
        cells = [f"{dataset.strings(name):,}", f"{dataset.symbols(name):,}"]
        cells += [f"{dataset.unknown(name):,}"] if dataset.vocab.unknown else []
        cells += [f"{dataset.unseen(name):,}"] if of_words else []
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
