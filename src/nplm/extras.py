"""The packages of the `train` extra, and what is said where they are missing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nplm.errors import MissingExtraError, NotFoundError

TRAIN_EXTRA = {
    "torch",
    "onnx",
    "onnxscript",
    "safetensors",
    "tomli_w",
    "filelock",
    "matplotlib",
    "jinja2",
}


@contextmanager
def training_extra(what: str) -> Iterator[None]:
    """Turn a missing package of the `train` extra into MissingExtraError.

    Raises:
        NotFoundError: the current folder was removed: torch would end the process at its import.
    """
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        raise NotFoundError(".", "the current folder is gone", "change to another one") from None
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in TRAIN_EXTRA:
            raise MissingExtraError(what) from error
        raise
