"""Tensors in a safetensors file with a hash of itself and of the files that it belongs to."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from nplm.errors import DamagedError
from nplm.files import sha256
from nplm.runs.facts import CURE
from nplm.runs.header import split_content
from nplm.runs.layout import CONFIG, NO_RUN
from nplm.stored import MAX_TENSORS, read_stored, shorten
from nplm.transaction import write_bytes

FORMAT = "1"


def write_tensors(
    path: Path, numbers: Mapping[str, float], hashes: dict[str, str], tensors: dict[str, Tensor]
) -> None:
    """Write tensors with numbers and hashes in the header, and a hash over all of it."""
    metadata = {"format": FORMAT, **{key: repr(n) for key, n in numbers.items()}, **hashes}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    unsigned = safetensors.torch.save(tensors, metadata)
    metadata["sha256"] = content_hash(path, unsigned)
    write_bytes(path, safetensors.torch.save(tensors, metadata))


def read_tensors(path: Path, hashes: dict[str, str]) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The metadata and tensors of a file that `write_tensors` wrote, checked.

    Raises:
        DamagedError: a byte was changed, or a file that `hashes` speaks of is another one.
    """
    content = read_stored(path, MAX_TENSORS, NO_RUN)
    header, _, _ = split_content(path, content)
    if header.get("sha256") != content_hash(path, content):
        raise DamagedError(path, f"{path} is damaged: its content does not match its hash", CURE)
    for key, value in hashes.items():
        if header.get(key) != value:
            name = key.removeprefix("sha256_")
            raise DamagedError(
                path.parent / name,
                f"{path.parent / name} is not the one {path.name} was saved with",
                "put the original back or train again",
            )
    try:
        return header, safetensors.torch.load(content)
    except (SafetensorError, KeyError, ValueError, OverflowError) as error:
        raise DamagedError(path, f"{path} is damaged: {error}", CURE) from error


def content_hash(path: Path, content: bytes) -> str:
    """Of the tensors, their names and shapes, and the metadata but the hash itself."""
    metadata, tensors, data = split_content(path, content)
    metadata = {key: value for key, value in metadata.items() if key != "sha256"}
    described = json.dumps([metadata, tensors], sort_keys=True).encode("utf-8")
    return sha256(described, data)


def check_layout(path: Path, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> None:
    """Raise DamagedError unless tensors have the names, shapes and types of `like`."""
    layout, expected = (
        {name: (tensor.shape, tensor.dtype) for name, tensor in some.items()}
        for some in (tensors, like)
    )
    wrong = sorted(n for n in layout.keys() | expected.keys() if layout.get(n) != expected.get(n))
    if wrong:
        raise DamagedError(path, f"{path} does not fit {CONFIG}: {shorten(wrong[0])}", CURE)
