"""An ONNX file as a StepModel. The one place that imports onnxruntime.

Before onnxruntime sees a file, its hash is checked and its graph is found to be one of ours
(`runtime.onnxguard`); what comes out of it is checked at every call.

onnxruntime is imported on first use, with telemetry switched off before; sessions run without
spinning, on one thread unless asked, and without the Python fallback (which prints on stdout).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nplm.checks import check_integer, check_text
from nplm.commandline import command_line
from nplm.errors import DamagedError, DeviceError
from nplm.runtime.checksum import checksum_matches
from nplm.runtime.modelcard import SHA256, ModelCard
from nplm.runtime.onnxguard import INPUT, OUTPUT, check_graph, read_envelope, refused
from nplm.stored import MAX_MODEL, read_stored

if TYPE_CHECKING:
    import onnxruntime

MAX_THREADS = 1024
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxModel:
    """A model file, open for calls.

    Attributes:
        card: what the file says about itself.
        device: "cpu" or "cuda", the provider that runs it.
        where: its path, as messages name it.
    """

    def __init__(
        self, session: "onnxruntime.InferenceSession", card: ModelCard, device: str, where: str
    ) -> None:
        self._session = session
        self.card = card
        self.device = device
        self.where = where

    @property
    def block_size(self) -> int:
        return self.card.block_size

    @property
    def vocab_size(self) -> int:
        return len(self.card.vocab)

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Contexts (B, T) int64 -> logits (B, V) float32.

        Raises:
            DamagedError: onnxruntime fails, or gives no finite logits of that shape.
        """
        try:
            (logits,) = self._session.run([OUTPUT], {INPUT: contexts})
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise refused(self.where, _reason(error)) from error
        shape = (len(contexts), self.vocab_size)
        if not isinstance(logits, np.ndarray) or logits.dtype != np.float32:
            raise refused(self.where, f"it gives no {np.dtype(np.float32)}")
        if logits.shape != shape:
            raise refused(self.where, f"it gives {logits.shape}, not {shape} numbers")
        if not np.isfinite(logits).all():
            raise refused(self.where, "it gives numbers that are not finite")
        return logits


def open_model(path: Path, device: str = "cpu", threads: int = 1) -> OnnxModel:
    """Open a model that `nplm export onnx` wrote.

    Args:
        device: "cpu", "cuda", or "auto": CUDA where this onnxruntime has it, else the CPU.

    Raises:
        NotFoundError: there is no such file.
        DamagedError: it is not ONNX, its metadata is broken, or its own hash is another.
        DataError: it is not a model of ours.
        DeviceError: the device is not available.
        UsageError: `threads` is not a whole number from 1 to 1024.
    """
    check_integer("threads", threads, 1, MAX_THREADS)
    made_by = command_line("export", "onnx", *([path] if os.path.isdir(path) else []))  # noqa: PTH112 - raises nothing
    content = read_stored(path, MAX_MODEL, f"make one: {made_by}")
    return open_bytes(content, str(path), device, threads)


def open_bytes(content: bytes, where: str, device: str = "cpu", threads: int = 1) -> OnnxModel:
    """As `open_model`, for the content of a file; `where` names it in messages."""
    kind = choose_device(device)
    card = read_card(content, where)
    options = _onnxruntime().SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = _onnxruntime().InferenceSession(
            content, options, providers=[PROVIDERS[kind]], enable_fallback=False
        )
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise refused(where, _reason(error)) from error
    if PROVIDERS[kind] not in session.get_providers():
        raise DeviceError(
            "onnxruntime could not start CUDA", 'check the driver, or use `device="cpu"`'
        )
    return OnnxModel(session, card, kind, where)


def read_card(content: bytes, where: str) -> ModelCard:
    """What the content of a model file says about itself, once it is known to be whole and ours.

    onnxruntime is not asked. `where` names the file in messages.

    Raises:
        DamagedError: it is not ONNX, has what no model of ours has, or its own hash is another.
        DataError: it is not a model of ours.
    """
    envelope = read_envelope(content, where)
    card = ModelCard.from_metadata(envelope.metadata, where)
    # Also of a format that has none: no flipped bit makes a file one that is not looked at.
    place = envelope.places.get(SHA256)
    if place and not checksum_matches(content, place):
        raise DamagedError(where, f"{where} is damaged: its hash is another", "export it again")
    check_graph(content, envelope.graph, card.block_size, len(card.vocab), where)
    return card


def choose_device(device: str) -> str:
    """One of "cpu" and "cuda", for "cpu", "cuda" or "auto".

    Raises:
        DeviceError: CUDA was asked for and this onnxruntime has no CUDA provider.
    """
    check_text("device", device)
    available = PROVIDERS["cuda"] in available_providers()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device not in PROVIDERS:
        raise DeviceError(f"onnxruntime has no device {device!r}", "choose auto, cpu or cuda")
    if device == "cuda" and not available:
        raise DeviceError(
            "the installed onnxruntime has no CUDA provider",
            'pip uninstall onnxruntime, then pip install onnxruntime-gpu; or use `device="cpu"`',
        )
    return device


def available_providers() -> list[str]:
    """The execution providers of the installed onnxruntime."""
    return list(_onnxruntime().get_available_providers())


def _reason(error: Exception) -> str:
    """The first line of what onnxruntime says, without its codes."""
    return str(error).partition("\n")[0].rpartition(" : ")[2].rstrip(".")


def _onnxruntime() -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
