"""`nplm report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import note, stage
from nplm.cli.options import Force, MovedData, RunFolder
from nplm.cli.settings import as_flags
from nplm.commandline import command_line
from nplm.extras import training_extra

if TYPE_CHECKING:
    from nplm.runs.facts import RunFacts
    from nplm.text.dataset import Dataset


def report(
    run: RunFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. (default: RUN/report.html)")
    ] = None,
    data: MovedData = None,
    force: Force = False,
) -> None:
    """Everything about a run on one page.

    It is a single file that needs no network.
    """
    with training_extra("nplm report"):
        from nplm.report.content import describe
        from nplm.report.page import render
        from nplm.runs.facts import dataset_of, read_facts
    from nplm.occupied import refuse_existing
    from nplm.transaction import write_bytes

    folder = latest.run_folder(run)
    target = out or folder / "report.html"
    refuse_existing(target, force=force)
    facts = read_facts(folder)
    dataset = dataset_of(folder, facts, data, "the report needs that one: --data DIR")
    with training_extra("nplm report"), stage("scoring, sampling, drawing"):
        page = render(describe(folder, dataset, commands(folder, facts, dataset)))
    write_bytes(target, page.encode("utf-8"), force=force)
    note(f"{target}: {target.stat().st_size:,} bytes")


def commands(folder: Path, facts: "RunFacts", dataset: "Dataset") -> list[str]:
    """The command lines that make the run again, typed where its data set was built.

    What they make has the names of what there is, in a folder `again`: nothing is replaced, and the
    exported model is the same to the byte.
    """
    from nplm.text.sources import IN_MEMORY

    name, again = folder.resolve().name, Path("again")
    data, run = again / "data" / dataset.name, again / "checkpoints" / name
    build = [command_line("dataset", "build", *_build_options(dataset), "--out", data)]
    if dataset.source["file"] == IN_MEMORY and "path" not in dataset.source:
        data, build = facts.dataset_folder(folder), []  # there is no file to build it of
    return [
        *build,
        command_line(
            "train", data, *as_flags(facts.config), "--device", facts.device, "--out", run
        ),
        command_line("eval", run),
        command_line("export", "onnx", run, "--out", again / "exports" / f"{name}.onnx"),
    ]


def _build_options(dataset: "Dataset") -> list[str | Path]:
    """The list and the options that a data set was built with."""
    source = dataset.source
    # 0.1.0 kept the name of the file alone.
    path = source.get("path") or ("-" if source["file"] == "stdin" else source["file"])
    words: list[str | Path] = []
    if source["split_by"] == "file":
        for name, file in source["files"].items():
            words += [f"--{name}", Path(file or "-")]
    else:
        words += [Path(path), "--split", ",".join(source["split"]), "--seed", str(source["seed"])]
        words += ["--split-by", source["split_by"]]
        words += ["--distinct"] if source["distinct"] else []
    words += ["--level", "word"] if dataset.vocab.level == "word" else []
    words += ["--document", "stream"] if dataset.document == "stream" else []
    words += ["--normalize", dataset.normalize] if dataset.normalize != "nfc" else []
    for key in ("min_count", "max_vocab", "count_on"):
        words += [f"--{key.replace('_', '-')}", str(source[key])] if key in source else []
    return words
