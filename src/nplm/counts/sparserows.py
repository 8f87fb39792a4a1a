"""Rows of which only some entries are stored: their pairs, and probabilities made of such rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def pairs_of(
    offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of some of the compressed rows, in the order asked for.

    Args:
        offsets: (C + 1,) the pairs of row c are offsets[c] to offsets[c + 1].
        rows: (R,) of these rows; one may stand there several times.

    Returns:
        (P,) places of the pairs, and (P,) which of the R rows each belongs to.
    """
    lengths = offsets[rows + 1] - offsets[rows]
    skipped = np.cumsum(lengths) - lengths
    places = np.repeat(offsets[rows] - skipped, lengths) + np.arange(lengths.sum())
    return places, np.repeat(np.arange(len(rows)), lengths)


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows (B, V) of probabilities as pairs, and a share of one row that is common to all.

    Attributes:
        rows: (P,) int64, the row of each pair.
        symbols: (P,) int64, its symbol; where one stands several times, its values add up.
        values: (P,) what the pair adds there.
        shares: (B,) how much of `common` each row has.
        common: (V,) the unigram.
    """

    rows: NDArray[np.int64]
    symbols: NDArray[np.int64]
    values: NDArray[np.float64]
    shares: NDArray[np.float64]
    common: NDArray[np.float64]
