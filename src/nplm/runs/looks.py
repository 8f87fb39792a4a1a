"""How often a model was scored on its test split: recorded beside it, so that it can be said.

A test split is worth something once. Each look adds a line to `test_looks.jsonl` in a run, or to
`MODEL.onnx.test_looks.jsonl` beside a model file. A line of the latter names the SHA-256 of the
file: looks with other bytes that stood in its place are not its own.
"""

import json
from pathlib import Path
from typing import Any

from nplm.runs.layout import LOOKS
from nplm.stored import MAX_LOG, read_stored
from nplm.transaction import append


def looks(run: Path) -> int:
    """How often the test split has been looked at with a run.

    Raises:
        PathError: the record cannot be read.
    """
    path = run / LOOKS
    return len(read_stored(path, MAX_LOG).splitlines()) if path.exists() else 0


def record_look(run: Path, nats_per_symbol: float, weights_of_step: int) -> None:
    """Add a look with a run.

    Raises:
        PathError: it cannot be written; a look that is not recorded must not be taken.
    """
    _append(run / LOOKS, {"nats_per_symbol": nats_per_symbol, "step": weights_of_step})


def file_looks(model: Path, digest: str) -> int:
    """How often the test split has been looked at with a model file of that SHA-256.

    Raises:
        PathError: the record cannot be read.
    """
    path = beside(model)
    # Counted without parsing: a kill may have cut a line, on which the next one then goes on.
    return read_stored(path, MAX_LOG).count(digest.encode("ascii")) if path.exists() else 0


def record_file_look(model: Path, digest: str, nats_per_symbol: float) -> None:
    """Add a look with a model file.

    Raises:
        PathError: it cannot be written.
    """
    _append(beside(model), {"nats_per_symbol": nats_per_symbol, "sha256": digest})


def beside(model: Path) -> Path:
    """Where looks with a model file are recorded."""
    return model.with_name(f"{model.name}.{LOOKS}")


def _append(path: Path, line: dict[str, Any]) -> None:
    content = (json.dumps(line) + "\n").encode("utf-8")
    append(path, content, "a look at test must be recorded: make the folder writable")
