"""An ONNX file as a StepModel. The one place that imports onnxruntime.

onnxruntime is imported on first use, with telemetry switched off before; sessions run without
spinning, on one thread unless asked, and without the Python fallback (which prints on stdout).
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nplm.checks import check_integer
from nplm.commandline import command_line
from nplm.errors import DamagedError, DeviceError
from nplm.runtime.checksum import verify_checksum
from nplm.runtime.modelcard import SHA256, ModelCard
from nplm.stored import MAX_TENSORS, read_stored

if TYPE_CHECKING:
    import onnxruntime

INPUT, OUTPUT = "context", "logits"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxModel:
    """A model file, open for calls.

    Attributes:
        card: what the file says about itself.
        device: "cpu" or "cuda", the provider that runs it.
    """

    def __init__(
        self, session: "onnxruntime.InferenceSession", card: ModelCard, device: str
    ) -> None:
        self._session = session
        self.card = card
        self.device = device

    @property
    def block_size(self) -> int:
        return self.card.block_size

    @property
    def vocab_size(self) -> int:
        return len(self.card.vocab)

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Contexts (B, T) int64 -> logits (B, V) float32."""
        return np.asarray(self._session.run([OUTPUT], {INPUT: contexts})[0])


def open_model(path: Path, device: str = "cpu", threads: int = 1) -> OnnxModel:
    """Open a model that `nplm export onnx` wrote.

    Args:
        device: "cpu", "cuda", or "auto": CUDA where this onnxruntime has it, else the CPU.

    Raises:
        NotFoundError: there is no such file.
        DamagedError: it is not ONNX, its metadata is broken, or its own hash is another.
        DataError: it is not a model of ours.
        DeviceError: the device is not available.
        UsageError: `threads` is not a whole number above 0.
    """
    check_integer("threads", threads, 1)
    made_by = command_line("export", "onnx", *([path] if path.is_dir() else []))
    content = read_stored(path, MAX_TENSORS, f"make one: {made_by}")
    return open_bytes(content, str(path), device, threads)


def open_bytes(content: bytes, where: str, device: str = "cpu", threads: int = 1) -> OnnxModel:
    """As `open_model`, for the content of a file; `where` names it in messages."""
    ort = _onnxruntime()
    kind = choose_device(device)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(
            content, options, providers=[PROVIDERS[kind]], enable_fallback=False
        )
        metadata = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # onnxruntime's exceptions share no base class
        reason = str(error).partition("\n")[0].rpartition(" : ")[2].rstrip(".")
        raise DamagedError(
            where, f"{where} cannot be run: {reason}", "make one: nplm export onnx"
        ) from error
    if PROVIDERS[kind] not in session.get_providers():
        raise DeviceError(
            "onnxruntime could not start CUDA", 'check the driver, or use `device="cpu"`'
        )
    card = ModelCard.from_metadata(metadata, where)
    if card.has_checksum:
        verify_checksum(content, json.loads(metadata[SHA256]), where)
    _check_interface(session, card, where)
    return OnnxModel(session, card, kind)


def choose_device(device: str) -> str:
    """One of "cpu" and "cuda", for "cpu", "cuda" or "auto".

    Raises:
        DeviceError: CUDA was asked for and this onnxruntime has no CUDA provider.
    """
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


def _check_interface(session: "onnxruntime.InferenceSession", card: ModelCard, where: str) -> None:
    interface = [(i.name, i.type, i.shape[1:]) for i in session.get_inputs()]
    interface += [(o.name, o.type, o.shape[1:]) for o in session.get_outputs()]
    expected = [
        (INPUT, "tensor(int64)", [card.block_size]),
        (OUTPUT, "tensor(float)", [len(card.vocab)]),
    ]
    if interface != expected:
        raise DamagedError(
            where, f"{where} has other inputs or outputs than its metadata says: {interface}"
        )


def _onnxruntime() -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
