"""The header of a safetensors file, without its tensors: how far a run has come, cheaply.

Whole files, checked, are read and written by `runs.tensorfile`.
"""

import json
from pathlib import Path
from typing import Any

from nplm.errors import DamagedError
from nplm.files import read_bytes, reading, sha256
from nplm.runs.facts import read_facts
from nplm.runs.layout import BEST, LAST, NGRAM

LENGTH = 8  # bytes that say how long the header is
LONGEST = 100_000_000  # bytes of a header: what safetensors takes


def is_finished(run: Path) -> bool:
    """Whether a run has taken all its steps.

    Raises:
        NotFoundError: there is no run.
        DamagedError: a file is damaged; the message names it.
    """
    if not (run / LAST).exists():
        return False
    return step_of(run / LAST) == read_facts(run).config.steps


def is_evaluated(run: Path) -> bool:
    """Whether a run has weights that an evaluation chose.

    Before the first one there are none; 0.1.0 saved those of step 0 then.

    Raises:
        NotFoundError: there is no run.
        DamagedError: a file is damaged; the message names it.
    """
    if not (run / BEST).exists():
        return False
    return step_of(run / BEST) > 0 or not read_facts(run).config.steps


def step_of(path: Path) -> int:
    """The step that a file of weights is of, unchecked."""
    try:
        return int(read_header(path)["step"])
    except (KeyError, ValueError) as error:
        raise DamagedError(path, f"{path} is damaged: it has no step", "train again") from error


def weights_digest(run: Path) -> str:
    """A hash of the files of the best weights: it tells two runs apart.

    Raises:
        PathError: one of them cannot be read.
    """
    files = (run / name for name in (BEST, NGRAM))
    return sha256(*(read_bytes(file) for file in files if file.exists()))


def read_header(path: Path) -> dict[str, str]:
    """The metadata of a file of tensors, unchecked."""
    with reading(path) as file:
        size = int.from_bytes(file.read(LENGTH), "little")
        return parse_header(path, file.read(min(size, LONGEST)))[0]


def parse_header(path: Path, header: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The two parts of a header: metadata, and the tensors' names, types and places.

    Raises:
        DamagedError: it is not one; the message has `path`.
    """
    try:
        parsed = json.loads(header)
        return parsed.pop("__metadata__"), parsed
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamagedError(
            path, f"{path} is damaged: its header cannot be read", "train again"
        ) from error
