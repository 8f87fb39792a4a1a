"""`nplm train`."""

import shlex
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nplm.cli import latest
from nplm.cli.console import note, stderr, training_extra
from nplm.config import PRESETS, RunConfig, override, preset
from nplm.errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from nplm.corpus.dataset import Dataset
    from nplm.training.checkpoint import Run
    from nplm.training.run import RunEvent, Started


def _option(text: str, panel: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel)


SHOW_EVERY = 16  # steps between updates of the progress bar
RUN, MODEL, TRAINING = "Run", "Model (default: the preset's)", "Training (default: the preset's)"


def train(
    source: Annotated[
        Path | None,
        typer.Argument(help="A data set, or a text file. [default: the newest data set]"),
    ] = None,
    preset_name: Annotated[
        str | None, _option(f"{', '.join(PRESETS)}. [default: default]", RUN, "--preset")
    ] = None,
    config: Annotated[Path | None, _option("TOML file of settings.", RUN)] = None,
    out: Annotated[Path | None, _option("Run folder. [default: checkpoints/NAME]", RUN)] = None,
    device: Annotated[str, _option("auto, cpu, cuda or cuda:N.", RUN)] = "auto",
    resume: Annotated[bool, _option("Go on with a stopped run.", RUN, "--resume")] = False,
    force: Annotated[bool, _option("Replace an existing run.", RUN, "--force")] = False,
    block_size: Annotated[int | None, _option("Symbols of context.", MODEL)] = None,
    embedding_size: Annotated[int | None, _option("Numbers per symbol.", MODEL)] = None,
    hidden_size: Annotated[int | None, _option("Units per hidden layer.", MODEL)] = None,
    layers: Annotated[
        int | None, _option("Hidden layers; further ones are residual.", MODEL)
    ] = None,
    activation: Annotated[str | None, _option("tanh, relu or gelu.", MODEL)] = None,
    dropout: Annotated[float | None, _option("Share of hidden units dropped.", MODEL)] = None,
    steps: Annotated[int | None, _option("Training steps.", TRAINING)] = None,
    batch_size: Annotated[str | None, _option("Draws per step, or full.", TRAINING)] = None,
    optimizer: Annotated[str | None, _option("sgd or adamw.", TRAINING)] = None,
    learning_rate: Annotated[float | None, _option("Its highest value.", TRAINING)] = None,
    schedule: Annotated[str | None, _option("constant, step, linear or cosine.", TRAINING)] = None,
    eval_every: Annotated[int | None, _option("Steps between evaluations.", TRAINING)] = None,
    seed: Annotated[int | None, _option("Of weights, draws and dropout.", TRAINING)] = None,
) -> None:
    """Train a network on a data set. Flags win over --config, which wins over --preset."""
    flags = {
        "block_size": block_size,
        "embedding_size": embedding_size,
        "hidden_size": hidden_size,
        "layers": layers,
        "activation": activation,
        "dropout": dropout,
        "steps": steps,
        "batch_size": _batch_size(batch_size),
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "eval_every": eval_every,
        "seed": seed,
    }
    with training_extra("nplm train"):
        from nplm.training import device as devices
        from nplm.training import run
        from nplm.training.checkpoint import is_finished, load_run, read_facts
    if resume and force:
        raise UsageError("--resume and --force contradict each other", "give one of them")
    dataset, folder = _dataset(source)
    target = out or latest.CHECKPOINTS / folder.name
    if not resume:
        run.refuse_run(target, force=force)
    given = {key: value for key, value in flags.items() if value is not None}
    settings = settings_for(preset_name, config, given, target if resume else None)
    if resume and device == "auto":
        device = read_facts(target).device
    chosen = devices.choose(device, settings)
    with _stop_on_signal() as stop:
        events = run.train(
            target, settings, dataset, folder, chosen, resume=resume, force=force, stop=stop
        )
        started = _show(events, settings.train.steps)
    if stop() and not is_finished(target):
        cure = f"go on: nplm {shlex.join(['train', str(folder), '--out', str(target), '--resume'])}"
        raise InterruptedRunError(f"stopped, everything is saved in {target}", cure)
    _summary(load_run(target), started, next_argument=str(target) if out else "")


