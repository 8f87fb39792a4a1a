"""Time and memory of the context table of 100 MB of strings drawn from a 6-gram of the names.

python benchmarks/tables.py [--megabytes 100] [--block-size 8]
"""

import argparse
import resource
import time
from statistics import median

import numpy as np
from numpy.typing import NDArray

from common import names
from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.tables import table_of
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings
from sections import print_table, section

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


def small_row(data: Dataset, block_size: int) -> list[str]:
    """The names list, several times, for it is done at once."""
    seconds = []
    for _ in range(9):
        started = time.perf_counter()
        table = table_of(data, "train", block_size)
        seconds.append(time.perf_counter() - started)
    label = "names list, its training split (median of 9)"
    return [label, *sizes(data.strings("train"), table), f"{median(seconds):.3f}", ""]


def large_row(data: Dataset, megabytes: int, block_size: int) -> list[str]:
    """As many megabytes of strings."""
    strings = draw(table_of(data, "train", ORDER - 1), megabytes * 1_000_000, seed=0)
    before = peak_mb()
    started = time.perf_counter()
    table = count_contexts(strings, block_size, len(data.vocab))
    seconds = time.perf_counter() - started
    memory = f"{peak_mb():,.0f} ({before:,.0f} before)"
    label = f"{megabytes} MB drawn from a {ORDER}-gram of it"
    return [label, *sizes(len(strings), table), f"{seconds:.1f}", memory]


def sizes(strings: int, table: ContextTable) -> list[str]:
    return [f"{count:,}" for count in (strings, len(table), len(table.counts))]


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--block-size", type=int, default=8)
    asked = parser.parse_args()
    with section("Context table", "python benchmarks/tables.py"):
        print(f"Block size {asked.block_size}.\n", flush=True)
        data = names()
        header = ["", "strings", "contexts", "pairs", "seconds", "peak memory, MB"]
        rows = [
            small_row(data, asked.block_size),
            large_row(data, asked.megabytes, asked.block_size),
        ]
        print_table(header, rows)


if __name__ == "__main__":
    main()
