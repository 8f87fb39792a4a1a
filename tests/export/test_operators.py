"""The operators that a model may hold are those that exports of all settings use, and no more."""

from dataclasses import replace

import numpy as np
import onnx
import torch

from nplm.config import MixtureConfig, ModelConfig
from nplm.counts.contexts import count_contexts
from nplm.counts.ngram import fit
from nplm.export.onnxfile import to_onnx
from nplm.presets import PRESETS
from nplm.runs.facts import RunFacts
from nplm.runs.opened import LoadedRun
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.onnxguard import OPERATORS
from nplm.runtime.onnxmodel import open_bytes
from nplm.text.strings import Strings
from nplm.text.vocab import Vocab
from nplm.training.densengram import DenseNGram
from nplm.training.network import NeuralLM
from nplm.training.sparsengram import SparseNGram
from nplm.training.torchmodel import LanguageModel, assemble

SMALL = ModelConfig(block_size=4, embedding_size=2, hidden_size=8, layer_norm=False)
SPARSE = (SMALL, MixtureConfig(networks=0, ngram=True, order=3))
CASES = [
    (replace(SMALL, activation="tanh"), MixtureConfig()),
    (replace(SMALL, activation="relu", layers=2), MixtureConfig()),
    (SMALL, MixtureConfig(networks=0, ngram=True, order=2)),
    (replace(SMALL, layer_norm=True), MixtureConfig(networks=2, ngram=True, order=3)),
]
VOCAB = Vocab(("a", "b", "c"))


def exported(model: ModelConfig, mixture: MixtureConfig) -> bytes:
    """A file of random weights, and tables of an n-gram of two states."""
    networks = [NeuralLM(model, len(VOCAB)) for _ in range(mixture.networks)]
    tables = torch.zeros(2 * len(VOCAB), dtype=torch.int32), torch.zeros(2, len(VOCAB)).half()
    module = assemble(networks, DenseNGram(mixture.order, *tables) if mixture.ngram else None)
    return file_of(module, model, mixture)


def file_of(module: LanguageModel, model: ModelConfig, mixture: MixtureConfig) -> bytes:
    card = ModelCard(VOCAB, module.block_size, "nfc", 5, "a" * 64)
    config = replace(PRESETS["default"], model=model, mixture=mixture)
    facts = RunFacts(config, card, "names", "", "cpu", 1, torch.__version__)
    return to_onnx(LoadedRun("a run", facts, module.eval(), 1), card)


def sparse() -> bytes:
    """A file of an n-gram whose rows would be too wide."""
    strings = Strings.of_ids(np.array([1, 2, 3, 0, 2, 2, 0, 1, 3, 0], np.uint8))
    module = SparseNGram.of(fit(count_contexts(strings, 2, len(VOCAB)), 3))
    return file_of(module, *SPARSE)


def test_every_operator_of_every_setting_and_no_other() -> None:
    used: set[str] = set()
    for content in (sparse(), *(exported(model, mixture) for model, mixture in CASES)):
        assert open_bytes(content, "x.onnx").card.format == 2
        used |= {node.op_type for node in onnx.load_from_string(content).graph.node}
    assert used == OPERATORS
