"""The packages of the `train` extra, and what is said where they are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from nplm.errors import MissingExtraError

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
    """Turn a missing package of the `train` extra into MissingExtraError."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in TRAIN_EXTRA:
            raise MissingExtraError(what) from error
        raise
