"""Strings from a StepModel: a batched walk, one column of symbols at a time.

String i depends only on (model, options, seed, i); the batch it is computed in does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.config import MAX_SEED, SamplingConfig
from nplm.errors import ConstraintError, UsageError
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.sampling import LANES, MAX_INDEX, cumulative, draw, probabilities, uniforms
from nplm.stepmodel import StepModel, all_logits
from nplm.vocab import BOUNDARY

BATCH = 4096


@dataclass(frozen=True)
class Generated:
    """One generated string.

    Attributes:
        index: i, its number in the stream of the seed.
        nats: its negative log-probability under the model alone, without options, prefix included.
        complete: the model ended it; False when it was cut at the longest length allowed.
    """

    index: int
    text: str
    nats: float
    complete: bool


def default_max_length(card: ModelCard) -> int:
    """Twice the longest training string."""
    return max(1, 2 * card.longest)


def generate(
    model: StepModel,
    card: ModelCard,
    sampling: SamplingConfig,
    count: int = 20,
    seed: int = 0,
    start: int = 0,
    batch: int = BATCH,
) -> Iterator[Generated]:
    """Yield strings `start` to `start + count` of the stream of `seed`.

    Raises:
        ConstraintError: no string can have both the prefix and the lengths asked for.
        DataError: the prefix has a symbol the model does not know.
        UsageError: count, seed or start is out of bounds.
    """
    if not 0 <= count <= MAX_INDEX:
        raise UsageError(f"-n is {count}", "it must be between 0 and 2^63 - 1")
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"--seed is {seed}", "it must be between 0 and 2^64 - 1")
    if not 0 <= start <= MAX_INDEX - count:
        raise UsageError(f"--start-index is {start}", "indices must be between 0 and 2^63 - 1")
    prefix = card.encode(sampling.prefix)
    check_lengths(sampling, len(prefix))
    for first in range(start, start + count, batch):
        rows = min(batch, start + count - first)
        yield from _walk(model, card, sampling, prefix, seed, first, rows)


def check_lengths(sampling: SamplingConfig, prefix_length: int) -> None:
    """Raise ConstraintError when no string can have the prefix and lengths asked for."""
    if sampling.min_length > sampling.max_length:
        raise ConstraintError(
            f"--min-length {sampling.min_length} is above --max-length {sampling.max_length}"
        )
    if prefix_length > sampling.max_length:
        raise ConstraintError(
            f"--prefix has {prefix_length} symbols, --max-length allows {sampling.max_length}"
        )


def _walk(
    model: StepModel,
    card: ModelCard,
    sampling: SamplingConfig,
    prefix: list[int],
    seed: int,
    first: int,
    rows: int,
) -> Iterator[Generated]:
    """Strings `first` to `first + rows`, advanced together until all have ended."""
    block_size = card.block_size
    tokens = np.zeros((rows, block_size + sampling.max_length), np.int64)
    nats = np.zeros(rows)
    length = np.full(rows, sampling.max_length)
    complete = np.zeros(rows, np.bool_)
    alive = np.arange(rows)
    u = np.empty((rows, LANES))
    for position in range(sampling.max_length + 1):
        logits = all_logits(model, tokens[alive, position : position + block_size])
        if position < len(prefix):
            chosen = np.full(len(alive), prefix[position])
        else:
            t = position - len(prefix)
            if t % LANES == 0:
                u = uniforms(seed, first, rows, t // LANES)
            end_allowed = position >= sampling.min_length
            p = probabilities(logits, sampling, end_allowed=end_allowed)
            chosen = draw(cumulative(p), u[alive, t % LANES])
        ended = chosen == BOUNDARY
        keep = ended if position == sampling.max_length else np.ones(len(alive), np.bool_)
        nats[alive[keep]] -= _log_probability(logits[keep], chosen[keep])
        complete[alive[ended]] = True
        length[alive[ended]] = position
        alive, chosen = alive[~ended], chosen[~ended]
        if position == sampling.max_length or not len(alive):
            break
        tokens[alive, block_size + position] = chosen
    for row in range(rows):
        text = card.vocab.decode(tokens[row, block_size : block_size + length[row]].tolist())
        yield Generated(first + row, text, float(nats[row]), bool(complete[row]))


def _log_probability(logits: NDArray[np.float32], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B, V) logits, (B,) ids -> (B,) log-probabilities without options."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    log_z = np.log(np.exp(wide).sum(axis=1))
    return np.asarray(wide[np.arange(len(wide)), chosen] - log_z)
