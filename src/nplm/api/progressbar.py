"""The progress bar of a run: on a terminal or in a notebook, nowhere else."""

from math import isnan, nan
from typing import TYPE_CHECKING, Self

from nplm.runs.run import RunEvent, Started
from nplm.training.events import Evaluated, Stepped

if TYPE_CHECKING:
    from rich.console import Console

SHOW_EVERY = 16  # steps between updates
MEMORY = 0.98  # share of the loss shown that comes from the steps before


class RunBar:
    """A bar that follows the events of a run, from the first to the end of the `with`.

    Args:
        wanted: whether it is to be seen, on a terminal or in a notebook.
    """

    def __init__(self, console: "Console", *, wanted: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("step {task.completed:,.0f}/{task.total:,.0f}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]}  val {task.fields[val]}"),
            TextColumn("{task.fields[speed]:,.0f} steps/s"),
            TimeRemainingColumn(),
            console=console,
            disable=not (console.is_terminal or console.is_jupyter) or not wanted,
        )
        self._task = self._bar.add_task("", total=0, loss="-", val="-", speed=0.0)
        self._loss, self._shown = nan, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: RunEvent) -> None:
        """Go on to an event; the bar appears with the first, before which a run may be refused."""
        if isinstance(event, Started):
            self._bar.update(self._task, total=event.steps, completed=event.step)
            self._bar.start()
        elif isinstance(event, Stepped):
            for loss in event.losses:
                first = isnan(self._loss)
                self._loss = loss if first else MEMORY * self._loss + (1 - MEMORY) * loss
            if event.step >= self._shown + SHOW_EVERY:
                self._shown = event.step
                speed = self._bar.tasks[0].speed or 0.0
                loss_shown = f"{self._loss:.3f}"
                self._bar.update(self._task, completed=event.step, loss=loss_shown, speed=speed)
        elif isinstance(event, Evaluated) and event.val_nats_per_symbol is not None:
            val = f"{event.val_nats_per_symbol:.4f}"
            self._bar.update(self._task, completed=event.step, val=val)
