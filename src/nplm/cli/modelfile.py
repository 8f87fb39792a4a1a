"""The model file of a command, opened: what the library leaves to be said is said here."""

from pathlib import Path
from typing import TYPE_CHECKING

from nplm.cli.console import note

if TYPE_CHECKING:
    from nplm.runtime.onnxmodel import OnnxModel


def open_file(path: Path, device: str = "cpu") -> "OnnxModel":
    """As `open_model`, with a line on stderr where damage of the file could go unnoticed."""
    from nplm.runtime.onnxmodel import open_model

    return checked(path, open_model(path, device))


def checked(path: Path, model: "OnnxModel") -> "OnnxModel":
    """A model that is opened already, with that line."""
    from nplm.runtime.modelcard import FORMAT

    if model.card.format == FORMAT:
        note(f"{path} is of format 1, without a hash of itself: export it again for format 2")
    return model
