"""The header of a safetensors file, without its tensors: how far a run has come, cheaply.

Whole files, checked, are read and written by `runs.tensorfile`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nplm.files import sha256
from nplm.record import Record
from nplm.runs.facts import CURE, read_facts
from nplm.runs.layout import BEST, LAST, NGRAM
from nplm.stored import MAX_DOCUMENT, MAX_TENSORS, open_stored, parse_json, parse_text, read_stored

LENGTH = 8  # bytes that say how long the header is


def is_finished(run: Path) -> bool:
    """Whether a run is trained to its end.

    Raises:
        NotFoundError: there is no run.
        DamagedError: a file is damaged; the message names it.
    """
    if not (run / LAST).exists():
        return False
    numbers = numbers_of(run / LAST, read_header(run / LAST))
    step, best_step = numbers.integer("step"), numbers.integer("best_step")
    return read_facts(run).config.is_over(step, best_step)


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
    return numbers_of(path, read_header(path)).integer("step")


def weights_digest(run: Path) -> str:
    """A hash of the best weights, not of what their files say besides: it tells two runs apart.

    Raises:
        DamagedError: one of the files is damaged.
        PathError: one of them cannot be read.
    """
    parts: list[bytes | memoryview] = []
    for path in (run / name for name in (BEST, NGRAM)):
        if path.exists():
            _, tensors, data = split_content(path, read_stored(path, MAX_TENSORS))
            parts += [json.dumps(tensors, sort_keys=True).encode("utf-8"), data]
    return sha256(*parts)


def split_content(path: Path, content: bytes) -> tuple[dict[str, str], dict[str, Any], memoryview]:
    """The two parts of the header of a whole file, and what follows it: the tensors' bytes.

    Raises:
        DamagedError: the header is none; the message has `path`.
    """
    end = LENGTH + int.from_bytes(content[:LENGTH], "little")
    header = content[LENGTH : min(end, LENGTH + MAX_DOCUMENT)]
    return *parse_header(path, header), memoryview(content)[end:]


def read_header(path: Path) -> dict[str, str]:
    """The metadata of a file of tensors, unchecked."""
    with open_stored(path, MAX_TENSORS, CURE) as file:
        size = int.from_bytes(file.read(LENGTH), "little")
        return parse_header(path, file.read(min(size, MAX_DOCUMENT)))[0]


def parse_header(path: Path, header: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The two parts of a header: metadata, and the tensors' names, types and places.

    Raises:
        DamagedError: it is not one; the message has `path`.
    """
    parsed = Record.of(parse_json(header, path, ": its header", CURE), path, CURE)
    metadata = parsed.table("__metadata__").values
    if not all(isinstance(value, str) for value in metadata.values()):
        raise parsed.wrong("__metadata__ holds more than texts")
    return dict(metadata), {k: v for k, v in parsed.values.items() if k != "__metadata__"}


def numbers_of(path: Path, metadata: Mapping[str, str]) -> Record:
    """Metadata as a record, in which what reads as a number is one."""
    return Record({key: _number_or_text(text) for key, text in metadata.items()}, path, CURE)


def _number_or_text(text: str) -> Any:
    try:
        return parse_text(text)
    except ValueError:
        return text
