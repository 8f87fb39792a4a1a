"""Folders that are whole or not there: filled beside their place, then exchanged in one step."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nplm.renames import exchange, rename_new
from nplm.temporaries import claimed, remove, temporary_for
from nplm.transaction import OutputFile, confirm, created, path_errors, rename_free, staged
from nplm.turns import sync, turn, undisturbed


class OutputFolder:
    """A folder that is being filled with files."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self._path, self._temporary = path, temporary

    @contextmanager
    def file(self, name: str) -> Iterator[OutputFile]:
        with created(self._path, self._temporary / name) as file:
            yield file


@contextmanager
def output_folder(
    path: Path, *, force: bool, refuse: Callable[[], object] = lambda: None
) -> Iterator[OutputFolder]:
    """A folder to fill, which takes the place of `path` at the end, whole.

    Args:
        force: all that was in `path` goes.
        refuse: called in the last moment; raises where what stands at `path` is not to go.

    Raises:
        ExistsError: something is there and `force` is not given.
        PathError: something in it cannot be written; `path` is as it was.
    """
    with staged([path]) as (output,):
        with path_errors(path):
            output.temporary.mkdir()
        with claimed(output.temporary):
            yield OutputFolder(path, output.temporary)
        with path_errors(path), turn(output.place.parent):
            sync(output.temporary)
            refuse()
            if force and output.place.is_dir():
                exchange(output.temporary, output.place)
            else:
                rename_free(output.temporary, output)
        confirm(path, output.place)


def replace_folder(new: Path, place: Path) -> None:
    """Put the folder `new` at `place`; what stood there, if anything did, is then at `new`.

    Raises:
        PathError: it cannot be done; both are as they were.
    """
    with path_errors(place), turn(place.parent):
        if os.path.lexists(place):
            exchange(new, place)
        else:
            rename_new(new, place)
    confirm(place, place)


def discard_folder(path: Path) -> None:
    """Remove a folder that is ours: gone in one step for everybody who looks.

    Raises:
        PathError: it cannot be removed.
    """
    with path_errors(path, "remove it by hand"):
        temporary = temporary_for(path)
        with undisturbed():
            path.rename(temporary)
            remove(temporary)
