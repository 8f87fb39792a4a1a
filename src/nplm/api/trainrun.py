"""Training from Python: a run in a folder, with a bar or a callback where they are wanted."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from nplm.api.datasource import open_data
from nplm.api.openrun import Run
from nplm.checks import check_path
from nplm.config import RunConfig
from nplm.errors import UsageError
from nplm.extras import training_extra
from nplm.presets import Settings, override, preset
from nplm.runs.facts import read_facts
from nplm.runs.layout import DATASET
from nplm.text.datafolder import refuse_folder
from nplm.text.dataset import Dataset
from nplm.transaction import named

if TYPE_CHECKING:
    from nplm.runs.run import RunEvent


def train_run(
    data: Dataset | str | Path | Iterable[str],
    out: str | Path,
    base: str | RunConfig | None,
    settings: Settings,
    *,
    device: str,
    resume: bool,
    force: bool,
    on_event: "Callable[[RunEvent], object] | None",
    progress: bool,
) -> Run:
    """Train in the folder `out`; see `nplm.train`."""
    with training_extra("nplm.train"):
        from nplm.runs import run
        from nplm.runs.replacement import destination
        from nplm.runs.runplace import refuse_run
    if resume and force:
        raise UsageError("`resume` and `force` contradict each other", "give one of them")
    if not (on_event is None or callable(on_event)):
        raise TypeError(f"`on_event` is {on_event!r}, not a function")
    target = named(check_path("out", out))
    resumed = read_facts(target).config if resume else None
    if not resume:
        refuse_run(target, force=force)
    config = override(_base(base, resumed), settings, "")
    dataset, folder = open_data(data)
    if folder is None:
        refuse_folder(target / DATASET, force=True)
    place, result = folder or target / DATASET, destination(target)
    events = run.train(target, config, dataset, place, device, resume=resume, force=force)
    _follow(events, on_event, progress=progress and config.mixture.networks > 0)
    return Run(result)


def _follow(
    events: "Generator[RunEvent]",
    on_event: "Callable[[RunEvent], object] | None",
    *,
    progress: bool,
) -> None:
    """Show a bar, where one is wanted, and tell the caller."""
    from rich.console import Console

    from nplm.api.progressbar import RunBar

    # Closed when the caller's own function raises, too: a traceback would keep the folder locked.
    with closing(events), RunBar(Console(stderr=True), wanted=progress) as bar:
        for event in events:
            bar.show(event)
            if on_event:
                on_event(event)


def _base(base: str | RunConfig | None, resumed: RunConfig | None) -> RunConfig:
    """What the settings are to override: a preset, whole settings, or those of a resumed run."""
    if isinstance(base, RunConfig):
        return base
    if resumed and base in (None, resumed.preset):
        return resumed
    return preset(base or "default")
