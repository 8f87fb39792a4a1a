"""The draw with fixed shapes against the merged one (anywhere), and the graph (with a GPU)."""

import pytest
import torch

from nplm.config import ModelConfig, RunConfig
from nplm.corpus.dataset import Dataset
from nplm.presets import override
from nplm.training.batches import ContextSampler, Targets, first_shift, shift_of
from nplm.training.captured import DeviceSampler
from nplm.training.loop import Evaluated, Trainer
from nplm.training.model import NeuralLM

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("step", [0, 1, 1000])
def test_unmerged_rows_have_the_loss_and_gradient_of_merged_ones(small: Dataset, step: int) -> None:
    torch.manual_seed(0)
    table = small.table("train", 3)
    network = NeuralLM(ModelConfig(3, 6, 32, dropout=0.0), len(small.vocab))
    merged = ContextSampler(table, 200, 5, Targets(table)).batch(step)
    shift = torch.tensor(shift_of(first_shift(5), step), dtype=torch.float64)
    unmerged = DeviceSampler(table, 200, torch.device("cpu"), Targets(table)).batch(shift)
    assert len(merged.contexts) < len(unmerged.contexts) == 200
    losses = [b.loss(network.forward_by_tables(b.contexts)) for b in (merged, unmerged)]
    torch.testing.assert_close(*losses)
    gradients = [torch.autograd.grad(loss, list(network.parameters())) for loss in losses]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def trained(config: RunConfig, small: Dataset, device: str) -> tuple[Trainer, list[float]]:
    trainer = Trainer(config, small.table("train", 3), small.table("val", 3), device)
    vals = [e.val_nats_per_symbol for e in trainer.run() if isinstance(e, Evaluated)]
    return trainer, [val for val in vals if val is not None]


@needs_gpu
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_gpu_trains_as_the_cpu_does(
    small: Dataset, tiny_config: RunConfig, optimizer: str
) -> None:
    config = override(tiny_config, {"optimizer": optimizer, "learning_rate": 0.01}, "")
    (_, cpu), (_, gpu) = trained(config, small, "cpu"), trained(config, small, "cuda")
    assert gpu == pytest.approx(cpu, abs=2e-3)


@needs_gpu
def test_a_restored_gpu_run_goes_on(small: Dataset, tiny_config: RunConfig) -> None:
    config = override(tiny_config, {"dropout": 0.2}, "")
    whole, _ = trained(config, small, "cuda")
    tables = small.table("train", 3), small.table("val", 3)
    first = Trainer(config, *tables, "cuda")
    list(first.run(stop=lambda: first.step >= 20))
    state = first.state()
    second = Trainer(config, *tables, "cuda")
    second.restore(state)
    list(second.run())
    for name, tensor in whole.module.state_dict().items():
        torch.testing.assert_close(tensor, second.module.state_dict()[name], rtol=1e-3, atol=1e-3)
