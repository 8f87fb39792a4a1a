"""Looks at a test split: counted where a model is, and told."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from nplm.cli.console import note
from nplm.errors import DataError

if TYPE_CHECKING:
    from nplm.runs.opened import LoadedRun


def count_run(run: "LoadedRun", nats_per_symbol: float) -> int:
    """Add a look with a run; how many there were before.

    Raises:
        DataError: it cannot be recorded, so it must not be taken.
    """
    from nplm.runs.looks import looks, record_look

    before = looks(run.folder)
    record_look(run.folder, nats_per_symbol, run.best_step)
    _tell(before, "run")
    return before


def count_file(model: Path, nats_per_symbol: float) -> int | None:
    """Add a look with a model file; how many there were before, None where that is not known.

    A file may lie where nobody but its maker writes: then the look is taken, and not counted.
    """
    from nplm.runs.looks import file_looks, record_file_look
    from nplm.stored import MAX_MODEL, read_stored

    before = None
    try:
        digest = hashlib.sha256(read_stored(model, MAX_MODEL)).hexdigest()
        before = file_looks(model, digest)
        _tell(before, "model")
        record_file_look(model, digest, nats_per_symbol)
    except DataError as error:
        note(f"this look is not counted: {error}")
    return before


def _tell(before: int, what: str) -> None:
    if not before:
        note(f"the first look at the test split with this {what}")
        return
    times = "once" if before == 1 else f"{before} times"
    note(f"the test split was looked at {times} before with this {what}; choose settings on val")
