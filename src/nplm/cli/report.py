"""`nplm report`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import note, stage, training_extra
from nplm.cli.rundata import dataset_of
from nplm.cli.settings import as_flags

if TYPE_CHECKING:
    from nplm.corpus.dataset import Dataset
    from nplm.training.facts import RunFacts


def report(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder. (default: the run finished last)")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. (default: RUN/report.html)")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data set, if it has moved. (default: where it was)")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,
) -> None:
    """Everything about a run on one page: a single file that needs no network."""
    with training_extra("nplm report"):
        from nplm.report.page import describe, render
        from nplm.training.facts import read_facts
    from nplm.files import refuse_existing, write_bytes

    folder = latest.run_folder(run)
    target = out or folder / "report.html"
    refuse_existing(target, force=force)
    facts = read_facts(folder)
    dataset = dataset_of(folder, facts, data, "the report needs that one: --data DIR")
    with stage("scoring, sampling, drawing"):
        page = render(describe(folder, dataset, commands(folder, facts, dataset)))
    write_bytes(target, page.encode("utf-8"))
    note(f"{target}: {target.stat().st_size:,} bytes")


def commands(folder: Path, facts: "RunFacts", dataset: "Dataset") -> list[str]:
    """The command lines that make the run again, where its list of strings lies in this folder."""
    source, name = dataset.source, folder.resolve().name
    build = ["dataset", "build", "-" if source["file"] == "stdin" else str(source["file"])]
    build += ["--split", ",".join(source["split"]), "--split-by", source["split_by"]]
    build += ["--distinct"] if source["distinct"] else []
    build += ["--normalize", dataset.normalize] if dataset.normalize != "nfc" else []
    build += ["--seed", str(source["seed"]), "--out", f"data/{dataset.name}"]
    train = ["train", f"data/{dataset.name}", *as_flags(facts.config)]
    run = f"checkpoints/{name}"
    train += ["--device", facts.device, "--out", run]
    lines = [build, train, ["eval", run], ["export", "onnx", run]]
    return [shlex.join(["nplm", *words]) for words in lines]
