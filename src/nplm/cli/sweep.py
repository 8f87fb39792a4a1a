"""`nplm sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nplm.cli import latest
from nplm.cli.console import note, progress, stderr, stdout
from nplm.cli.settings import HELP, NAME, PRESET_HELP, as_flags, parse, settings_for, with_settings
from nplm.cli.signals import stop_on_signal
from nplm.commandline import command_line, quote
from nplm.config import PresetName
from nplm.errors import DataError, InterruptedRunError, UsageError
from nplm.extras import training_extra
from nplm.presets import EARLIER, format_value, nearest

if TYPE_CHECKING:
    from nplm.runs.trials import Outcome, Trial

SWEEP = "Sweep"


@with_settings
def sweep(
    source: Annotated[Path | None, typer.Argument(help="A data set. (default: the newest)")] = None,
    *,
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE,VALUE,...",
            help="Of any setting below; may be repeated.",
            rich_help_panel=SWEEP,
        ),
    ],
    preset_name: Annotated[
        PresetName | None,
        typer.Option("--preset", metavar=NAME, help=PRESET_HELP, rich_help_panel=SWEEP),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings.", rich_help_panel=SWEEP)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder. (default: checkpoints/NAME-sweep)", rich_help_panel=SWEEP),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Processes; 0: one a processor.", min=0, rich_help_panel=SWEEP)
    ] = 0,
    pick: Annotated[
        bool,
        typer.Option("--pick", help="Print the winning command line alone.", rich_help_panel=SWEEP),
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Forget all trials and start anew.", rich_help_panel=SWEEP),
    ] = False,
    settings: dict[str, Any],
) -> None:
    """Train for each point of a grid of settings, and rank them by val.

    The other options are the fixed part. Trials that have ended are not repeated.
    """
    from nplm.transaction import named

    points = parse_grid(grid, settings)
    base = settings_for(preset_name, config, settings)
    with training_extra("nplm sweep"):
        from nplm.report.figures import save_sweep
        from nplm.runs import sweep as sweeps
        from nplm.runs.replacement import destination
        from nplm.runs.trials import RESULTS, best, goes_on, plan
    folder = latest.dataset_folder(source)
    target = named(out) if out else latest.CHECKPOINTS / f"{named(folder).name}-sweep"
    trials = plan(base, points, target)
    if not force and not goes_on(target, trials):
        earlier = settings_for(preset_name, config, settings, presets=EARLIER)
        begun = plan(earlier, points, target)
        trials = begun if goes_on(target, begun) else trials
    work, result = sweeps.work_folder(target, force=force), destination(target)
    with stop_on_signal() as stop:
        count = workers or sweeps.workers_here()
        events = sweeps.sweep(trials, target, folder, count, stop, force=force)
        outcomes = _follow(events, trials)
    if stop() and len(outcomes) < len(trials):
        raise InterruptedRunError(
            f"stopped after {len(outcomes)} of {len(trials)} trials",
            "the same command goes on, without --force"
            + (f" and with --out {quote(work)}" if work != target else ""),
        )
    outcomes.sort(key=lambda outcome: outcome.rank)
    save_sweep(outcomes, result / "sweep.png", force=True)
    _print(outcomes, to_stdout=not pick)
    note(f"{result / RESULTS}, {result / 'sweep.png'}")
    winner = best(outcomes)
    trial = next((t for t in trials if winner and t.values == winner.values), None)
    if trial:
        trained = result / trial.folder.relative_to(target)
        note(f"the winner is trained already: {command_line('eval', trained)}")
    if pick:
        if trial is None:
            raise DataError("every trial diverged", "try lower learning rates")
        typer.echo(command_line("train", folder, *as_flags(trial.config)))


def parse_grid(texts: list[str], fixed: dict[str, Any]) -> dict[str, list[Any]]:
    """`learning-rate=0.1,1` and the like -> setting names to values.

    Raises:
        UsageError: not of that form, an unknown setting, one given twice, or a value of the wrong
            type.
    """
    grid: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        name = key.strip().removeprefix("--").replace("-", "_")
        if not equals or not values.strip():
            raise UsageError(f"--grid is {text!r}", "give NAME=VALUE,VALUE,...")
        if name not in HELP:
            raise UsageError(
                f"--grid: unknown setting {key!r}",
                f"did you mean {nearest(name, list(HELP)).replace('_', '-')}?",
            )
        if name in grid or name in fixed:
            raise UsageError(f"--grid: {key} is given twice", "give it once")
        try:
            parsed = [parse(name, value.strip()) for value in values.split(",")]
        except UsageError as error:
            raise error.within("--grid") from None
        grid[name] = list(dict.fromkeys(parsed))
    return grid


def _follow(events: Any, trials: "list[Trial]") -> "list[Outcome]":
    """Collect outcomes; on a terminal one bar for the sweep and one for each running trial."""
    from nplm.runs.trials import Outcome

    outcomes = []
    with progress() as bars:
        whole = bars.add_task("trials", total=len(trials))
        tasks: dict[str, Any] = {}
        for event in events:
            if isinstance(event, Outcome):
                outcomes.append(event)
                bars.update(whole, completed=len(outcomes))
                done = next(trial for trial in trials if trial.values == event.values)
                if done.name in tasks:
                    bars.remove_task(tasks.pop(done.name))
                continue
            name = event.trial.name
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=event.steps)
            bars.update(tasks[name], completed=event.step)
    return outcomes


def _print(outcomes: "list[Outcome]", *, to_stdout: bool) -> None:
    from rich.table import Table

    table = Table(caption="val and train in nats per symbol, seconds of training steps")
    for name in (*outcomes[0].values, "val", "train", "step", "seconds"):
        table.add_column(name.replace("_", "-"), justify="right", overflow="fold")
    for outcome in outcomes:
        train = "-" if outcome.train_nats is None else f"{outcome.train_nats:.4f}"
        table.add_row(
            *map(format_value, outcome.values.values()),
            f"{outcome.nats:.4f}" if outcome.status == "done" else "diverged",
            train if outcome.status == "done" else "-",
            f"{outcome.step:,}",
            f"{outcome.train_seconds:.1f}",
        )
    (stdout() if to_stdout else stderr()).print(table)
