"""What a recipe composes: exact evaluation, the best weights, divergence, going on."""

from dataclasses import replace

import pytest
import torch

from nplm.config import RunConfig
from nplm.counts.evaluate import evaluate
from nplm.counts.tables import table_of
from nplm.errors import DivergedError
from nplm.presets import PRESETS, override
from nplm.text.dataset import Dataset
from nplm.training.events import Evaluated, Stepped
from nplm.training.recipe import Recipe
from nplm.training.torchmodel import TorchModel


def recipe_of(config: RunConfig, dataset: Dataset, *, val: bool = True) -> Recipe:
    size = config.model.block_size
    return Recipe(
        config, table_of(dataset, "train", size), table_of(dataset, "val", size) if val else None
    )


def test_events_in_order(small: Dataset, tiny_config: RunConfig) -> None:
    events = list(recipe_of(tiny_config, small).run())
    assert [e.step for e in events if isinstance(e, Stepped)] == list(range(1, 61))
    assert [e.step for e in events if isinstance(e, Evaluated)] == [20, 40, 60]
    losses = [x for e in events if isinstance(e, Stepped) for x in e.losses]
    unigram = table_of(small, "train", 3).shorten(0).floor()
    assert losses[0] == pytest.approx(unigram, abs=0.15)  # it starts as the unigram
    vals = [e.val_nats_per_symbol for e in events if isinstance(e, Evaluated)]
    assert vals == sorted(vals, reverse=True)


def test_evaluations_are_exact(small: Dataset, tiny_config: RunConfig) -> None:
    recipe = recipe_of(tiny_config, small)
    last = [e for e in recipe.run() if isinstance(e, Evaluated)][-1]
    model = TorchModel(recipe.module)
    assert last.val_nats_per_symbol == evaluate(model, table_of(small, "val", 3)).per_symbol
    assert last.train_nats_per_symbol == evaluate(model, table_of(small, "train", 3)).per_symbol


def test_the_best_weights_are_kept(small: Dataset, tiny_config: RunConfig) -> None:
    config = override(tiny_config, {"learning_rate": 0.3, "schedule": "constant"}, "")
    recipe = recipe_of(config, small)
    vals = {e.step: e.val_nats_per_symbol for e in recipe.run() if isinstance(e, Evaluated)}
    assert recipe.best_step == min(vals, key=lambda step: vals[step])
    recipe.module.load_state_dict(recipe.best)
    model = TorchModel(recipe.module)
    assert evaluate(model, table_of(small, "val", 3)).per_symbol == recipe.best_nats


def test_without_val_the_last_weights_are_kept(small: Dataset, tiny_config: RunConfig) -> None:
    recipe = recipe_of(tiny_config, small, val=False)
    events = [e for e in recipe.run() if isinstance(e, Evaluated)]
    assert {e.val_nats_per_symbol for e in events} == {None}
    assert recipe.best_step == 60
    assert all(torch.equal(recipe.best[k], v) for k, v in recipe.module.state_dict().items())


def test_a_loss_far_above_uniform_is_not_divergence(small: Dataset) -> None:
    notebook = PRESETS["notebook"]
    config = replace(notebook, train=replace(notebook.train, steps=20, eval_every=20))
    first = next(e for e in recipe_of(config, small).run() if isinstance(e, Stepped))
    assert first.losses[0] > 10


def test_divergence_is_said(small: Dataset, tiny_config: RunConfig) -> None:
    config = override(tiny_config, {"optimizer": "sgd", "learning_rate": 1e38}, "")
    with pytest.raises(DivergedError, match=r"not finite at step \d+; lower `learning_rate`"):
        list(recipe_of(config, small).run())


def test_stop_is_asked_between_steps(small: Dataset, tiny_config: RunConfig) -> None:
    recipe = recipe_of(tiny_config, small)
    for _ in recipe.run(stop=lambda: recipe.step >= 7):
        pass
    assert recipe.step == 7


def test_training_ends_when_val_was_not_lower_for_too_long(
    small: Dataset, tiny_config: RunConfig
) -> None:
    """At a rate that moves nothing the first evaluation stays the best; early ones do not count."""
    values = {"learning_rate": 1e-30, "eval_every": 10, "patience": 3}
    config = override(tiny_config, values, "")
    recipe = recipe_of(config, small)
    steps = [event.step for event in recipe.run() if isinstance(event, Evaluated)]
    assert steps == [1, 2, 5, 10, 20, 30]
    assert recipe.finished
    assert recipe.best_step == 1
    again = recipe_of(config, small)
    again.restore(recipe.state())
    assert again.finished
    assert not list(again.run())


def test_patience_waits_for_nothing_where_there_is_no_val(
    small: Dataset, tiny_config: RunConfig
) -> None:
    config = override(tiny_config, {"learning_rate": 1e-30, "eval_every": 10, "patience": 1}, "")
    recipe = Recipe(config, table_of(small, "train", config.block_size), None)
    list(recipe.run())
    assert recipe.step == config.steps


def test_dropout_draws_from_the_masks_asked_for(small: Dataset, tiny_config: RunConfig) -> None:
    losses = {}
    for masks in ("state", "step"):
        config = override(tiny_config, {"dropout": 0.3, "masks": masks, "steps": 3}, "")
        recipe = recipe_of(config, small)
        before = recipe.state().tensors["rng.cpu"].clone()
        losses[masks] = [e.losses[0] for e in recipe.run() if isinstance(e, Stepped)]
        drawn = not torch.equal(before, recipe.state().tensors["rng.cpu"])
        assert drawn == (masks == "state")
    assert losses["state"] != losses["step"]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("draw", ["contexts", "positions"])
@pytest.mark.parametrize("masks", ["state", "step"])
def test_a_restored_recipe_goes_on_bit_for_bit(
    small: Dataset, tiny_config: RunConfig, optimizer: str, draw: str, masks: str
) -> None:
    values = {"optimizer": optimizer, "draw": draw, "masks": masks, "dropout": 0.3}
    config = override(tiny_config, {**values, "smoothing": 0.0, "networks": 2}, "")
    whole = recipe_of(config, small)
    list(whole.run())
    first = recipe_of(config, small)
    list(first.run(stop=lambda: first.step >= 33))
    state = first.state()
    second = recipe_of(config, small)
    second.restore(state)
    list(second.run())
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, second.module.state_dict()[name]), name
    assert (whole.best_step, whole.best_nats) == (second.best_step, second.best_nats)
