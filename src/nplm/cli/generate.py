"""`nplm generate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nplm.cli import latest
from nplm.cli.conditions import Contains, EndsWith, Length, Match, condition_of
from nplm.cli.console import Format, data_output, note, progress
from nplm.cli.modelfile import open_file
from nplm.cli.options import Force
from nplm.cli.tally import Tally
from nplm.commandline import command_line
from nplm.errors import DataError, NotFoundError, UsageError
from nplm.extras import training_extra
from nplm.generation import DEFAULT_CACHE_MB, Condition, SamplingConfig, SortKey, StreamConfig
from nplm.runs.layout import BEST, CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nplm.runtime.modelcard import ModelCard
    from nplm.runtime.onnxmodel import OnnxModel
    from nplm.runtime.walk import GeneratedBatch
    from nplm.stepmodel import StepModel

Runtime = Literal["onnx", "torch"]


def generate(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="model.onnx, or a run folder: its export, or with --runtime torch the run itself. "
            "(default: the newest)"
        ),
    ] = None,
    count: Annotated[int | None, typer.Option("-n", help="Strings to print. (default: 20)")] = None,
    indices: Annotated[
        int | None,
        typer.Option(help="Draw so many indices, whatever of them is printed, instead of -n."),
    ] = None,
    runtime: Annotated[
        Runtime, typer.Option(help="onnx: the exported file; torch: the run itself.")
    ] = "onnx",
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; with --runtime torch also cuda:N.")
    ] = "cpu",
    temperature: Annotated[
        float, typer.Option(help="Below 1 safer, above 1 wilder, 0 greedy.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(help="Draw among the k most probable symbols.")
    ] = None,
    top_p: Annotated[float, typer.Option(help="Draw among the most probable mass p.")] = 1.0,
    prefix: Annotated[str, typer.Option(help="Every string starts with it.")] = "",
    match: Match = None,
    ends_with: EndsWith = "",
    contains: Contains = None,
    length: Length = None,
    excluding: Annotated[
        Path | None, typer.Option(help="A list, one string a line, none of which is given.")
    ] = None,
    min_length: Annotated[
        int,
        typer.Option(
            help="Symbols before the end may be drawn, prefix included. It changes what is "
            "probable; --length does not."
        ),
    ] = 1,
    max_length: Annotated[
        int | None,
        typer.Option(help="Longest string. (default: twice the longest training string)"),
    ] = None,
    cut: Annotated[
        bool,
        typer.Option(
            "--cut", help="Cut strings that would be longer, instead of leaving them out."
        ),
    ] = False,
    novel: Annotated[
        bool, typer.Option("--novel", help="Leave out strings of the list the model is made from.")
    ] = False,
    unique: Annotated[bool, typer.Option("--unique", help="Leave out repeated strings.")] = False,
    allow_unknown: Annotated[
        bool,
        typer.Option("--allow-unknown", help="Draw the unknown symbol too, written as U+FFFD."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Which stream of strings.")] = 0,
    start: Annotated[int, typer.Option("--start-index", help="Where in the stream to start.")] = 0,
    budget: Annotated[
        int, typer.Option(help="For --match and its like: states worked out before.")
    ] = Condition.budget,
    tolerance: Annotated[
        float, typer.Option(help="How near to its limit, as a share.")
    ] = Condition.tolerance,
    attempts: Annotated[
        int, typer.Option(help="Attempts at one string before none is expected.")
    ] = Condition.attempts,
    cache_mb: Annotated[
        float, typer.Option(help="Megabytes for what was computed before.")
    ] = DEFAULT_CACHE_MB,
    sort: Annotated[
        SortKey | None,
        typer.Option(
            help="Most probable first, fewest nats per symbol first, or by code points. Nothing is "
            "printed before the last is drawn; all are held in memory, up to 160 MB a million "
            "short ones."
        ),
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="What is printed.")] = "text",
    out: Annotated[Path | None, typer.Option(help="File to write. (default: stdout)")] = None,
    force: Force = False,
) -> None:
    """Generate strings.

    String i depends only on model, options, seed and i.
    """
    from nplm.runtime import generate as walks
    from nplm.runtime.automatoncache import AutomatonCache

    if count is not None and indices is not None:
        raise UsageError("-n and --indices contradict each other", "give one of them")
    stream = StreamConfig(
        StreamConfig.count if count is None else count,
        seed,
        start,
        indices=indices,
        novel=novel,
        unique=unique,
        cut=cut,
        excluding=read_strings(excluding) if excluding else (),
    )
    condition = condition_of(match, ends_with, contains, length, budget, tolerance, attempts)
    source, card, path = open_model(model, runtime, device)
    if out is not None:
        from nplm.occupied import refuse_input

        refuse_input(out, path, excluding)
    if novel and card.novelty and card.novelty_splits == ["train"]:
        note("this model knows the train split only: export it again to leave out val and test too")
    longest = walks.default_max_length(card) if max_length is None else max_length
    sampling = SamplingConfig(
        temperature, top_k, top_p, prefix, min_length, longest, allow_unknown, condition
    )
    as_json = output_format == "jsonl"
    batches = walks.generate_batches(
        AutomatonCache(source, card, cache_mb),
        sampling,
        stream,
        nats=as_json or sort in ("probability", "per-symbol"),
    )
    tally = Tally(card)
    with data_output(out, force=force) as file, progress(show=_to_file(out)) as bars:
        bar = bars.add_task("strings", total=stream.count if indices is None else indices)

        def counted() -> "Iterator[GeneratedBatch]":
            for batch in batches:
                tally.add(batch)
                bars.advance(bar, len(batch.indices) if indices is None else batch.drawn)
                if batch.attempts and indices is None:
                    tally.foretell(stream.count)
                yield batch

        for batch in _sorted(counted(), sort) if sort else counted():
            file.write(batch.json_lines() if as_json else batch.lines())
    tally.show(longest)


def _sorted(batches: "Iterator[GeneratedBatch]", key: SortKey) -> "Iterator[GeneratedBatch]":
    from nplm.runtime.sorting import sort_batches

    return sort_batches(batches, key)


def read_strings(path: Path) -> tuple[str, ...]:
    """The lines of a list."""
    from nplm.text.lines import file_blocks, iter_lines

    return tuple(text for lines in iter_lines(file_blocks(path), str(path)) for text in lines.texts)


def _to_file(out: Path | None) -> bool:
    return out is not None and str(out) != "-"


def open_model(
    path: Path | None, runtime: Runtime, device: str
) -> tuple["StepModel", "ModelCard", Path | None]:
    """The model that the options of a command mean, what it says about itself, and its file."""
    if runtime == "onnx":
        if path is not None and (path / CONFIG).is_file():
            onnx = _open_export(path, device)
        else:
            onnx = latest.open_model(path, device)
        if device == "auto":
            note(f"on {onnx.device}")
        return onnx, onnx.card, Path(onnx.where)
    with training_extra("--runtime torch"):
        from nplm.runs.opened import load_run
        from nplm.training.device import for_generating
    run = load_run(latest.run_folder(path))
    place = for_generating(device, run.module)
    if device == "auto":
        note(f"on {place}")
    return run.on(place), run.card, None


def _open_export(run: Path, device: str) -> "OnnxModel":
    """The file that a run folder was exported to, open.

    Raises:
        NotFoundError: there is none.
        DataError: the run has been trained again since, or it is that of a run of
            the same name on other data.
    """
    from nplm.runs.facts import read_facts
    from nplm.runs.header import weights_digest

    file = latest.export_of(run, "onnx")
    if not file.exists():
        raise NotFoundError(file, f"{run} has no export {file}", _cure(run))
    weights = run / BEST
    if weights.exists() and weights.stat().st_mtime > file.stat().st_mtime:
        raise DataError(f"{file} is older than {run}", _cure(run, "--force"))
    onnx = open_file(file, device)
    trained_on = read_facts(run).card.dataset_sha256
    if onnx.card.dataset_sha256 is None:
        problem = f"{file} does not say whose export it is (export onnx --private)"
        raise DataError(problem, f"take the file: {command_line('generate', file)}")
    signed = onnx.card.extra.get("weights_sha256")
    if signed is not None and signed != weights_digest(run):
        problem = f"{file} is the export of another run than {run}"
        raise DataError(problem, _cure(run, "--out", "FILE.onnx"))
    if trained_on != onnx.card.dataset_sha256:
        problem = f"{file} is the export of a run on other data than {run}"
        raise DataError(problem, _cure(run, "--out", "FILE.onnx"))
    note(f"using {file}")
    return onnx


def _cure(run: Path, *options: str) -> str:
    export = command_line("export", "onnx", run, *options)
    itself = command_line("generate", run, "--runtime", "torch")
    return f"make its own: {export}, or take the run itself: {itself}"
