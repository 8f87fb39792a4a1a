"""The network against its equation, and its start."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from nplm.config import ModelConfig
from nplm.presets import LESSON_NETWORK
from nplm.stepmodel import all_logits
from nplm.training.network import NeuralLM
from nplm.training.torchmodel import TorchModel


def test_bengio_equation_by_hand() -> None:
    """Equation of section 2: y = b + U tanh(d + H x), x the concatenated embeddings."""
    network = NeuralLM(replace(LESSON_NETWORK, block_size=2, embedding_size=3, hidden_size=4), 5)
    context = torch.tensor([[1, 4], [0, 0]])
    c, h, d = network.embedding.weight, network.first.weight, network.first.bias
    u, b = network.output.weight, network.output.bias
    for row, (one, two) in enumerate(context.tolist()):
        x = torch.cat([c[one], c[two]])
        expected = b + u @ torch.tanh(d + h @ x)
        torch.testing.assert_close(network(context)[row], expected)


def test_the_lesson_model_has_11897_parameters() -> None:
    assert sum(p.numel() for p in NeuralLM(LESSON_NETWORK, 27).parameters()) == 11_897


def test_the_scaled_start_is_near_uniform() -> None:
    torch.manual_seed(0)
    network = NeuralLM(ModelConfig(8, 24, 256, layers=2, activation="gelu", layer_norm=True), 27)
    log_p = network(torch.randint(0, 27, (100, 8))).log_softmax(1)
    assert (log_p + math.log(27)).abs().max() < 1


def test_the_normal_start_is_the_lesson_s() -> None:
    torch.manual_seed(0)
    network = NeuralLM(replace(LESSON_NETWORK, init="normal"), 27)
    assert network.first.weight.std().item() == pytest.approx(1, abs=0.05)
    assert 0 <= network.output.bias.min() <= network.output.bias.max() < 1


def test_a_step_model_neither_drops_out_nor_stays_in_evaluation() -> None:
    network = NeuralLM(ModelConfig(2, 3, 64, dropout=0.5), 5).train()
    model = TorchModel(network)
    contexts = np.array([[1, 2]] * 20)
    assert (model(contexts) == model(contexts)).all()
    assert network.training


@pytest.mark.parametrize("layers", [1, 3])
def test_rows_are_bit_equal_whatever_the_chunk(layers: int) -> None:
    torch.manual_seed(0)
    model = TorchModel(NeuralLM(ModelConfig(3, 10, 200, layers=layers), 27))
    contexts = np.random.default_rng(0).integers(0, 27, (4099, 3))
    whole = all_logits(model, contexts)
    for chunk in (1, 2, 15, 16, 17, 100, 1000, 4095):
        part = contexts[:50] if chunk < 16 else contexts
        np.testing.assert_array_equal(all_logits(model, part, chunk), whole[: len(part)])


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_estimate_of_its_size_is_its_size(layer_norm: bool) -> None:
    config = ModelConfig(3, 5, 7, layers=3, layer_norm=layer_norm)
    network = NeuralLM(config, 11)
    assert config.parameters(11) == sum(parameter.numel() for parameter in network.parameters())
