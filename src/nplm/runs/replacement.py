"""What is made anew beside the run or the sweep that it replaces, and takes its place when whole.

`NAME.new` holds a file that says which folder it is to replace. A stop, a divergence or a kill
leaves both: the old one can be used, the new one be gone on with. No clean-up touches it.
"""

import os
from collections.abc import Callable
from pathlib import Path

from nplm.errors import ExistsError, PathError
from nplm.occupied import is_free
from nplm.outputfolder import discard_folder, replace_folder
from nplm.runs.layout import MARK
from nplm.stored import KIB, read_stored
from nplm.temporaries import remove_stale
from nplm.transaction import place_of, remove_file, write_bytes

NEW = ".new"
MAX_NAME = 4 * KIB  # bytes of a folder's name


def folder_beside(folder: Path) -> Path:
    """Where that which replaces `folder` is made."""
    place = place_of(folder)
    return place.with_name(place.name + NEW)


def destination(folder: Path) -> Path:
    """The folder whose place `folder` takes when it is whole: itself, but for a `NAME.new`."""
    target = folder.with_name(folder.name.removesuffix(NEW))
    return target if target != folder and _mark(folder) == target.name else folder


def begin(new: Path, folder: Path, refuse: Callable[[Path], None]) -> None:
    """Make `new` empty, to replace `folder`; one of an earlier try goes, if `refuse` lets it.

    Raises:
        PathError: what stands at `new` is not ours, or it cannot be made.
    """
    name = place_of(folder).name
    if os.path.lexists(new):
        empty = new.is_dir() and is_free(new, ())  # a kill cut its start
        if not empty and _mark(new) != name:
            cure = f"it would be made there until it is whole: move {new} away"
            raise ExistsError(new, f"{new} already exists, and was not to replace {folder}", cure)
        refuse(new)
        discard_folder(new)
    write_bytes(new / MARK, name.encode("utf-8", "surrogateescape"))


def take_place(new: Path, refuse: Callable[[Path], None]) -> None:
    """Put what is whole at its destination; what stood there goes, if `refuse` lets it.

    Raises:
        PathError: what stands there is not ours alone any more, or cannot be replaced.
    """
    target = destination(new)
    if target == new:
        return
    if target.exists():
        try:
            refuse(target)
        except PathError as error:
            raise type(error)(
                error.path, error.problem, f"{error.cure}; the new one is whole in {new}"
            ) from error
    replace_folder(new, target)
    settle(target)


def settle(folder: Path) -> None:
    """Finish what a kill may have cut short: remove what `folder` took the place of."""
    place = place_of(folder)
    remove_stale(place.parent)
    if _mark(place) != place.name:
        return
    old = folder_beside(folder)
    if old.is_dir() and _mark(old) != place.name:
        discard_folder(old)
    remove_file(place / MARK)


def _mark(folder: Path) -> str | None:
    mark = folder / MARK
    if not mark.is_file():
        return None
    return read_stored(mark, MAX_NAME).decode("utf-8", "surrogateescape")
