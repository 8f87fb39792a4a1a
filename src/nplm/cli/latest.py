"""What a command takes when it is given no argument: the newest of what the one before it made.

What is damaged is passed over with a note, unless there is nothing else.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nplm.cli.console import note
from nplm.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from nplm.runtime.onnxmodel import OnnxModel

DATA, CHECKPOINTS, EXPORTS = Path("data"), Path("checkpoints"), Path("exports")
T = TypeVar("T")


def dataset_folder(path: Path | None) -> Path:
    """`path`, or the data set built last under data/."""
    if path is not None:
        return path
    from nplm.text.datafolder import read

    maker = "nplm dataset build"
    file, _ = _newest(DATA, "*/dataset.json", lambda f: read(f.parent), "data set", maker)
    return file.parent


def open_model(path: Path | None, device: str = "cpu") -> "OnnxModel":
    """The model in `path`, or in the file exported last to exports/; raises as opening it does."""
    from nplm.cli.modelfile import checked, open_file
    from nplm.runtime import onnxmodel

    def opened(file: Path) -> "OnnxModel":
        return onnxmodel.open_model(file, device)

    if path is not None:
        return open_file(path, device)
    return checked(*_newest(EXPORTS, "*.onnx", opened, "model", "nplm export onnx"))


def run_folder(path: Path | None) -> Path:
    """`path`, or the run finished last under checkpoints/."""
    if path is not None:
        return path
    from nplm.runs.header import is_finished
    from nplm.runs.layout import LAST

    def took_all_steps(file: Path) -> bool | None:
        return is_finished(file.parent) or None

    file, _ = _newest(CHECKPOINTS, f"*/{LAST}", took_all_steps, "finished run", "nplm train")
    return file.parent


def sweep_folder(path: Path | None) -> Path:
    """`path`, or the sweep under checkpoints/ whose last trial ended last."""
    if path is not None:
        return path
    from nplm.runs.trials import RESULTS, results

    maker = "nplm sweep --grid NAME=VALUES"
    file, _ = _newest(CHECKPOINTS, f"*/{RESULTS}", lambda f: results(f.parent), "sweep", maker)
    return file.parent


def finished(folder: Path, pattern: str) -> Iterator[Path]:
    """The files of a pattern, without those in what is being written, or was when it was cut."""
    from nplm.temporaries import is_temporary

    for path in folder.glob(pattern):
        if not (is_temporary(path) or is_temporary(path.parent)):
            yield path


def _newest(
    folder: Path, pattern: str, opener: Callable[[Path], T | None], what: str, maker: str
) -> tuple[Path, T]:
    """The newest file of a pattern that can be opened, and what `opener` gives for it.

    Args:
        opener: raises DataError for a file that is damaged; gives None for one not to be taken.

    Raises:
        NotFoundError: there is none.
        DataError: of the newest, where all are damaged.
    """
    damaged: list[tuple[Path, DataError | OSError]] = []
    for path in sorted(finished(folder, pattern), key=_age, reverse=True):
        try:
            opened = opener(path)
        except (DataError, OSError) as error:
            damaged.append((path, error))
            continue
        if opened is not None:
            for _, reason in damaged:
                note(f"passed over: {reason}")
            _announce(path, pattern)
            return path, opened
    if damaged:
        newest, reason = damaged[0]
        _announce(newest, pattern)
        raise reason
    raise NotFoundError(folder, f"there is no {what} under {folder}/", f"make one: {maker}")


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # a link to nothing
        return 0.0


def _announce(path: Path, pattern: str) -> None:
    note(f"using {path.parent if pattern.startswith('*/') else path}")


def export_of(run: Path, suffix: str) -> Path:
    """Where a run is exported to, where nothing else is said."""
    return EXPORTS / f"{Path(os.path.realpath(run)).name}.{suffix}"  # a loop of links is none here
