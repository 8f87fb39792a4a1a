"""Which device is taken, on machines with made-up GPUs."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from nplm.config import RunConfig
from nplm.counts.tables import table_of
from nplm.errors import DeviceError
from nplm.presets import override, preset
from nplm.runs.opened import load_run
from nplm.runs.steps import settle_steps
from nplm.text.dataset import Dataset
from nplm.training import device, targets
from nplm.training.captured import make_device_sampler
from nplm.training.device import choose, for_generating, for_training, work

GIB = 1 << 30


@dataclass
class Machine:
    """A machine whose CUDA devices torch says to see, without one.

    Attributes:
        count: CUDA devices.
        free: bytes of memory; None where the device cannot be used.
    """

    count: int = 1
    free: int | None = 8 * GIB

    def memory(self, asked: str) -> tuple[int, int]:
        assert asked == "cuda:0"
        if self.free is None:
            raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")
        return self.free, 80 * GIB


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made_up = Machine()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: made_up.count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: made_up.count)
    monkeypatch.setattr(torch.cuda, "mem_get_info", made_up.memory)
    return made_up


def test_named_devices(machine: Machine) -> None:
    machine.count = 2
    found = [choose(name) for name in ("cpu", "cuda", "cuda:0", "cuda:1")]
    assert found == ["cpu", "cuda:0", "cuda:0", "cuda:1"]
    with pytest.raises(DeviceError, match="torch sees 2 CUDA device"):
        choose("cuda:2")
    machine.count = 0
    with pytest.raises(DeviceError, match="torch sees no CUDA device"):
        choose("cuda")


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("default", "cpu"),  # done in a minute
        ("best", "cpu"),
        ("classic", "cpu"),  # done before CUDA has started
        ("notebook", "cpu"),  # a GPU does not draw positions
        ("ngram", "cpu"),  # there is nothing to step
    ],
)
def test_auto_for_each_preset(machine: Machine, small: Dataset, name: str, chosen: str) -> None:
    config = settle_steps(preset(name), small)
    assert for_training("auto", config, small) == chosen
    long = override(config, {"steps": 1_000_000}, "")
    of_a_gpu = name in ("default", "best", "classic")
    assert for_training("auto", long, small) == ("cuda:0" if of_a_gpu else "cpu")
    machine.count = 0
    assert for_training("auto", long, small) == "cpu"


@pytest.mark.usefixtures("machine")
def test_a_full_batch_is_for_the_cpu(small: Dataset) -> None:
    config = override(preset("default"), {"batch_size": "full"}, "")
    assert for_training("auto", config, small) == "cpu"


def multiply_adds(config: RunConfig, vocab_size: int) -> int:
    """The sizes of the weights of all layers but the embedding, times rows."""
    from nplm.training.network import NeuralLM

    network = NeuralLM(config.model, vocab_size)
    layers = [network.first, *network.residual, network.output]
    row = sum(layer.weight.numel() for layer in layers)
    return config.steps * int(config.train.batch_size) * row * config.mixture.networks


@pytest.mark.parametrize("name", ["default", "classic", "best"])
@pytest.mark.parametrize("vocab_size", [2, 28, 5000])
def test_work_is_that_of_all_weights_of_all_networks(name: str, vocab_size: int) -> None:
    config = override(preset(name), {"steps": 2000}, "")
    assert work(config, vocab_size) == multiply_adds(config, vocab_size)


@pytest.mark.usefixtures("machine")
def test_more_networks_and_more_symbols_make_a_gpu_worth_it(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = preset("classic")
    one = work(config, len(small.vocab))
    monkeypatch.setattr(device, "WORTH_A_GPU", 1.5 * one)
    assert for_training("auto", config, small) == "cpu"
    assert for_training("auto", override(config, {"networks": 2}, ""), small) == "cuda:0"
    symbols = tuple(chr(0x4E00 + k) for k in range(200))
    wide = replace(small, vocab=type(small.vocab)((*small.vocab.symbols, *symbols)))
    assert for_training("auto", config, wide) == "cuda:0"


@pytest.mark.usefixtures("machine")
def test_a_table_too_large_to_keep_there_is_for_the_cpu(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is that of distinct contexts, not of the symbols in the list."""
    config = override(preset("default"), {"steps": 1_000_000}, "")
    entries = len(table_of(small, "train", config.model.block_size)) * len(small.vocab)
    assert entries < small.symbols("train") * len(small.vocab)
    monkeypatch.setattr(targets, "MAX_DENSE", entries)
    assert for_training("auto", config, small) == "cuda:0"
    monkeypatch.setattr(targets, "MAX_DENSE", entries - 1)
    assert for_training("auto", config, small) == "cpu"
    assert for_training("cuda", config, small) == "cuda:0"  # asked for: refused later, in words


@pytest.mark.parametrize("free", [None, 0, GIB])
def test_a_device_without_room_is_left_alone(
    machine: Machine, small: Dataset, free: int | None
) -> None:
    machine.free = free
    config = override(preset("default"), {"steps": 1_000_000}, "")
    assert for_training("auto", config, small) == "cpu"
    assert for_training("cuda", preset("default"), small) == "cuda:0"


def test_generating_takes_what_there_is_for_a_network(
    machine: Machine, run_folder: Path, small: Dataset, tmp_path: Path
) -> None:
    from nplm.runs import run

    network = load_run(run_folder).module
    list(run.train(tmp_path / "run", override(preset("ngram"), {"order": 3}, ""), small, tmp_path))
    ngram = load_run(tmp_path / "run").module
    assert for_generating("auto", network) == "cuda:0"
    assert for_generating("auto", ngram) == "cpu"  # look-ups
    assert for_generating("cuda", ngram) == "cuda:0"
    machine.count = 0
    assert for_generating("auto", network) == "cpu"


def test_a_gpu_is_asked_only_for_what_it_draws(small: Dataset) -> None:
    """The same rule decides what auto takes and what a step on a GPU refuses."""
    config, table = preset("notebook"), table_of(small, "train", 3)
    with pytest.raises(DeviceError, match='`device="cpu"`'):
        make_device_sampler(config.train, table, None, torch.device("cpu"))
    assert not work(config, 27)


def test_a_gpu_is_not_given_a_table_that_is_too_large(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, table = preset("classic"), table_of(small, "train", 3)
    monkeypatch.setattr(targets, "MAX_DENSE", len(table) * table.vocab_size - 1)
    with pytest.raises(DeviceError, match='27 symbols are too many there; use `device="cpu"`'):
        make_device_sampler(config.train, table, None, torch.device("cpu"))
