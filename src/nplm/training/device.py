"""Which device to train on."""

import torch

from nplm.errors import DeviceError


def choose(device: str) -> str:
    """A torch device for "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceError: the device is unknown or not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu" or (device == "auto" and not count):
        return "cpu"
    if device == "auto":
        return "cuda:0"
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
