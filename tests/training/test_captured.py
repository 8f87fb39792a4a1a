"""The step with fixed shapes against the merged one (anywhere), and the graph (with a GPU)."""

from collections.abc import Callable

import pytest
import torch

from nplm.config import ModelConfig, RunConfig
from nplm.counts.contexts import ContextTable
from nplm.counts.tables import table_of
from nplm.presets import override, preset
from nplm.text.dataset import Dataset
from nplm.training.batches import ContextSampler
from nplm.training.captured import CapturedStep, DeviceSampler, DeviceStep, make_device_sampler
from nplm.training.events import Evaluated, Stepped
from nplm.training.network import NeuralLM
from nplm.training.optimizer import learning_rate
from nplm.training.recipe import Recipe
from nplm.training.targets import DenseTargets
from nplm.training.trainer import Trainer


def needs_gpu(test: Callable[..., None]) -> Callable[..., None]:
    """Marked, so that `make gpu` finds it; skipped where there is none."""
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
    return pytest.mark.gpu(skip(test))


@pytest.mark.parametrize("step", [0, 1, 1000])
def test_unmerged_rows_have_the_loss_and_gradient_of_merged_ones(small: Dataset, step: int) -> None:
    torch.manual_seed(0)
    table = table_of(small, "train", 3)
    network = NeuralLM(ModelConfig(3, 6, 32, dropout=0.0), len(small.vocab))
    targets = DenseTargets(table, None)
    merged = ContextSampler(table, 200, 5, targets).batch(step)
    sampler = DeviceSampler(table, 200, 5, targets, torch.device("cpu"))
    sampler.aim(step)
    unmerged = sampler.batch()
    assert len(merged.contexts) < len(unmerged.contexts) == 200
    losses = [b.loss(network(b.contexts)) for b in (merged, unmerged)]
    torch.testing.assert_close(*losses)
    gradients = [torch.autograd.grad(loss, list(network.parameters())) for loss in losses]
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def trainer_of(recipe: Recipe) -> Trainer:
    assert recipe.trainer
    return recipe.trainer


def device_step(trainer: Trainer, config: RunConfig, table: ContextTable) -> DeviceStep:
    """A step on unsmoothed targets of what a trainer moves."""
    device = trainer.networks[0].output.bias.device
    sampler = make_device_sampler(config.train, table, None, device)
    return DeviceStep(trainer.networks, sampler, trainer.optimizer)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_step_of_tensors_is_the_step_of_the_cpu(
    small: Dataset, tiny_config: RunConfig, optimizer: str
) -> None:
    """All of a captured step but the capture, on the CPU; two networks share a batch."""
    values = {"optimizer": optimizer, "smoothing": 0.0, "networks": 2, "eval_every": 60}
    config = override(tiny_config, values, "")
    table = table_of(small, "train", 3)
    recipe = Recipe(config, table, None)
    expected = [x for e in recipe.run() if isinstance(e, Stepped) for x in e.losses]

    trainer = trainer_of(Recipe(config, table, None))
    step, found = device_step(trainer, config, table), []
    for k in range(config.steps):
        step.aim(k, learning_rate(config.train, k))
        step.run()
        found.append(float(step.loss))
    assert found == pytest.approx(expected, abs=1e-4)


def trained(config: RunConfig, small: Dataset, device: str) -> tuple[Recipe, list[float]]:
    recipe = Recipe(config, table_of(small, "train", 3), table_of(small, "val", 3), device)
    vals = [e.val_nats_per_symbol for e in recipe.run() if isinstance(e, Evaluated)]
    return recipe, [val for val in vals if val is not None]


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
    tables = table_of(small, "train", 3), table_of(small, "val", 3)
    first = Recipe(config, *tables, "cuda")
    list(first.run(stop=lambda: first.step >= 20))
    state = first.state()
    second = Recipe(config, *tables, "cuda")
    second.restore(state)
    list(second.run())
    for name, tensor in whole.module.state_dict().items():
        torch.testing.assert_close(tensor, second.module.state_dict()[name], rtol=1e-3, atol=1e-3)


@needs_gpu
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_captured_step_is_the_eager_one_on_the_gpu(
    small: Dataset, tiny_config: RunConfig, optimizer: str
) -> None:
    config = override(tiny_config, {"optimizer": optimizer, "smoothing": 0.0}, "")
    table = table_of(small, "train", 3)
    recipes = [Recipe(config, table, None, "cuda") for _ in range(2)]
    rates = [learning_rate(config.train, k) for k in range(60)]
    to_capture, eager = (device_step(trainer_of(recipe), config, table) for recipe in recipes)
    graph = CapturedStep(to_capture)
    captured = graph.take(range(60), rates)
    losses = []
    for k, rate in enumerate(rates):
        eager.aim(k, rate)
        eager.run()
        losses.append(float(eager.loss))
    assert captured == pytest.approx(losses, abs=1e-4)


@needs_gpu
def test_dropout_on_the_gpu_differs_from_step_to_step_and_not_from_run_to_run(
    small: Dataset, tiny_config: RunConfig
) -> None:
    """A learning rate of nearly nothing: what differs is the mask and the batch."""
    values = {"dropout": 0.5, "learning_rate": 1e-30, "weight_decay": 0.0}
    config = override(tiny_config, values, "")
    tables = table_of(small, "train", 3), table_of(small, "val", 3)
    runs = [
        [
            x
            for e in Recipe(config, *tables, "cuda").run()
            if isinstance(e, Stepped)
            for x in e.losses
        ]
        for _ in range(2)
    ]
    assert runs[0] == pytest.approx(runs[1], abs=1e-5)
    assert len(set(runs[0])) > 50


@needs_gpu
def test_the_callers_random_states_are_his_own_there_too(
    small: Dataset, tiny_config: RunConfig
) -> None:
    def states() -> tuple[bytes, bytes]:
        on_gpu = torch.cuda.get_rng_state("cuda:0")
        return torch.get_rng_state().numpy().tobytes(), on_gpu.numpy().tobytes()

    torch.cuda.manual_seed(5)
    before = states()
    config = override(tiny_config, {"dropout": 0.2}, "")
    for _ in Recipe(config, table_of(small, "train", 3), None, "cuda:0").run():
        assert states() == before


@needs_gpu
@pytest.mark.parametrize("name", ["default", "best", "classic"])
def test_every_preset_that_a_gpu_takes_trains_there(small: Dataset, name: str) -> None:
    """Real sizes: the sorts behind the sums of table rows are other kernels from some rows on."""
    config = override(preset(name), {"steps": 70, "eval_every": 70, "order": 4}, "")
    size = config.block_size
    recipe = Recipe(config, table_of(small, "train", size), table_of(small, "val", size), "cuda")
    *_, last = [e for e in recipe.run() if isinstance(e, Evaluated)]
    assert last.train_nats_per_symbol < table_of(small, "train", size).shorten(0).floor()
