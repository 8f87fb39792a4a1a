"""The alternatives, as one writes them by hand after the lesson."""

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

BLOCK_SIZE, EMBEDDING, HIDDEN = 3, 10, 200


def windows(words: list[str], ids: dict[str, int]) -> tuple[Tensor, Tensor]:
    """Every position's context (N, 3) and next symbol (N,)."""
    contexts, symbols = [], []
    for word in words:
        context = [0] * BLOCK_SIZE
        for symbol in [*(ids[c] for c in word), 0]:
            contexts.append(context)
            symbols.append(symbol)
            context = [*context[1:], symbol]
    return torch.tensor(contexts), torch.tensor(symbols)


def train(
    train_set: tuple[Tensor, Tensor], vocab_size: int, steps: int, seed: int
) -> tuple[list[Tensor], float]:
    """The lesson's loop: batches of 32 positions, SGD, 0.1 and then 0.01 from half time on.

    Returns:
        The parameters, and the seconds that the steps took.
    """
    generator = torch.Generator().manual_seed(seed)
    contexts, symbols = train_set
    c = torch.randn((vocab_size, EMBEDDING), generator=generator)
    w1 = torch.randn((BLOCK_SIZE * EMBEDDING, HIDDEN), generator=generator)
    b1 = torch.randn(HIDDEN, generator=generator)
    w2 = torch.randn((HIDDEN, vocab_size), generator=generator)
    b2 = torch.rand(vocab_size, generator=generator)
    parameters = [c, w1, b1, w2, b2]
    for p in parameters:
        p.requires_grad = True
    log_losses = []
    started = time.perf_counter()
    for step in range(steps):
        rows = torch.randint(0, len(contexts), (32,), generator=generator)
        loss = F.cross_entropy(forward(parameters, contexts[rows]), symbols[rows])
        for p in parameters:
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        rate = 0.1 if step < steps // 2 else 0.01
        for p in parameters:
            assert p.grad is not None
            p.data += -rate * p.grad
        log_losses.append(loss.log10().item())
    return parameters, time.perf_counter() - started


def forward(parameters: list[Tensor], contexts: Tensor) -> Tensor:
    """Logits (B, V) of contexts (B, 3)."""
    c, w1, b1, w2, b2 = parameters
    hidden = torch.tanh(c[contexts].view(len(contexts), -1) @ w1 + b1)
    return hidden @ w2 + b2


@torch.no_grad()
def nats(parameters: list[Tensor], split: tuple[Tensor, Tensor]) -> float:
    """Mean nats per symbol of a split."""
    return F.cross_entropy(forward(parameters, split[0]), split[1]).item()


@torch.no_grad()
def generate(
    network: Callable[[Tensor], Tensor], block_size: int, symbols: tuple[str, ...], count: int
) -> list[str]:
    """The lesson's loop, one name after the other."""
    generator = torch.Generator().manual_seed(0)
    names = []
    for _ in range(count):
        context, text = [0] * block_size, []
        while True:
            probabilities = F.softmax(network(torch.tensor([context])), dim=1)
            k = int(torch.multinomial(probabilities, 1, generator=generator).item())
            if k == 0:
                break
            context = [*context[1:], k]
            text.append(symbols[k - 1])
        names.append("".join(text))
    return names


def generate_in_batches(
    model: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    block_size: int,
    symbols: tuple[str, ...],
    count: int,
) -> list[str]:
    """A thousand names side by side, without any memory of contexts."""
    generator = np.random.default_rng(0)
    shown = ("", *symbols)
    names = []
    for _ in range(count // 1000):
        contexts = np.zeros((1000, block_size), np.int64)
        texts = [""] * 1000
        alive = np.arange(1000)
        while len(alive):
            logits = model(contexts[alive]).astype(np.float64)
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            cdf = np.cumsum(p, axis=1)
            drawn = (cdf > generator.random((len(alive), 1)) * cdf[:, -1:]).argmax(axis=1)
            contexts[alive] = np.column_stack([contexts[alive, 1:], drawn])
            for row, k in zip(alive.tolist(), drawn.tolist(), strict=True):
                texts[row] += shown[k]
            alive = alive[drawn > 0]
        names += texts
    return names
