"""Where a run is trained, and what may stand there. Loads nothing."""

from collections.abc import Collection
from pathlib import Path

from nplm.errors import ExistsError
from nplm.occupied import is_free, refuse_foreign
from nplm.runs.layout import BEST, DATASET, FILES, LAST, LOCK, MARK
from nplm.runs.replacement import folder_beside
from nplm.temporaries import remove_stale
from nplm.text import datafolder
from nplm.transaction import remove_file


def work_folder(folder: Path, *, force: bool) -> Path:
    """Where a run that is to stand in `folder` is trained: beside one that it replaces."""
    trained = any((folder / name).exists() for name in (LAST, BEST))
    return folder_beside(folder) if force and trained else folder


def refuse_run(folder: Path, *, force: bool) -> None:
    """Raise ExistsError when `folder` holds anything that a new run would replace.

    With `force`, where it holds anything but a run.
    """
    if force and folder.is_dir():
        refuse_other(folder)
    occupied = folder.exists() and (not folder.is_dir() or not is_free(folder, (LOCK, MARK)))
    if occupied and not (force and folder.is_dir()):
        raise ExistsError(
            folder,
            f"{folder} already exists",
            "go on with `resume=True`, replace it with `force=True`, or choose another `out`",
        )


def refuse_other(folder: Path) -> None:
    """Raise ExistsError where `folder` holds something that is not of a run."""
    own = folder / DATASET
    if own.is_dir():
        datafolder.refuse_folder(own, force=True)
    refuse_foreign(folder, (*FILES, LOCK, MARK), "run", folders=(DATASET,))


def clear(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove what is left of an earlier run, its pictures too, and of writes that a kill cut."""
    remove_stale(folder)
    for name in FILES:
        if name not in keep:
            remove_file(folder / name)
