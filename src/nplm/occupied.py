"""What stands where something is to be written: refused, or ours to be replaced."""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from nplm.errors import ExistsError, UsageError
from nplm.temporaries import is_temporary


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise ExistsError when `path`, which is to be a file, exists and may not be replaced."""
    if path.exists() and not force:
        raise already(path)
    if path.is_dir():
        raise ExistsError(path, f"{path} is a folder", "choose another `out`")
    if path.exists() and not path.is_file():
        cure = "write to - for stdout, or choose another"
        raise ExistsError(path, f"{path} is not a regular file", cure)


def is_free(folder: Path, ours: Collection[str]) -> bool:
    """Whether nothing stands in a folder but files of those names, and what is being written."""
    return all(path.name in ours or is_temporary(path) for path in folder.iterdir())


def refuse_input(out: Path, *inputs: Path | None) -> None:
    """Raise UsageError when `out` is one of the files that are read."""
    for path in inputs:
        with suppress(OSError):  # there is none, or no such input: it will be told of
            if path is not None and out.samefile(path):
                raise UsageError(f"`out` is {out}, which is read", "choose another `out`")


def already(path: Path) -> ExistsError:
    cure = "give `force=True` to replace it or choose another `out`"
    return ExistsError(path, f"{path} already exists", cure)


def refuse_foreign(
    folder: Path, files: Collection[str], what: str, folders: Collection[str] = ()
) -> None:
    """Raise ExistsError where `folder` holds more than the files and folders of those names."""
    for path in sorted(folder.iterdir()):
        ours = folders if path.is_dir() and not path.is_symlink() else files
        if is_temporary(path) or path.name in ours:
            continue
        raise ExistsError(
            folder,
            f"{folder} is not replaced: it holds {path.name}, which is not of a {what}",
            "move that away or choose another `out`",
        )
