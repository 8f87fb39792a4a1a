"""The n-gram and the mixture as torch modules, made to be traced by export.

    p(s|c) = w_0 p_ngram(s|c) + sum_k w_k p_network_k(s|c)

as in the mixed results of Bengio et al. (2003), section 4.2 and Table 1, but with weights that can
be learnt on val. The n-gram itself is fitted in `counts.ngram`.

Letters: B rows, T block size, V vocabulary size, P parts, S states, E (context, symbol) pairs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nplm.counts.ngram import NGram
from nplm.errors import DataError
from nplm.training.network import NeuralLM

DEAD, ROOT = 0, 1  # states: nothing more to find, and the empty context
MAX_TABLE_BYTES = 1 << 29
LOWEST_WEIGHT = 1e-12  # the logarithm of a weight must be finite
EM_STEPS = 500
EM_ENOUGH = 1e-6  # nats per symbol that may be left to gain


class NGramTable(nn.Module):
    """contexts (B, T) int64 -> log p(.|c) (B, V) float32 of the longest seen ending of c.

    A suffix trie as constant tables: from the root, T look-ups go from the most recent symbol to
    the oldest; the last state that was seen has the row of the answer. States are numbered so that
    longer contexts have larger numbers, so the last one seen is the largest. Rows are kept in half
    precision and normalised again after the look-up.
    """

    transitions: Tensor  # (inner S * V,) int32: state times V plus symbol -> state, or DEAD
    rows: Tensor  # (S, V) float16: log p

    def __init__(self, order: int, transitions: Tensor, rows: Tensor) -> None:
        super().__init__()
        self.block_size = order - 1
        self.vocab_size = int(rows.shape[1])
        # The tables follow from the data: they have a file of their own, not in every checkpoint.
        self.register_buffer("transitions", transitions, persistent=False)
        self.register_buffer("rows", rows, persistent=False)

    @classmethod
    def of(cls, ngram: NGram) -> "NGramTable":
        """The tables of a fitted n-gram.

        Raises:
            DataError: they would not fit; the message has the estimate.
        """
        refuse_large(ngram)
        vocab_size = ngram.vocab_size
        sizes = [len(level.keys) for level in ngram.levels]
        first = np.cumsum([ROOT, *sizes])  # the first state of each length
        transitions = np.full(first[-2] * vocab_size, DEAD, np.int32)
        for length, level in enumerate(ngram.levels[1:], start=1):
            states = np.arange(first[length], first[length + 1])
            transitions[first[length - 1] * vocab_size + level.keys] = states
        rows = np.zeros((first[-1], vocab_size), np.float16)
        filled = ROOT
        for block in ngram.rows():
            rows[filled : filled + len(block)] = np.log(block)
            filled += len(block)
        return cls(ngram.order, torch.from_numpy(transitions), torch.from_numpy(rows))

    def forward(self, contexts: Tensor) -> Tensor:
        state = torch.full_like(contexts[:, 0], ROOT)  # (B,)
        longest = state
        for back in range(1, self.block_size + 1):
            place = state * self.vocab_size + contexts[:, contexts.shape[1] - back]
            state = self.transitions.index_select(0, place).to(torch.int64)
            longest = torch.maximum(longest, state)
        return self.rows.index_select(0, longest).float().log_softmax(1)  # (B, V)


def refuse_large(ngram: NGram) -> None:
    """Raise DataError where the tables of `ngram` would be larger than 512 MiB."""
    inner = len(ngram) - len(ngram.levels[-1].keys)
    estimate = (2 * len(ngram) + 4 * inner) * ngram.vocab_size
    if estimate > MAX_TABLE_BYTES:
        raise DataError(
            f"the n-gram's tables would take {estimate / 1e9:,.1f} GB: {len(ngram):,} contexts of "
            f"{ngram.vocab_size:,} symbols each; at most {MAX_TABLE_BYTES / 1e9:.1f} GB fit",
            (f"choose `order` below {ngram.order}, or " if ngram.order > 2 else "choose ")
            + '`preset="default"`, a network alone',
        )


class Mixture(nn.Module):
    """contexts (B, T) int64 -> log of the weighted sum of the parts' probabilities, (B, V)."""

    log_weights: Tensor  # (P,): the n-gram's first, if it is a part, then the networks'

    def __init__(self, networks: Sequence[NeuralLM], ngram: NGramTable | None) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.ngram = ngram
        self.block_size = max(part.block_size for part in self.parts)
        self.vocab_size = self.parts[0].vocab_size
        equal = np.full(len(self.parts), 1 / len(self.parts))
        self.register_buffer("log_weights", torch.zeros(len(self.parts)))
        self.weigh(equal)

    @property
    def parts(self) -> "list[NGramTable | NeuralLM]":
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
