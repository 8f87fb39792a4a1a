"""Train a neural probabilistic language model on any list of strings; ship it as one ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nplm.runtime.model import Model

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(
    path: str | Path,
    device: str = "cpu",
    threads: int = 1,
    cache_mb: float = 1024.0,  # generation.DEFAULT_CACHE_MB, whose import takes as long as Python's
) -> "Model":
    """Open an exported model for sampling, scoring and suggestions (`nplm.runtime.model.Model`)."""
    from nplm.runtime.model import Model

    return Model(path, device, threads, cache_mb)