def settings_for(
    preset_name: str | None, file: Path | None, flags: dict[str, Any], resumed: Path | None
) -> RunConfig:
    """The settings of a run: flags over file over preset (or, to resume, over the run's own)."""
    from nplm.files import read_toml
    from nplm.training.checkpoint import read_facts

    values = read_toml(file, "give a TOML file with tables [model] and [train]") if file else {}
    for table in ("dataset", "run"):  # so that the config.toml of a run can be used again
        values.pop(table, None)
    named = values.pop("preset", None)
    if named is not None and not preset_name:
        try:
            preset_name = preset(named).preset
        except UsageError as error:
            raise UsageError(f"{file}: {error.problem}", error.cure) from None
    base = (
        read_facts(resumed).config
        if resumed and not preset_name
        else preset(preset_name or "default")
    )
    return override(override(base, values, str(file)), flags, "")


def _batch_size(text: str | None) -> int | str | None:
    if text is None or text == "full":
        return text
    if not text.isdecimal():
        raise UsageError(f"--batch-size is {text!r}", "give a whole number or full")
    return int(text)


def _dataset(source: Path | None) -> tuple["Dataset", Path]:
    """The data set of a folder; a text file is made into one under data/ first."""
    from nplm.config import DatasetConfig
    from nplm.corpus import dataset
    from nplm.files import read_bytes

    if source is None or not source.is_file():
        folder = latest.dataset_folder(source)
        return dataset.load(folder), folder
    folder = latest.DATA / source.stem
    built = dataset.build(dataset.read_source(read_bytes(source), source.name), DatasetConfig())
    if not folder.exists():
        dataset.save(built, folder)
        note(f"{len(built.vocab)} symbols -> {folder}")
    elif dataset.load(folder).sha256 != built.sha256:
        raise UsageError(
            f"{folder} is a data set of something else than {source}",
            f"name it, or build again: nplm dataset build {source} --force",
        )
    return built, folder


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and a polite kill let the current step finish; a second Ctrl-C ends at once."""
    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _show(events: Iterable["RunEvent"], steps: int) -> "Started":
    """Follow a run on stderr: a progress bar on a terminal, one line at the start elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from nplm.training.loop import Evaluated, Stepped
    from nplm.training.run import Started

    console = stderr()
    columns = (
        TextColumn("step {task.completed:,.0f}/{task.total:,.0f}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  val {task.fields[val]}"),
        TextColumn("{task.fields[speed]:,.0f} steps/s"),
        TimeRemainingColumn(),
    )
    started = None
    smooth, shown = nan, 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=steps, loss=smooth, val="-", speed=0.0)
        for event in events:
            if isinstance(event, Started):
                started = event
                progress.update(task, completed=event.step)
                console.print(
                    f"{event.parameters:,} parameters, {event.contexts:,} distinct contexts, "
                    f"on {event.device}" + (f", from step {event.step}" if event.step else "")
                )
            elif isinstance(event, Stepped):
                for loss in event.losses:
                    smooth = loss if isnan(smooth) else 0.98 * smooth + 0.02 * loss
                if event.step >= shown + SHOW_EVERY:
                    shown = event.step
                    speed = progress.tasks[0].speed or 0.0
                    progress.update(task, completed=event.step, loss=smooth, speed=speed)
            elif isinstance(event, Evaluated) and event.val_nats_per_symbol is not None:
                progress.update(task, completed=event.step, val=f"{event.val_nats_per_symbol:.4f}")
    assert started is not None
    return started


def _summary(run: "Run", started: "Started", next_argument: str) -> None:
    """What a run came to: losses, place, ten strings, and what to type next."""
    from nplm.config import SamplingConfig
    from nplm.runtime.generate import default_max_length, generate
    from nplm.training.checkpoint import metrics

    best = next((e for e in metrics(run.folder) if e.step == run.best_step), None)
    assert best is not None
    val = best.val_nats_per_symbol
    shown, kept = (
        (", no val split", ", the last weights") if val is None else (f", val {val:.4f}", "")
    )
    note(
        f"train {best.train_nats_per_symbol:.4f} (floor {started.floor:.4f}){shown} "
        f"nats per symbol at step {best.step:,}{kept}; {started.parameters:,} parameters"
    )
    note(f"run: {run.folder}")
    sampling = SamplingConfig(max_length=default_max_length(run.card))
    for string in generate(run.model, run.card, sampling, count=10):
        note(f"  {string.text}")
    note(f"next: nplm export onnx {next_argument}".rstrip())
