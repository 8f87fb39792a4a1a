"""`nplm eval`."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nplm.cli import latest
from nplm.cli.console import stdout, training_extra
from nplm.errors import DataError, UsageError

if TYPE_CHECKING:
    from nplm.corpus.dataset import Dataset
    from nplm.runtime.modelcard import ModelCard
    from nplm.stepmodel import StepModel


def evaluate(
    target: Annotated[
        Path | None,
        typer.Argument(help="A run folder or model.onnx. [default: the run finished last]"),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="train, val or test; may be repeated.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Another data set. [default: the one trained on]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per split.")] = False,
) -> None:
    """Exact nats per symbol of a run or a model file, next to what needs no training."""
    from nplm.corpus.dataset import SPLITS

    splits = split or ["val"]
    for name in splits:
        if name not in SPLITS:
            raise UsageError(f"--split is {name!r}", f"choose {', '.join(SPLITS)}")
    opened = _open(target, data)
    results = [score(opened, name) for name in splits]
    if as_json:
        for result in results:
            typer.echo(json.dumps(result, ensure_ascii=False))
    else:
        _print(opened.name, results)


@dataclass(frozen=True)
class Opened:
    """A model and the data set to score it on."""

    name: str
    model: "StepModel"
    card: "ModelCard"
    dataset: "Dataset"


def score(opened: Opened, split: str) -> dict[str, Any]:
    """What `--json` prints of one split."""
    from nplm.corpus.evaluate import baselines, evaluate

    dataset = opened.dataset
    table = dataset.table(split, opened.card.block_size)
    train = dataset.table("train", opened.card.block_size)
    nats = evaluate(opened.model, table)
    return {
        "split": split,
        "nats_per_symbol": nats.per_symbol,
        "bits_per_symbol": nats.bits_per_symbol,
        "perplexity": nats.perplexity,
        "symbols": nats.symbols,
        "strings": dataset.strings(split),
        "baselines": baselines(train, table),
    }


def _open(target: Path | None, data: Path | None) -> Opened:
    from nplm.corpus.dataset import load, reencode

    if target is not None and (target.is_file() or target.suffix == ".onnx"):
        from nplm.runtime.session import open_model

        onnx = open_model(target)
        dataset = load(data) if data else _find(onnx.card.dataset_sha256, target)
        return Opened(
            str(target), onnx, onnx.card, reencode(dataset, onnx.card.vocab, onnx.card.normalize)
        )
    with training_extra("nplm eval of a run (a model.onnx needs no extra)"):
        from nplm.training.checkpoint import load_run
    run = load_run(latest.run_folder(target))
    folder = data or run.facts.dataset_folder(run.folder)
    dataset = load(folder)
    if data is None and dataset.sha256 != run.card.dataset_sha256:
        raise DataError(
            f"{folder} is not the data set that {run.folder} was trained on",
            "name one to score it on all the same: --data DIR",
        )
    return Opened(
        str(run.folder), run.model, run.card, reencode(dataset, run.card.vocab, run.card.normalize)
    )


def _find(digest: str, model: Path) -> "Dataset":
    """The data set under data/ that a model file was trained on."""
    from nplm.corpus.dataset import load
    from nplm.files import read_json

    for described in sorted(latest.DATA.glob("*/dataset.json")):
        with suppress(DataError):  # a damaged neighbour is not the one
            if read_json(described).get("sha256") == digest:
                return load(described.parent)
    raise DataError(
        f"the data set that {model} was trained on is not under {latest.DATA}/",
        "name one: --data DIR",
    )


def _print(name: str, results: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(name))
    table.add_column("model")
    for result in results:
        table.add_column(f"{result['split']} nats/symbol", justify="right")
    rows = {"this model": [result["nats_per_symbol"] for result in results]}
    for baseline in results[0]["baselines"]:
        rows[baseline] = [result["baselines"][baseline] for result in results]
    for label, values in rows.items():
        table.add_row(label, *(f"{value:.4f}" for value in values))
    console = stdout()
    console.print(table)
    for result in results:
        console.print(
            f"{result['split']}: {result['bits_per_symbol']:.4f} bits per symbol, perplexity "
            f"{result['perplexity']:.3f}, {result['symbols']:,} symbols in "
            f"{result['strings']:,} strings"
        )
