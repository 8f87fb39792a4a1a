"""The network of Bengio, Ducharme, Vincent and Jauvin (JMLR 2003), section 2, and residual layers.

    y = b + U tanh(d + H x),  x = (C(w_{t-1}), ..., C(w_{t-n+1}))

with C the embedding, H the first hidden layer, U the output layer. Further layers are residual.
Optimisation is in `training.optimizer`, files are in `runs.checkpoint`, mixtures in
`training.mixture`.

Letters: B rows, T block size, V vocabulary size, E embedding size, D hidden size.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nplm.config import ModelConfig

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "gelu": F.gelu}


class NeuralLM(nn.Module):
    """contexts (B, T) int64 -> logits (B, V) float32 of the next symbol."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocab_size = vocab_size
        hidden = config.hidden_size
        self.embedding = nn.Embedding(vocab_size, config.embedding_size)  # (V, E)
        self.first = nn.Linear(config.block_size * config.embedding_size, hidden)
        self.residual = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(config.layers - 1))
        norms = config.layers if config.layer_norm else 0
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(norms))
        self.output = nn.Linear(hidden, vocab_size)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout: nn.Module = nn.Dropout(config.dropout)
        _INITS[config.init](self)

    @property
    def block_size(self) -> int:
        return self.config.block_size

    def start_from(self, counts: Tensor) -> None:
        """Start as the unigram: output bias log p(symbol), one added to each of the counts (V,).

        Otherwise the first steps are spent on moving the bias there.
        """
        with torch.no_grad():
            self.output.bias.copy_(((counts + 1) / (counts + 1).sum()).log())

    def forward(self, contexts: Tensor) -> Tensor:
        x = self._embed(contexts)  # (B, T * E)
        h = self.dropout(self.activation(self._norm(0, self.first(x))))  # (B, D)
        for k, layer in enumerate(self.residual, start=1):
            h = h + self.dropout(self.activation(self._norm(k, layer(h))))  # (B, D)
        logits: Tensor = self.output(h)  # (B, V)
        return logits

    def _embed(self, contexts: Tensor) -> Tensor:
        """(B, T) -> (B, T * E), the embeddings of each context one after the other."""
        if self.training and not contexts.is_cuda:  # the same, with a gradient in half the time
            rows = self.embedding.weight.index_select(0, contexts.flatten())
            return rows.view(len(contexts), -1)
        embedded: Tensor = self.embedding(contexts)
        return embedded.flatten(1)

    def _norm(self, k: int, x: Tensor) -> Tensor:
        return self.norms[k](x) if self.config.layer_norm else x


def _init_scaled(model: NeuralLM) -> None:
    """Weights N(0, 1 / inputs), zero biases, a small output layer: it starts near uniform."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        model.output.weight *= 0.1


def _init_normal(model: NeuralLM) -> None:
    """The lesson's: everything N(0, 1), the output bias uniform in [0, 1)."""
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    nn.init.uniform_(model.output.bias)


_INITS = {"scaled": _init_scaled, "normal": _init_normal}
