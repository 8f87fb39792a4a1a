"""How strings are drawn: rows of logits to cumulative distributions, and the seeded uniforms.

The look-up of a uniform in a row is `rows.search`. String i of a stream depends on (model, options,
seed, i) and nothing else: its t-th draw uses one Philox4x64-10 uniform that is a function of
(seed, i, t). B is the number of rows, V the vocabulary size.
"""

import numpy as np
from numpy.typing import NDArray

from nplm.generation import SamplingConfig
from nplm.runtime.philox import block_of, blocks_of

LANES = 4  # uniforms in one block of Philox4x64
FEW = 32  # strings; numpy takes as long as for these in plain Python to load its generators
CHUNK = 1 << 13  # blocks made at once: in arrays beyond the processor's caches half as fast
SCATTERED = 6  # times as long as one of many in a row takes a block on its own,
SCATTERED_FIRST = 1 << 14  # and as many more take the first of them: it goes through 300 arrays


def uniforms(seed: int, start: int, count: int, block: int) -> NDArray[np.float64]:
    """Uniforms in [0, 1) of strings `start` to `start + count`, draws 4 * block to 4 * block + 3.

    Philox4x64-10 (Salmon et al. 2011) with key (seed, 0) and counter (i + 1, block, 0, 0): lane k
    is draw 4 * block + k of string i, u = (x >> 11) * 2^-53.

    Returns:
        (count, 4) float64, each draw's one after the other in memory, for so they are looked up.
    """
    if count <= FEW:  # as `nplm generate -n 20` needs: 5 ms and 2.5 MB less
        rows = [_unit_block(seed, start + 1 + row, block) for row in range(count)]
        return np.array(rows).reshape(count, LANES)
    return _many(seed, start, count, block)


def _many(seed: int, start: int, count: int, block: int) -> NDArray[np.float64]:
    # numpy counts the first word up before each block of four, which gives i + 1, i + 2, ...
    generator = np.random.Philox(key=seed, counter=[start, block, 0, 0])
    u = np.empty((LANES, count)).T
    for first in range(0, count, CHUNK):
        chunk = u[first : first + CHUNK]
        chunk[:] = _unit(generator.random_raw(chunk.size)).reshape(chunk.shape)
    return u


def uniforms_at(
    seed: int,
    indices: NDArray[np.int64],
    block: int,
    attempts: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """(n,) indices -> (n, 4), for each string what `uniforms` gives; six times as long a string.

    Args:
        attempts: (n,) the third word of each counter, which is 0 without.
    """
    u = np.empty((len(indices), LANES))
    for first in range(0, len(indices), CHUNK):
        chunk = slice(first, first + CHUNK)
        counters = indices[chunk].astype(np.uint64) + 1
        third = None if attempts is None else attempts[chunk].astype(np.uint64)
        u[chunk] = _unit(blocks_of(seed, counters, block, third))
    return u


def few_uniforms(seed: int, start: int, count: int, block: int) -> list[list[float]]:
    """As `uniforms`, of few strings, as numbers; of one without numpy, which is slow to begin."""
    if count == 1:
        return [_unit_block(seed, start + 1, block)]
    rows: list[list[float]] = _many(seed, start, count, block).tolist()
    return rows


def _unit_block(seed: int, counter: int, block: int) -> list[float]:
    return [(x >> 11) * 2.0**-53 for x in block_of(seed, counter, block)]


def refill(
    u: NDArray[np.float64], seed: int, start: int, alive: NDArray[np.int64], block: int
) -> NDArray[np.float64]:
    """(n, 4) `u`, which may be overwritten -> (n, 4) what `uniforms` gives, at rows `alive`."""
    if SCATTERED_FIRST + SCATTERED * len(alive) < len(u):
        u[alive] = uniforms_at(seed, start + alive, block)
        return u
    return uniforms(seed, start, len(u), block)


def _unit(raw: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Words as uniforms, of their upper 53 bits."""
    return np.asarray((raw >> np.uint64(11)) * 2.0**-53)


def probabilities(
    logits: NDArray[np.float32],
    sampling: SamplingConfig,
    allowed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """(B, V) logits -> (B, V) probabilities under the options, in float64.

    Softmax of the float32 logits in float64; what is not allowed masked; then temperature, top-k
    and top-p in this order, each among what the one before kept. Ties go to the lower id.

    Args:
        allowed: (V,) the symbols that may be drawn, at least one; None for all.
    """
    wide = logits.astype(np.float64)
    if allowed is not None:
        wide[:, ~allowed] = -np.inf
    if sampling.temperature == 0:
        greedy = np.zeros_like(wide)
        greedy[np.arange(len(wide)), wide.argmax(axis=1)] = 1.0
        return greedy
    wide -= wide.max(axis=1, keepdims=True)
    if sampling.temperature != 1:
        with np.errstate(over="ignore"):  # near 0 all but the best go to -inf, as they should
            wide /= sampling.temperature
    p = np.exp(wide, out=wide)
    p /= p.sum(axis=1, keepdims=True)
    if sampling.top_k is None and sampling.top_p == 1:
        return p
    return _most_probable(p, sampling.top_k or p.shape[1], sampling.top_p)


def _most_probable(p: NDArray[np.float64], top_k: int, top_p: float) -> NDArray[np.float64]:
    """Zero all but the `top_k` most probable symbols, then all but the fewest with mass `top_p`."""
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=1)
    ranked[:, top_k:] = 0.0
    if top_p < 1:
        ranked /= ranked.sum(axis=1, keepdims=True)
        before = np.cumsum(ranked, axis=1) - ranked
        ranked[before >= top_p] = 0.0
    distribution = np.zeros_like(p)
    np.put_along_axis(distribution, order, ranked, axis=1)
    return np.asarray(distribution / distribution.sum(axis=1, keepdims=True))


def cumulative(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, V) probabilities, which are overwritten -> (B, V) cumulative distribution, up to 1.

    Dividing by the last sum makes every id from the last possible one on equal to 1, so a uniform
    below 1 never falls behind it.
    """
    cdf = np.cumsum(p, axis=1, out=p)
    cdf /= cdf[:, -1:].copy()
    return cdf
