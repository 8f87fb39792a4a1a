"""What a run has logged: its exact evaluations, and the loss of every step."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nplm.errors import DamagedError
from nplm.files import read_bytes
from nplm.runs.layout import LOSSES, METRICS
from nplm.training.events import Evaluated


def metrics(run: Path) -> list[Evaluated]:
    """The evaluations a run has logged.

    Raises:
        DamagedError: a line is not one; the message names the file.
    """
    try:
        return [Evaluated(**json.loads(line)) for line in metric_lines(run)]
    except (ValueError, TypeError) as error:
        raise DamagedError(
            run / METRICS, f"{run / METRICS} is damaged: {error}", "train again"
        ) from error


def metric_lines(run: Path) -> list[bytes]:
    """Whole lines of the metrics; a kill may have left a part of one at the end."""
    if not (run / METRICS).exists():
        return []
    lines = read_bytes(run / METRICS).splitlines(keepends=True)
    return [line for line in lines if line.endswith(b"\n")]


def batch_losses(run: Path) -> NDArray[np.float32]:
    """(steps,) the loss of every batch a run has logged, in nats per symbol."""
    path = run / LOSSES
    content = read_bytes(path) if path.exists() else b""
    return np.frombuffer(content[: len(content) // 4 * 4], np.float32)
