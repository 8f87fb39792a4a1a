"""Which device to train on, or to run a trained model on."""

from collections.abc import Callable

import torch

from nplm.config import RunConfig
from nplm.counts.tables import table_of
from nplm.errors import DeviceError
from nplm.text.dataset import Dataset
from nplm.training.captured import draws_on_device
from nplm.training.ngrammodule import MAX_BYTES, NGramModule
from nplm.training.targets import is_dense
from nplm.training.torchmodel import LanguageModel

FIRST_CUDA = "cuda:0"
# Ten times the multiply-adds of a CPU's minute (docs/log.md): until a GPU has been measured, "auto"
# takes one only where there is that much to gain.
WORTH_A_GPU = 7e12
SPARE_BYTES = 1 << 30  # of a device's memory, for weights, their gradients and a batch


def for_training(device: str, config: RunConfig, dataset: Dataset) -> str:
    """The torch device to train on: "auto" is CUDA where that gains time and the tables fit.

    Raises:
        DeviceError: the device is unknown or not there.
    """

    def gains() -> bool:
        enough = work(config, len(dataset.vocab)) >= WORTH_A_GPU
        return enough and fits(config, dataset, FIRST_CUDA)

    return choose(device, gains)


def for_generating(device: str, module: LanguageModel) -> str:
    """The torch device to run `module` on: "auto" is CUDA where there is a network to compute.

    Raises:
        DeviceError: the device is unknown or not there.
    """
    return choose(device, lambda: not isinstance(module, NGramModule))


def choose(device: str, gains: Callable[[], bool] = lambda: True) -> str:
    """A torch device for "auto", "cpu", "cuda" or "cuda:N".

    Args:
        gains: with "auto", asked where there is CUDA: whether to take it.

    Raises:
        DeviceError: the device is unknown or not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu":
        return "cpu"
    if device == "auto":
        return FIRST_CUDA if count and gains() else "cpu"
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdecimal() or device == "cuda"):
        raise DeviceError(f"there is no device {device!r}", "choose auto, cpu, cuda or cuda:N")
    if not count:
        raise DeviceError("torch sees no CUDA device", 'use `device="cpu"`, or ask: nplm doctor')
    if int(number or 0) >= count:
        raise DeviceError(
            f"there is no {device}", f"torch sees {count} CUDA device(s), from cuda:0"
        )
    return f"cuda:{number or 0}"


def work(config: RunConfig, vocab_size: int) -> float:
    """Multiply-adds of a run's forward passes, about; 0 for what only the CPU does."""
    model, train = config.model, config.train
    if not draws_on_device(train):
        return 0.0
    first = model.block_size * model.embedding_size * model.hidden_size
    above = (model.layers - 1) * model.hidden_size**2 + model.hidden_size * vocab_size
    return float(config.steps) * config.mixture.networks * int(train.batch_size) * (first + above)


def fits(config: RunConfig, dataset: Dataset, device: str) -> bool:
    """Whether a CUDA device can be used, and takes what a run of networks keeps there."""
    vocab_size, block_size = len(dataset.vocab), config.model.block_size
    contexts = dataset.symbols("train")  # no more than that: counting them may not be needed
    if not is_dense(contexts, vocab_size):
        contexts = len(table_of(dataset, "train", block_size))
    if not is_dense(contexts, vocab_size):
        return False
    row = 4 * vocab_size + 8 * (block_size + 1)  # distribution, context, cumulative count
    tables = contexts * row + (MAX_BYTES if config.mixture.ngram else 0)
    try:
        free, _ = torch.cuda.mem_get_info(device)
    except RuntimeError:  # its driver, or whoever else uses it, does not let us
        return False
    return tables + SPARE_BYTES <= free
