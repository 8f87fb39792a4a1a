"""What a run trains and export traces: a network, an n-gram or a mixture; and it as a StepModel."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nplm.counts.contexts import ContextTable
from nplm.training.mixture import Mixture
from nplm.training.network import NeuralLM
from nplm.training.ngrammodule import NGramModule
from nplm.training.sparsengram import SparseNGram

LanguageModel = NeuralLM | NGramModule | Mixture


def assemble(networks: Sequence[NeuralLM], ngram: NGramModule | None) -> LanguageModel:
    """One module of the parts; a single part stays what it is."""
    if ngram and not networks:
        return ngram
    return networks[0] if len(networks) == 1 and not ngram else Mixture(networks, ngram)


def count_parameters(module: LanguageModel) -> int:
    """Numbers that training moves; an n-gram has none."""
    return sum(parameter.numel() for parameter in module.parameters())


def step_model(module: LanguageModel, device: torch.device | str = "cpu") -> "TorchModel":
    """A module as a StepModel."""
    kind = PairTorchModel if isinstance(module, SparseNGram) else TorchModel
    return kind(module, device)


class TorchModel:
    """A module as a StepModel: evaluation mode, numpy in and out."""

    def __init__(self, module: LanguageModel, device: torch.device | str = "cpu") -> None:
        self.module = module
        self.device = torch.device(device)

    @property
    def block_size(self) -> int:
        return self.module.block_size

    @property
    def vocab_size(self) -> int:
        return self.module.vocab_size

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Contexts (B, T) int64 -> logits (B, V) float32."""
        was_training = self.module.training
        self.module.eval()
        try:
            with torch.inference_mode():
                logits = self.module(torch.from_numpy(contexts).to(self.device))
        finally:
            self.module.train(was_training)
        return np.asarray(logits.cpu().numpy())


class PairTorchModel(TorchModel):
    """A module that need not make whole rows to say what pairs have: a `PairModel`."""

    def pair_log_probabilities(self, table: ContextTable) -> NDArray[np.float64]:
        """(E,) of each pair of a table at least as wide."""
        assert isinstance(self.module, SparseNGram)
        return self.module.pair_log_probabilities(table)
