"""Which device to train on."""

import torch

from nplm.config import RunConfig
from nplm.errors import DeviceError

# Multiply-adds below which starting CUDA takes longer than the CPU takes to train (a few seconds).
WORTH_A_GPU = 5e10


def choose(device: str, config: RunConfig | None = None) -> str:
    """A torch device for "auto", "cpu", "cuda" or "cuda:N".

    Args:
        config: with "auto", CUDA is taken only for a run that is large enough to gain.

    Raises:
        DeviceError: the device is unknown or not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu":
        return "cpu"
    if device == "auto":
        return "cuda:0" if count and config and work(config) >= WORTH_A_GPU else "cpu"
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdecimal() or device == "cuda"):
        raise DeviceError(f"there is no device {device!r}", "choose auto, cpu, cuda or cuda:N")
    if not count:
        raise DeviceError("torch sees no CUDA device", "use --device cpu, or ask: nplm doctor")
    if int(number or 0) >= count:
        raise DeviceError(
            f"there is no {device}", f"torch sees {count} CUDA device(s), from cuda:0"
        )
    return f"cuda:{number or 0}"


def work(config: RunConfig) -> float:
    """Multiply-adds of a run's forward passes, about; 0 for what only the CPU does."""
    model, train = config.model, config.train
    if train.draw != "contexts" or train.batch_size == "full":
        return 0.0
    first = model.block_size * model.embedding_size * model.hidden_size
    above = (model.layers - 1) * model.hidden_size**2
    return float(config.steps) * config.mixture.networks * int(train.batch_size) * (first + above)
