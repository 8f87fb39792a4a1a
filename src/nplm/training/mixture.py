"""The mixture as a torch module, made to be traced by export.

    p(s|c) = w_0 p_ngram(s|c) + sum_k w_k p_network_k(s|c)

as in the mixed results of Bengio et al. (2003), section 4.2 and Table 1, but with weights that can
be learnt on val.

Letters: B rows, T block size, V vocabulary size, P parts, E (context, symbol) pairs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nplm.training.network import NeuralLM
from nplm.training.ngrammodule import NGramModule

LOWEST_WEIGHT = 1e-12  # the logarithm of a weight must be finite
EM_STEPS = 500
EM_ENOUGH = 1e-6  # nats per symbol that may be left to gain


class Mixture(nn.Module):
    """contexts (B, T) int64 -> log of the weighted sum of the parts' probabilities, (B, V)."""

    log_weights: Tensor  # (P,): the n-gram's first, if it is a part, then the networks'

    def __init__(self, networks: Sequence[NeuralLM], ngram: NGramModule | None) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.ngram = ngram
        self.block_size = max(part.block_size for part in self.parts)
        self.vocab_size = self.parts[0].vocab_size
        equal = np.full(len(self.parts), 1 / len(self.parts))
        self.register_buffer("log_weights", torch.zeros(len(self.parts)))
        self.weigh(equal)

    @property
    def parts(self) -> "list[NGramModule | NeuralLM]":
        networks: list[NeuralLM] = [n for n in self.networks if isinstance(n, NeuralLM)]
        return [*([self.ngram] if self.ngram else []), *networks]

    @property
    def weights(self) -> NDArray[np.float64]:
        """(P,) that add up to 1."""
        weights = np.exp(self.log_weights.cpu().numpy().astype(np.float64))
        return np.asarray(weights / weights.sum())

    def weigh(self, weights: NDArray[np.float64]) -> None:
        """Take other weights (P,)."""
        logs = np.log(np.maximum(weights, LOWEST_WEIGHT))
        with torch.no_grad():
            self.log_weights.copy_(torch.from_numpy(logs))

    def forward(self, contexts: Tensor) -> Tensor:
        logs = []
        for part in self.parts:
            own = contexts[:, self.block_size - part.block_size :]
            logs.append(part(own).log_softmax(1))  # (B, V)
        weighted = torch.stack(logs, 1) + self.log_weights[:, None]  # (B, P, V)
        return weighted.logsumexp(1)


def learn_weights(log_p: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The weights (P,) of the mixture with the least nats, by expectation maximisation.

    Steps grow while they help (Salakhutdinov and Roweis 2003): alike parts would need thousands. It
    stops when at most 1e-6 nats per symbol are left to gain (the logarithm of the largest gain
    bounds them, the problem being convex), or after 500 steps.

    Args:
        log_p: (P, E) what each part gives each (context, symbol) pair.
        counts: (E,) how often each pair occurs.
    """
    p = np.exp(log_p - log_p.max(axis=0))  # (P, E), scaled: a pair's common factor is of no effect
    shares = counts / counts.sum()
    weights = np.full(len(p), 1 / len(p))
    # einsum: numpy's products wake threads, which wait for whatever else runs.
    mixed, stride = np.einsum("p,pe->e", weights, p), 1.0
    for _ in range(EM_STEPS):
        gains = np.einsum("pe,e->p", p / mixed, shares)  # at most 1 at the optimum
        if np.log(gains.max()) < EM_ENOUGH:
            break
        proposed = weights * gains**stride
        proposed /= proposed.sum()
        then = np.einsum("p,pe->e", proposed, p)
        if (
            stride > 1 and (shares * np.log(then / mixed)).sum() < 0
        ):  # too far: a plain step never is
            stride = 1.0
            continue
        weights, mixed, stride = proposed, then, 1.2 * stride
    return weights


def share_out(ngram_weight: float, networks: int) -> NDArray[np.float64]:
    """Weights with a given share for the n-gram and equal ones for the networks."""
    return np.array([ngram_weight, *[(1 - ngram_weight) / networks] * networks])
