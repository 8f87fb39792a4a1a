"""Distributions of contexts, kept apart from what an automaton makes of them."""

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.growth import grown
from nplm.runtime.keytable import Keys, KeyTable, Numbers, distinct
from nplm.runtime.rows import RowMaker

Floats = NDArray[np.float64]


class ContextRows:
    """Distributions of contexts, each evaluated once, whatever pattern states it comes with.

    Args:
        maker: of the model alone.
        capacity: contexts that are kept; past it all are forgotten.
    """

    def __init__(self, maker: RowMaker, capacity: int) -> None:
        self._maker, self._capacity = maker, capacity
        self._table = KeyTable(maker.columns, maker.key_dtype)
        self._p = np.empty((0, maker.vocab_size))
        self._logs = np.empty((0, maker.vocab_size if maker.logs else 0))

    @property
    def nbytes(self) -> int:
        return self._table.nbytes + self._p.nbytes + self._logs.nbytes

    def of(self, keys: Keys) -> tuple[Floats, Floats]:
        """(n, T + 1) keys of the model -> (n, V) probabilities, (n, V or 0) logarithms."""
        contexts, which = distinct(keys)
        places = self._table.find(contexts)
        new = np.flatnonzero(places < 0)
        if len(self._table) + len(new) > self._capacity:
            self._table.clear()
            new = np.arange(len(contexts))
        if len(new):
            places[new] = self._add(contexts[new])
        rows = places[which]
        return self._p[rows], self._logs[rows]

    def _add(self, contexts: Keys) -> Numbers:
        start, size = len(self._table), len(self._table) + len(contexts)
        if size > len(self._p):
            p = grown(self._p, max(size, 2 * start), start)
            self._logs = grown(self._logs, len(p), start)
            self._p = p  # last: it stands for both
        for chunk, p, logs in self._maker.distributions(contexts):
            place = slice(start + chunk.start, start + chunk.stop)
            self._p[place], self._logs[place] = p, logs
        self._table.add(contexts)
        return np.arange(start, size)
