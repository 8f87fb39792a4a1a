"""`nplm eval`."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nplm.cli import latest
from nplm.cli.console import stdout
from nplm.cli.modelfile import open_file
from nplm.cli.testlooks import count_file, count_run
from nplm.errors import DataError, NotFoundError
from nplm.extras import training_extra

if TYPE_CHECKING:
    from nplm.runs.opened import LoadedRun
    from nplm.runtime.modelcard import ModelCard
    from nplm.stepmodel import StepModel
    from nplm.text.dataset import Dataset


class Split(StrEnum):
    """`SplitName` for Typer, which takes no list of a Literal."""

    TRAIN, VAL, TEST = "train", "val", "test"


def evaluate(
    target: Annotated[
        Path | None,
        typer.Argument(help="A run folder or model.onnx. (default: the run finished last)"),
    ] = None,
    split: Annotated[
        list[Split] | None, typer.Option(help="May be given several times. (default: val)")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Another data set. (default: the one trained on)")
    ] = None,
    p_values: Annotated[
        bool,
        typer.Option(
            "--p-values",
            help="Also how many strings are as rare under the model as one in 100 or in 20 of its "
            "own (see nplm score --rank).",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per split.")] = False,
) -> None:
    """Exact nats per symbol of a run or a model file.

    They stand next to those of models that need no training.
    """
    splits = list(map(str, split or [Split.VAL]))
    subject = _open(target, data)
    results = scores(subject, splits)
    if p_values:
        for result, shares in zip(results, rare_shares(subject, splits), strict=True):
            result["p_values"] = shares
    if subject.own_data and "test" in splits:
        _record_look(subject, [result for result in results if result["split"] == "test"])
    if as_json:
        for result in results:
            typer.echo(json.dumps(result, ensure_ascii=False))
    else:
        _print(subject.name, subject.kind, results)


LEVELS = (0.01, 0.05)  # of p-values
KINDS = ("network", "n-gram", "mixture")  # any text may stand in a file


@dataclass(frozen=True)
class Subject:
    """A model, the models it is a mixture of, and the data set to score them on.

    Attributes:
        name: the path of the run or of the file.
        run: None for a file.
        own_data: whether the data set is the one trained on: a look at its test split counts.
    """

    name: str
    kind: str
    model: "StepModel"
    parts: "dict[str, StepModel]"
    card: "ModelCard"
    dataset: "Dataset"
    run: "LoadedRun | None"
    own_data: bool


def scores(subject: Subject, splits: list[str]) -> list[dict[str, Any]]:
    """What `--json` prints of each split."""
    from nplm.counts.baselines import Baselines
    from nplm.counts.evaluate import evaluate
    from nplm.counts.tables import table_of

    dataset = subject.dataset
    baselines = Baselines.of(dataset)
    results = []
    for split in splits:
        table = table_of(dataset, split, subject.card.block_size)
        nats = evaluate(subject.model, table)
        results.append(
            {
                "split": split,
                "nats_per_symbol": nats.per_symbol,
                "bits_per_symbol": nats.bits_per_symbol,
                "perplexity": nats.perplexity,
                "symbols": nats.symbols,
                "strings": dataset.strings(split),
                "parts": {
                    name: evaluate(part, table).per_symbol for name, part in subject.parts.items()
                },
                "baselines": baselines.on(split),
                "ngram_order": baselines.ngram.order,
            }
        )
    return results


def rare_shares(subject: Subject, splits: list[str]) -> Iterator[dict[str, Any]]:
    """Of each split the shares of strings whose p-value is below some levels.

    Of a model whose own strings are like those of the split they come out as the levels. Strings
    without a p-value do not count.
    """
    from nplm.runtime.automatoncache import AutomatonCache
    from nplm.runtime.rank import RankScorer

    ranks = RankScorer(AutomatonCache(subject.model, subject.card))
    for split in splits:
        p_values = ranks.strings(subject.dataset.texts(split)).p_value
        known = p_values[p_values >= 0]  # nan is not
        shares = {
            f"below_{level}": float((known < level).mean()) if len(known) else None
            for level in LEVELS
        }
        yield {**shares, "strings": len(known), "sample": len(ranks.ranker)}


def _open(target: Path | None, data: Path | None) -> Subject:
    from nplm.text.datafolder import load
    from nplm.text.dataset import reencode

    if target is not None and (target.is_file() or target.suffix == ".onnx"):
        onnx = open_file(target)
        dataset = load(data) if data else _find(onnx.card.dataset_sha256, target)
        own = reencode(dataset, onnx.card.vocab, onnx.card.normalize)
        said = onnx.card.extra.get("kind")
        kind = said if said in KINDS else "model"
        trained_on = dataset.sha256 == onnx.card.dataset_sha256
        return Subject(str(target), kind, onnx, {}, onnx.card, own, None, trained_on)
    with training_extra("nplm eval of a run (a model.onnx needs no extra)"):
        from nplm.runs.facts import dataset_of
        from nplm.runs.opened import load_run
    run = load_run(latest.run_folder(target))
    cure = "name one to score it on all the same: --data DIR"
    dataset = load(data) if data else dataset_of(run.folder, run.facts, None, cure)
    own = reencode(dataset, run.card.vocab, run.card.normalize)
    trained_on = dataset.sha256 == run.card.dataset_sha256
    return Subject(
        str(run.folder), run.kind, run.model, run.parts(), run.card, own, run, trained_on
    )


def _record_look(subject: Subject, results: list[dict[str, Any]]) -> None:
    """Say how often test was looked at before, and add this time."""
    nats = results[0]["nats_per_symbol"]
    if subject.run is not None:
        before: int | None = count_run(subject.run, nats)
    else:
        before = count_file(Path(subject.name), nats)
    for result in results:
        result["earlier_looks"] = before


def _find(digest: str | None, model: Path) -> "Dataset":
    """The data set under data/ that a model file was trained on."""
    from nplm.stored import read_json
    from nplm.text.datafolder import load

    if digest is None:
        raise DataError(
            f"{model} does not say what it was trained on (export onnx --private)",
            "name a data set: --data DIR",
        )
    for described in sorted(latest.finished(latest.DATA, "*/dataset.json")):
        with suppress(DataError):  # a damaged neighbour is not the one
            if read_json(described).get("sha256") == digest:
                return load(described.parent)
    raise NotFoundError(
        latest.DATA,
        f"the data set that {model} was trained on is not under {latest.DATA}/",
        "name one: --data DIR",
    )


def _print(name: str, kind: str, results: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(name))
    table.add_column("model")
    for result in results:
        table.add_column(f"{result['split']} nats/symbol", justify="right")
    order = results[0]["ngram_order"]
    labels = {
        "bigram_whole_list": "bigram of the whole list, on itself",
        "ngram": f"best n-gram ({order}-gram, Kneser-Ney)",
    }
    rows: dict[str, list[float]] = {}
    for group, prefix in (("baselines", ""), ("parts", "its ")):
        for key in results[0][group]:
            rows[prefix + labels.get(key, key)] = [result[group][key] for result in results]
    rows[f"this {kind}"] = [result["nats_per_symbol"] for result in results]
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
        if "p_values" in result:
            console.print(_rare(result["split"], result["p_values"]))


def _rare(split: str, shares: dict[str, Any]) -> str:
    rare = [
        f"{shares[f'below_{level}']:.2%} below {level}" for level in LEVELS if shares["strings"]
    ]
    return (
        f"{split} p-values: {', '.join(rare) or 'none'}; {shares['strings']:,} strings against "
        f"{shares['sample']:,} of the model's own"
    )
