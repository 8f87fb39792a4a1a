"""Strings that a pattern accepts, drawn with exactly the probabilities they have among those.

A state is a context of the model and a state of the pattern. h of a state is an upper bound of the
chance that a string from there on is accepted: solved on the states that were expanded, 1 on other
live ones, 0 on dead ones. A step draws symbol k with p(k) h(after k) / h(now); what is missing to 1
is a rejection. The product of a string's steps telescopes to its own probability over h(start), so
accepted strings follow p(. | accepted) whatever was expanded, as long as h is never below the mean
of h after a step. Doob's h-transform, with rejection for what the bound leaves open.

Letters: B or n rows, T block size, V vocabulary size, E expanded states, L states on one level.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nplm.runtime.bound import DEAD, OPEN, Bound, Expansion, Floats, solve
from nplm.runtime.contextrows import ContextRows
from nplm.runtime.keytable import Keys, KeyTable, Numbers, distinct
from nplm.runtime.pattern import Pattern
from nplm.runtime.rows import NEVER, RowMaker
from nplm.text.vocab import BOUNDARY

MAX_ENTRIES = 1 << 23  # expanded states times symbols, 12 bytes each while h is solved
CHUNK_ENTRIES = 1 << 16  # rows times symbols that are made at once
# Expanded states, from which on a level twice as large as the last is not expanded, where there are
# more contexts than may be.
MANY = 1 << 14


class Product:
    """Keys of a model and a pattern side by side: T columns, the model's constraint, the pattern.

    It is to a lazy automaton what `RowMaker` is, its rows twisted; where a row is searched for a
    uniform of the rejected part, symbol V comes out.

    Args:
        maker: of the model, with sampling options.
        cache_bytes: of the automaton, which contexts may take a part of.
        twisted_logs: logarithms are those of the twisted rows. Those of a string add up to its own,
            less that of h(start).
    """

    def __init__(
        self,
        maker: RowMaker,
        pattern: Pattern,
        cache_bytes: float,
        *,
        twisted_logs: bool = False,
    ) -> None:
        self.logs, self.rejects = maker.logs, True
        self.vocab_size, self.columns = maker.vocab_size, maker.columns + 1
        self.key_dtype = max(maker.key_dtype, np.min_scalar_type(len(pattern.next)))
        self._maker, self._pattern, self._twisted_logs = maker, pattern, twisted_logs
        self._contexts = ContextRows(maker, int(cache_bytes / self.kept_bytes / 2))
        # What a symbol does to the pattern, but for what is known of expanded states.
        self._open = np.where(pattern.live, OPEN, DEAD).astype(np.int32)
        self.bound = Bound(
            KeyTable(self.columns, self.key_dtype),
            np.empty((0, self.vocab_size), np.int32),
            np.array([1.0, 0.0]),
            float(pattern.live[pattern.start]),
            complete=False,
        )

    @property
    def accepted_at_most(self) -> float:
        return self.bound.start

    @property
    def kept_bytes(self) -> int:
        """Of a state, beside its row: its context's, and that one's key and slots."""
        return 8 * self.vocab_size * (1 + self.logs) + self.columns * self.key_dtype.itemsize + 32

    @property
    def nbytes(self) -> int:
        return self._contexts.nbytes + self.bound.nbytes

    @property
    def levels(self) -> int:
        """A row has an entry more than there are symbols."""
        return self.vocab_size.bit_length()

    @property
    def widths(self) -> tuple[int, int]:
        return 1 << self.levels, (self.vocab_size + 1) * self.logs

    def key_after(self, symbols: Sequence[int]) -> Keys:
        """(1, T + 2) the key after the symbols of one string."""
        key = np.empty((1, self.columns), self.key_dtype)
        key[:, :-1] = self._maker.key_after(symbols)
        key[:, -1] = self._pattern.after(symbols)
        return key

    def keys_after(self, keys: Keys, symbols: Numbers) -> Keys:
        """(n, T + 2) keys, which are overwritten, and symbols -> the keys of where they lead."""
        self._maker.keys_after(keys[:, :-1], symbols)
        keys[:, -1] = self._pattern.step(keys[:, -1].astype(np.int64), symbols)
        return keys

    def make(self, keys: Keys) -> Iterator[tuple[slice, Floats, Floats]]:
        """Keys (B, T + 2) in chunks: which, their twisted cumulative rows, their logarithms."""
        cdf_width, log_width = self.widths
        size = max(1, CHUNK_ENTRIES // self.vocab_size)
        for start in range(0, len(keys), size):
            chunk = slice(start, start + len(keys[start : start + size]))
            weights, logs = self._twisted(keys[chunk])
            if self._twisted_logs:
                with np.errstate(divide="ignore"):
                    logs = np.log(weights)
            cdf = np.full((len(weights), cdf_width), NEVER)
            np.cumsum(weights, axis=1, out=cdf[:, : self.vocab_size])
            padded = np.zeros((len(weights), log_width))
            padded[:, : logs.shape[1]] = logs
            yield chunk, cdf, padded

    def _twisted(self, keys: Keys) -> tuple[Floats, Floats]:
        """(n, T + 2) keys -> (n, V) p(k) h(after k) / h(now), (n, V or 0) logarithms."""
        bound = self.bound
        p, logs = self._contexts.of(keys[:, :-1].astype(self._maker.key_dtype))
        states = keys[:, -1].astype(np.int64)
        known = bound.table.find(keys)
        after = self._pattern.next[states][:, self._pattern.classes]
        leads = self._open[after]
        here = known >= 0
        leads[here] = bound.next[known[here]]
        among = ~here & self._pattern.live[states] & ~self._pattern.universal[states]
        if among.any() and len(bound.table):
            self._look_up(leads, keys, after, np.flatnonzero(among))
        weights = p * bound.h[leads]
        weights[:, BOUNDARY] = p[:, BOUNDARY] * self._pattern.accepting[states]
        now = np.where(here, bound.h[known], 1.0)
        np.divide(weights, now[:, None], out=weights, where=now[:, None] > 0)
        return weights, logs

    def _look_up(
        self, leads: NDArray[np.int32], keys: Keys, after: NDArray[np.int32], rows: Numbers
    ) -> None:
        """Put expanded states that are led to from the given rows into `leads` (n, V)."""
        places, symbols = self._uncertain(after[rows])
        places = rows[places]
        found = self.bound.table.find(self.keys_after(keys[places], symbols))
        hit = found >= 0
        leads[places[hit], symbols[hit]] = found[hit]

    def _uncertain(
        self, after: NDArray[np.int32], p: Floats | None = None
    ) -> tuple[Numbers, Numbers]:
        """(n, V) states of the pattern -> places and symbols whose h is between 0 and 1."""
        uncertain = (self._pattern.live & ~self._pattern.universal)[after]
        uncertain[:, BOUNDARY] = False
        if p is not None:
            uncertain &= p > 0
        places, symbols = np.nonzero(uncertain)
        return places, symbols

    def solve(self, symbols: Sequence[int], budget: int, tolerance: float) -> None:
        """Find h on the states that are nearest to the one after `symbols`, breadth first.

        Args:
            budget: states to expand, at most; fewer where there are many symbols, or where levels
                go on growing.
            tolerance: sweeps end when h(start) and the sum of all h fall by no more of themselves.
        """
        expansion = self._expand(self.key_after(symbols), min(budget, self.most))
        h = solve(expansion, tolerance)
        live = self._pattern.live[self._pattern.after(symbols)]
        start = float(h[0] if expansion.edges[-1] else live)
        self.bound = Bound(expansion.table, expansion.next, h, start, expansion.complete)

    @property
    def most(self) -> int:
        """States that may be expanded."""
        return max(1, MAX_ENTRIES // self.vocab_size)

    def _expand(self, first: Keys, budget: int) -> Expansion:
        pattern, table = self._pattern, KeyTable(self.columns, self.key_dtype)
        start = int(first[0, -1])
        uncertain = bool(pattern.live[start] and not pattern.universal[start])
        level = first[: min(budget, uncertain)]
        complete, edges = len(level) == uncertain, [0]
        may_grow = self.vocab_size ** (self.columns - 2) > budget  # by contexts alone
        none = np.empty((0, self.vocab_size))
        made = [(none.astype(np.int32), none, none[:, 0])]
        while len(level):
            table.add(level)
            edges.append(len(table))
            p, _ = self._contexts.of(level[:, :-1].astype(self._maker.key_dtype))
            states = level[:, -1].astype(np.int64)
            after = pattern.next[states][:, pattern.classes]
            leads = np.where(p > 0, self._open[after], np.int32(DEAD))
            leads[:, BOUNDARY] = DEAD
            places, symbols = self._uncertain(after, p)
            keys, which = distinct(self.keys_after(level[places], symbols))
            found = table.find(keys)
            new = np.flatnonzero(found < 0)
            # Where it grows without end in sight the bound would stay loose.
            endless = may_grow and len(table) >= MANY and len(new) > 2 * len(level)
            room = 0 if endless else max(0, budget - len(table))
            complete &= len(new) <= room
            new = new[:room]
            found[new] = len(table) + np.arange(len(new))
            found[found < 0] = OPEN
            leads[places, symbols] = found[which]
            level = keys[new]
            made.append((leads, p, p[:, BOUNDARY] * pattern.accepting[states]))
        nexts, weights, ends = map(np.concatenate, zip(*made, strict=True))
        return Expansion(table, edges, nexts, weights, ends, complete=complete)
