"""What a command takes when it is given no argument: the newest of what the one before it made."""

from contextlib import suppress
from pathlib import Path

from nplm.cli.console import note
from nplm.errors import DataError, NotFoundError

DATA, CHECKPOINTS, EXPORTS = Path("data"), Path("checkpoints"), Path("exports")


def dataset_folder(path: Path | None) -> Path:
    """`path`, or the data set built last under data/."""
    if path is not None:
        return path
    return _newest(DATA, "*/dataset.json", "data set", "nplm dataset build").parent


def model_file(path: Path | None) -> Path:
    """`path`, or the file exported last to exports/."""
    return path or _newest(EXPORTS, "*.onnx", "model", "nplm export onnx")


def run_folder(path: Path | None) -> Path:
    """`path`, or the run finished last under checkpoints/."""
    if path is not None:
        return path
    from nplm.runs.header import is_finished
    from nplm.runs.layout import LAST

    finished = []
    for last in CHECKPOINTS.glob(f"*/{LAST}"):
        with suppress(DataError):  # a damaged neighbour is not the one
            finished += [last] if is_finished(last.parent) else []
    if not finished:
        problem = f"there is no finished run under {CHECKPOINTS}/"
        raise NotFoundError(CHECKPOINTS, problem, "make one: nplm train")
    return _announce(max(finished, key=_age).parent)


def sweep_folder(path: Path | None) -> Path:
    """`path`, or the sweep under checkpoints/ whose last trial ended last."""
    if path is not None:
        return path
    return _newest(CHECKPOINTS, "*/sweep.jsonl", "sweep", "nplm sweep --grid NAME=VALUES").parent


def _newest(folder: Path, pattern: str, what: str, maker: str) -> Path:
    paths = list(folder.glob(pattern))
    if not paths:
        raise NotFoundError(folder, f"there is no {what} under {folder}/", f"make one: {maker}")
    newest = max(paths, key=_age)
    _announce(newest.parent if pattern.startswith("*/") else newest)
    return newest


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _announce(path: Path) -> Path:
    note(f"using {path}")
    return path
