"""What a run has logged: its exact evaluations, and the loss of every step."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nplm.errors import DamagedError
from nplm.record import Record
from nplm.runs.layout import LOSSES, METRICS
from nplm.stored import MAX_LOG, MAX_LOSSES, parse_json, read_stored
from nplm.training.events import Evaluated

CURE = "go on with nplm train --resume, which leaves such lines out"


def metrics(run: Path) -> list[Evaluated]:
    """The evaluations a run has logged.

    Raises:
        DamagedError: a line is not one; the message names file, line and key.
    """
    return [
        _evaluation(run / METRICS, number, line)
        for number, line in enumerate(_whole_lines(run / METRICS), start=1)
    ]


def lines_until(run: Path, step: int) -> list[bytes]:
    """The lines of the evaluations up to a step, without those that are damaged."""
    kept = []
    for line in _whole_lines(run / METRICS):
        with suppress(DamagedError):  # a log, and nothing is computed from it
            if _evaluation(run / METRICS, 0, line).step <= step:
                kept.append(line)
    return kept


def batch_losses(run: Path) -> NDArray[np.float32]:
    """(steps,) the loss of every batch a run has logged, in nats per symbol."""
    path = run / LOSSES
    content = read_stored(path, MAX_LOSSES) if path.exists() else b""
    return np.frombuffer(content[: len(content) // 4 * 4], np.float32)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Lines that are ended; a kill may have left a part of one."""
    content = read_stored(path, MAX_LOG) if path.exists() else b""
    return (line for line in content.splitlines(keepends=True) if line.endswith(b"\n"))


def _evaluation(path: Path, number: int, line: bytes) -> Evaluated:
    where = f", line {number},"
    record = Record.of(parse_json(line, path, where, CURE), path, CURE, where)
    return Evaluated(
        record.integer("step"),
        record.number("train_seconds", 0.0),
        record.number("train_nats_per_symbol"),
        record.number_or_none("val_nats_per_symbol"),
        record.number("learning_rate", 0.0),
    )
