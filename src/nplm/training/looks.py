"""How often a run was scored on its test split: recorded beside the run, so that it can be said.

A test split is worth something once. Each look adds a line to `test_looks.jsonl`.
"""

import json
from pathlib import Path

from nplm.errors import DataError
from nplm.files import read_bytes

LOOKS = "test_looks.jsonl"


def looks(run: Path) -> int:
    """How often the test split has been looked at.

    Raises:
        DataError: the record cannot be read.
    """
    path = run / LOOKS
    return len(read_bytes(path).splitlines()) if path.exists() else 0


def record_look(run: Path, nats_per_symbol: float, weights_of_step: int) -> None:
    """Add a look.

    Raises:
        DataError: it cannot be written; a look that is not recorded must not be taken.
    """
    line = {"nats_per_symbol": nats_per_symbol, "step": weights_of_step}
    try:
        with (run / LOOKS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise DataError(
            f"cannot record in {run / LOOKS} that test is looked at: {error.strerror}",
            "make the run's folder writable",
        ) from error
