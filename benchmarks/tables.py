"""Time and memory of the context table of 100 MB of strings drawn from a 6-gram of the names.

python benchmarks/tables.py [--megabytes 100] [--block-size 8]
"""

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from common import names
from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.tables import table_of
from nplm.text.strings import Strings

ORDER = 6


class Drawer:
    """Next symbols in proportion to the counts of a table. Contexts are numbers in base V."""

    def __init__(self, table: ContextTable) -> None:
        keys = (
            table.contexts.astype(np.int64) @ table.vocab_size ** np.arange(table.block_size)[::-1]
        )
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._ends = np.cumsum(table.counts)
        self._first = np.concatenate([[0], self._ends])[table.offsets[:-1]]
        self._table = table

    def draw(self, keys: NDArray[np.int64], u: NDArray[np.float64]) -> NDArray[np.int64]:
        """(B,) contexts and uniforms -> (B,) symbols; an unseen context counts as its neighbour."""
        places = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        contexts = self._order[places]
        points = self._first[contexts] + (u * self._table.totals[contexts]).astype(np.int64)
        pairs = np.searchsorted(self._ends, points, side="right")
        return np.asarray(self._table.targets[pairs], np.int64)


def draw(table: ContextTable, symbols: int, seed: int) -> Strings:
    """Strings of about `symbols` ids from a 6-gram that falls back to a bigram one time in five.

    Many strings are drawn side by side. The fall-back makes contexts that the list does not have.
    """
    generator = np.random.default_rng(seed)
    base, width = table.vocab_size, table.block_size
    long, short = Drawer(table), Drawer(table.shorten(1))
    rows = 20_000
    state = np.zeros(rows, np.int64)
    ids = np.zeros((rows, symbols // rows), np.uint8)
    for step in range(ids.shape[1] - 1):
        u = generator.random(rows)
        back = generator.random(rows) < 0.2
        symbol = np.where(back, short.draw(state % base, u), long.draw(state, u))
        state = np.where(symbol == 0, 0, state * base % base**width + symbol)
        ids[:, step] = symbol
    return Strings.of_ids(ids.ravel())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--block-size", type=int, default=8)
    asked = parser.parse_args()
    data = names()
    small = []
    for _ in range(9):
        started = time.perf_counter()
        table_of(data, "train", asked.block_size)
        small.append(time.perf_counter() - started)
    print(f"names list, block size {asked.block_size}: {sorted(small)[4]:.3f} s (median of 9)")
    strings = draw(table_of(data, "train", ORDER - 1), asked.megabytes * 1_000_000, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    table = count_contexts(strings, asked.block_size, len(data.vocab))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(strings.ids) / 1e6:.0f} MB, {len(strings):,} strings: ", end="")
    print(f"{len(table):,} distinct contexts, ", end="")
    print(
        f"{len(table.counts):,} pairs, {seconds:.1f} s, peak {peak:,.0f} MB (before: {before:,.0f})"
    )


if __name__ == "__main__":
    main()
