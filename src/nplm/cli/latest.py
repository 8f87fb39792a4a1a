"""What a command takes when it is given no argument: the newest of what the one before it made."""

from contextlib import suppress
from pathlib import Path

from nplm.cli.console import note
from nplm.errors import DataError, NotFoundError

DATA, CHECKPOINTS, EXPORTS = Path("data"), Path("checkpoints"), Path("exports")


def dataset_folder(given: Path | None) -> Path:
    """`given`, or the data set built last under data/."""
    if given is not None:
        return given
    return _newest(DATA, "*/dataset.json", "data set", "nplm dataset build").parent


def model_file(given: Path | None) -> Path:
    """`given`, or the file exported last to exports/."""
    return given or _newest(EXPORTS, "*.onnx", "model", "nplm export onnx")


def run_folder(given: Path | None) -> Path:
    """`given`, or the run finished last under checkpoints/."""
    if given is not None:
        return given
    from nplm.runs.checkpoint import LAST, is_finished

    found = []
    for path in CHECKPOINTS.glob(f"*/{LAST}"):
        with suppress(DataError):  # a damaged neighbour is not the one
            found += [path] if is_finished(path.parent) else []
    if not found:
        problem = f"there is no finished run under {CHECKPOINTS}/"
        raise NotFoundError(CHECKPOINTS, problem, "make one: nplm train")
    return _named(max(found, key=_age).parent)


def sweep_folder(given: Path | None) -> Path:
    """`given`, or the sweep under checkpoints/ whose last trial ended last."""
    if given is not None:
        return given
    return _newest(CHECKPOINTS, "*/sweep.jsonl", "sweep", "nplm sweep --grid NAME=VALUES").parent


def _newest(folder: Path, pattern: str, what: str, maker: str) -> Path:
    found = list(folder.glob(pattern))
    if not found:
        raise NotFoundError(folder, f"there is no {what} under {folder}/", f"make one: {maker}")
    newest = max(found, key=_age)
    _named(newest.parent if pattern.startswith("*/") else newest)
    return newest


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _named(path: Path) -> Path:
    note(f"using {path}")
    return path
