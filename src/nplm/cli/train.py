"""`nplm train`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nplm.cli import latest
from nplm.cli.console import note, stderr
from nplm.cli.settings import NAME, PRESET_HELP, settings_for, with_settings
from nplm.cli.signals import stop_on_signal
from nplm.commandline import command_line, quote
from nplm.config import PresetName
from nplm.errors import DataError, ExistsError, InterruptedRunError, UsageError
from nplm.extras import training_extra

if TYPE_CHECKING:
    from nplm.runs.opened import LoadedRun
    from nplm.runs.run import RunEvent, Started
    from nplm.text.dataset import Dataset
    from nplm.training.events import Evaluated


RUN = "Run"
LONGEST_SAMPLE = 500  # symbols of a string that the summary shows


@with_settings
def train(
    source: Annotated[
        Path | None,
        typer.Argument(help="A data set, or a text file. (default: the newest data set)"),
    ] = None,
    *,
    preset_name: Annotated[
        PresetName | None,
        typer.Option("--preset", metavar=NAME, help=PRESET_HELP, rich_help_panel=RUN),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings.", rich_help_panel=RUN)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder. (default: checkpoints/NAME)", rich_help_panel=RUN),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N.", rich_help_panel=RUN)
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a stopped run.", rich_help_panel=RUN)
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing run.", rich_help_panel=RUN)
    ] = False,
    settings: dict[str, Any],
) -> None:
    """Train a model on a data set.

    Options win over --config, which wins over --preset.
    """
    from nplm.transaction import named

    with training_extra("nplm train"):
        from nplm.runs import run
        from nplm.runs.facts import read_facts, resume_command
        from nplm.runs.header import is_finished
        from nplm.runs.layout import LAST
        from nplm.runs.opened import load_run
        from nplm.runs.replacement import destination
        from nplm.runs.runplace import refuse_run, work_folder
    if resume and force:
        raise UsageError("--resume and --force contradict each other", "give one of them")
    dataset, folder = _dataset(source)
    target = named(out) if out else latest.CHECKPOINTS / named(folder).name
    if not resume:
        refuse_run(target, force=force)
    resumed = read_facts(target) if resume else None
    was_finished = resume and is_finished(target)
    resolved = settings_for(preset_name, config, settings, resumed.config if resumed else None)
    work = work_folder(target, force=force)
    result = destination(target)
    if work != target and (work / LAST).exists():
        note(f"{work} was not finished, and is begun anew")
    with stop_on_signal() as stop:
        events = run.train(
            target, resolved, dataset, folder, device, resume=resume, force=force, stop=stop
        )
        started = _show(events, progress=resolved.mixture.networks > 0)
    trains = resolved.mixture.networks > 0 and not resume
    if trains and device == "auto" and started.device == "cpu" and _has_gpu():
        note("on the CPU, which is done soon: --device cuda takes the GPU")
    if was_finished:
        note(f"{target} was trained to its end: there was nothing left to do")
    if stop() and work.exists() and not is_finished(work):
        going_on = resume_command(folder, work)
        raise InterruptedRunError(f"stopped, everything is saved in {work}", f"go on: {going_on}")
    _summary(load_run(result), started)
    note("next: " + command_line("export", "onnx", *([result] if out else [])))


def _dataset(source: Path | None) -> tuple["Dataset", Path]:
    """The data set of a folder; a text file is made into one under data/ first."""
    from nplm.config import DatasetConfig
    from nplm.text import datafolder, dataset, sources
    from nplm.text.lines import file_blocks

    if source is None or not source.is_file():
        folder = latest.dataset_folder(source)
        return datafolder.load(folder), folder
    folder = latest.DATA / source.stem
    strings = sources.read_source(file_blocks(source), source.name, path=str(source))
    try:
        built = dataset.build(strings, DatasetConfig())
        datafolder.save(built, folder)
        note(f"{len(built.vocab)} symbols -> {folder}")
    except ExistsError:  # it stood there, or another command made it meanwhile
        if datafolder.load(folder).sha256 != built.sha256:
            raise UsageError(
                f"{folder} is a data set of something else than {source}",
                f"name it, or build again: {command_line('dataset', 'build', source, '--force')}",
            ) from None
    except DataError as error:  # its cure are options of another command
        by_hand = command_line("dataset", "build", source, "--split", "1,0,0", "--out", "DIR")
        raise DataError(error.problem, f"make the data set first, as by {by_hand}") from error
    return built, folder


def _show(events: Iterable["RunEvent"], *, progress: bool) -> "Started":
    """Follow a run on stderr: a progress bar on a terminal, one line at the start elsewhere."""
    from nplm.api.progressbar import RunBar
    from nplm.runs.run import Started

    console, started = stderr(), None
    with RunBar(console, wanted=progress) as bar:
        for event in events:
            bar.show(event)
            if isinstance(event, Started):
                started = event
                console.print(_describe(event))
    assert started is not None
    return started


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _describe(started: "Started") -> str:
    parts = [f"{started.parameters:,} parameters"] if started.parameters else []
    if started.ngram_contexts:
        parts.append(f"a {started.ngram_order}-gram of {started.ngram_contexts:,} contexts")
    resumed = f", from step {started.step:,}" if started.step else ""
    return (
        f"{' and '.join(parts)}, {started.contexts:,} distinct contexts, "
        f"on {started.device}{resumed}"
    )


def _scores(best: "Evaluated", seconds: float, started: "Started") -> str:
    """The losses of the best weights, and what they took."""
    val = best.val_nats_per_symbol
    on_val = f", val {val:.4f}" if val is not None else ""
    where = ""
    if best.step:
        where = (
            f" at step {best.step:,}, {started.parameters:,} parameters, {seconds:.1f} s of steps"
        )
    if val is None and best.step:
        where += "; there is no val split, so these are the last weights"
    losses = f"train {best.train_nats_per_symbol:.4f} (floor {started.floor:.4f}){on_val}"
    return f"{losses} nats per symbol{where}"


def _summary(run: "LoadedRun", started: "Started") -> None:
    """What a run came to: losses, place, up to ten strings."""
    from nplm.generation import SamplingConfig, StreamConfig
    from nplm.runs.metrics import metrics
    from nplm.runtime.generate import default_max_length, generate
    from nplm.training.mixture import Mixture

    evaluations = metrics(run.folder)
    best = next((e for e in evaluations if e.step == run.best_step), None)
    if best:  # the log of a run that was finished before may be lost
        note(_scores(best, evaluations[-1].train_seconds, started))
    last, steps = evaluations[-1].step if evaluations else 0, run.facts.config.steps
    if evaluations and last < steps:
        note(
            f"ended at step {last:,} of {steps:,}: val was not lower than at step "
            f"{run.best_step:,} (--patience 0 trains them all)"
        )
    if isinstance(run.module, Mixture):
        shares = zip(run.parts(), run.module.weights, strict=True)
        note("mixture: " + ", ".join(f"{name} {weight:.3f}" for name, weight in shares))
    note(f"run: {quote(run.folder)}")
    longest = min(default_max_length(run.card), LONGEST_SAMPLE)
    sampling = SamplingConfig(max_length=longest)
    indices = 10 if run.card.document == "line" else 1
    for string in generate(run.model, run.card, sampling, StreamConfig(indices=indices)):
        note(f"  {string.text}")
