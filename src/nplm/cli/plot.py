"""`nplm plot`."""

from pathlib import Path
from typing import Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import note
from nplm.cli.options import Force, RunFolder
from nplm.extras import training_extra

app = typer.Typer(help="Draw a run or a sweep as PNG or SVG.", no_args_is_help=True)


@app.command()
def loss(
    run: RunFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="File.png or .svg. (default: RUN/loss.png)")
    ] = None,
    force: Force = False,
) -> None:
    """Batch losses and exact train and val over the steps."""
    with training_extra("nplm plot"):
        from nplm.report.figures import batch_label, loss_figure, refuse_format, save
        from nplm.runs.facts import read_facts
        from nplm.runs.metrics import batch_losses, metrics
    from nplm.errors import DataError
    from nplm.occupied import refuse_existing

    folder = latest.run_folder(run)
    target = out or folder / "loss.png"
    refuse_format(target)
    refuse_existing(target, force=force)
    facts = read_facts(folder)
    losses, evaluations = batch_losses(folder), metrics(folder)
    if not len(losses) and not evaluations:
        going_on = facts.resume_command(folder)
        raise DataError(f"{folder} has logged no loss yet", f"go on: {going_on}")
    save(loss_figure(losses, evaluations, {}, batch_label(facts.config)), target, force=force)
    note(str(target))


@app.command()
def embedding(
    run: RunFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="File.png or .svg. (default: RUN/embedding.png)")
    ] = None,
    force: Force = False,
) -> None:
    """The symbols where the network's embedding puts them."""
    with training_extra("nplm plot"):
        from nplm.report.embedding import embedding_figure
        from nplm.report.figures import refuse_format, save
        from nplm.runs.opened import load_run
    from nplm.occupied import refuse_existing

    folder = latest.run_folder(run)
    target = out or folder / "embedding.png"
    refuse_format(target)
    refuse_existing(target, force=force)
    opened = load_run(folder)
    figure = embedding_figure(opened.embedding(), opened.card.vocab, opened.output_bias())
    save(figure, target, force=force)
    note(str(target))


@app.command()
def sweep(
    folder: Annotated[Path | None, typer.Argument(help="A sweep. (default: the newest)")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File.png or .svg. (default: SWEEP/sweep.svg)")
    ] = None,
    force: Force = False,
) -> None:
    """Val over the swept settings."""
    with training_extra("nplm plot"):
        from nplm.report.figures import refuse_format, save_sweep
        from nplm.runs.trials import results
    from nplm.errors import DataError
    from nplm.occupied import refuse_existing

    source = latest.sweep_folder(folder)
    target = out or source / "sweep.svg"
    refuse_format(target)
    refuse_existing(target, force=force)
    outcomes = results(source)
    if not outcomes:
        raise DataError(f"no trial of {source} has ended yet", "repeat the nplm sweep that made it")
    save_sweep(outcomes, target, force=force)
    note(str(target))
