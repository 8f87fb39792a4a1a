"""Strings walked side by side over an automaton, as arrays; no Python work is done per string.

String i depends only on (model, options, seed, i). Which strings are wanted is in `generate`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat, starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.alone import Drawn, draw_few
from nplm.runtime.automaton import Automaton
from nplm.runtime.sampling import LANES, refill
from nplm.text.jsonlines import json_lines
from nplm.text.strings import Ids, Strings
from nplm.text.tokenizer import Tokenizer
from nplm.text.vocab import BOUNDARY

Uniforms = NDArray[np.float64]
Fill = Callable[[Uniforms, NDArray[np.int64], int], Uniforms]


@dataclass(frozen=True)
class Generated:
    """One generated string.

    Attributes:
        index: i, its number in the stream of the seed.
        nats: its negative log-probability under the model alone, without options, prefix included;
            None where it was not asked for.
        seen: it is (almost surely) a string of the list that the model was made from; None where
            the model does not know.
        complete: the model ended it; False when it was cut at the longest length allowed.
        symbols: how many it has, without its end.
    """

    index: int
    text: str
    nats: float | None
    seen: bool | None
    complete: bool
    symbols: int

    @property
    def nats_per_symbol(self) -> float | None:
        """Its end counts as a symbol, but where it was cut."""
        return None if self.nats is None else self.nats / (self.symbols + self.complete)


@dataclass(frozen=True, eq=False)
class GeneratedBatch:
    """n strings as arrays.

    Attributes:
        tokenizer: turns their ids into text.
        indices: (n,) their numbers in the stream of the seed, ascending.
        symbols: their ids.
        complete: (n,) whether the model ended each.
        nats: (n,) or None where they were not asked for.
        seen: (n,) whether each is a string of the list that the model was made from; None where
            the model does not know, or neither nats nor novel strings were asked for.
        too_long: (m,) the indices that are left out because their strings would have been cut;
            those among the strings alone, where more were drawn than are wanted.
        drawn: how many indices were drawn for these strings.
        attempts: walks that these took, where strings are drawn until they count.
        bound: what the share of strings that are accepted is below.
    """

    tokenizer: Tokenizer
    indices: NDArray[np.int64]
    symbols: Strings
    complete: NDArray[np.bool_]
    nats: NDArray[np.float64] | None
    too_long: NDArray[np.int64]
    drawn: int
    seen: NDArray[np.bool_] | None = None
    attempts: int = 0
    bound: float = 1.0

    @property
    def stream(self) -> Ids:
        """(N,) the ids of all strings, each followed by one boundary."""
        return self.symbols.ids

    @property
    def nats_per_symbol(self) -> NDArray[np.float64] | None:
        """(n,) or None; the end of each counts as a symbol, but where it was cut."""
        return None if self.nats is None else self.nats / (self.symbols.lengths + self.complete)

    def strings(self) -> Iterator[Generated]:
        """The strings one by one."""
        columns = zip(
            self.indices.tolist(),
            self.tokenizer.decode(self.symbols),
            self.nats.tolist() if self.nats is not None else repeat(None),
            self.seen.tolist() if self.seen is not None else repeat(None),
            self.complete.tolist(),
            self.symbols.lengths.tolist(),
            strict=False,  # of columns that repeat without end
        )
        yield from starmap(Generated, columns)

    def lines(self) -> bytes:
        """The strings in UTF-8, each followed by a line end."""
        return self.tokenizer.lines(self.symbols)

    def json_lines(self) -> bytes:
        """The strings as JSON objects of what `Generated` has, each followed by a line end.

        Nats per symbol have six decimals: all digits take a quarter of the time of the whole line.
        """
        count, per_symbol = len(self.indices), self.nats_per_symbol
        columns: dict[str, list[Any]] = {
            "index": self.indices.tolist(),
            "text": self.tokenizer.decode(self.symbols),
            "nats": [None] * count if self.nats is None else self.nats.tolist(),
            "nats_per_symbol": [None] * count
            if per_symbol is None
            else np.round(per_symbol, 6).tolist(),
            "seen": [None] * count if self.seen is None else self.seen.tolist(),
            "complete": self.complete.tolist(),
        }
        return json_lines(columns)

    def first(self, count: int) -> "GeneratedBatch":
        """The first `count` strings, at least one, as if no more had been drawn."""
        if count >= len(self.indices) and not len(self.too_long):
            return self
        part = self.keep(np.arange(len(self.indices)) < count)
        return replace(part, too_long=self.too_long[self.too_long < part.indices[-1]])

    def keep(self, chosen: NDArray[np.bool_]) -> "GeneratedBatch":
        """Only the strings where `chosen` (n,) is true."""
        if chosen.all():
            return self
        return replace(
            self,
            indices=self.indices[chosen],
            symbols=self.symbols.keep(chosen),
            complete=self.complete[chosen],
            nats=None if self.nats is None else self.nats[chosen],
            seen=None if self.seen is None else self.seen[chosen],
        )


def walk(
    automaton: Automaton,
    tokenizer: Tokenizer,
    sampling: SamplingConfig,
    prefix: list[int],
    stream: StreamConfig,
    first: int,
    rows: int,
) -> GeneratedBatch:
    """Strings `first` to `first + rows`, advanced together until all have ended.

    Args:
        prefix: the ids of that of `sampling`.
        stream: of which the seed and `cut` count here, not what else is wanted.
    """
    options = automaton, sampling, prefix, stream.seed, first, rows
    symbols, complete, nats = draw_few(*options) or _draw_many(*options)
    indices = np.arange(first, first + rows)
    none = indices[:0]
    batch = GeneratedBatch(tokenizer, indices, symbols, complete, nats, none, drawn=rows)
    if stream.cut or complete.all():
        return batch
    return replace(batch.keep(complete), too_long=indices[~complete])


def _draw_many(
    automaton: Automaton,
    sampling: SamplingConfig,
    prefix: list[int],
    seed: int,
    first: int,
    rows: int,
) -> Drawn:
    def fill(u: Uniforms, alive: NDArray[np.int64], block: int) -> Uniforms:
        return refill(u, seed, first, alive, block)

    return draw_side_by_side(automaton, sampling, prefix, fill, rows)


def draw_side_by_side(
    automaton: Automaton, sampling: SamplingConfig, prefix: list[int], fill: Fill, rows: int
) -> Drawn:
    """`rows` strings up to the greatest length, advanced together.

    Args:
        fill: (rows, 4) uniforms, which may be overwritten, the rows that go on and a number of the
            block -> (rows, 4) the uniforms of that block, at those rows.

    Returns:
        the strings, (rows,) whether each came to its end, (rows,) nats of what counts.
    """
    columns, lengths, nats = _advance(automaton, sampling, prefix, fill, rows)
    dtype = np.min_scalar_type(automaton.vocab_size)
    symbols = _join(columns, np.minimum(lengths, sampling.max_length), dtype)
    return symbols, lengths <= sampling.max_length, nats


Column = tuple[NDArray[np.unsignedinteger], Ids]  # of strings that go on: which, their symbols


def _join(columns: list[Column], lengths: NDArray[np.int64], dtype: np.dtype[Any]) -> Strings:
    """The symbols at each place as strings of (n,) lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths + 1)])
    ids = np.full(offsets[-1], BOUNDARY, dtype)
    for place, (alive, symbols) in enumerate(columns):
        ids[offsets[alive.astype(np.intp)] + place] = symbols
    return Strings(ids, offsets)


def _advance(
    automaton: Automaton,
    sampling: SamplingConfig,
    prefix: list[int],
    fill: Fill,
    rows: int,
) -> tuple[list[Column], NDArray[np.int64], NDArray[np.float64] | None]:
    """Draw strings side by side, symbol after symbol.

    Returns:
        the symbols at each place, up to the greatest length; (rows,) lengths, above the greatest
        where a string did not end or was rejected; (rows,) nats, where the automaton has
        logarithms.
    """
    narrow = np.min_scalar_type(rows), np.min_scalar_type(automaton.vocab_size)
    columns: list[Column] = []
    nats = np.zeros(rows) if automaton.logs else None
    lengths = np.full(rows, sampling.max_length + 1)
    alive = np.arange(rows)
    states = automaton.after([], rows)
    u = np.empty((rows, LANES))
    for place in range(sampling.max_length + 1):
        t = place - len(prefix)
        if t < 0:
            symbols = np.full(len(alive), prefix[place])
            logs = automaton.log_probabilities(states, symbols) if automaton.logs else None
        else:
            if t % LANES == 0:
                u = fill(u, alive, t // LANES)
            symbols, logs = automaton.draw(states, u[:, t % LANES][alive])
        rejected = _end_rejected(automaton, symbols) if automaton.rejects else ()
        ended = np.flatnonzero(symbols == BOUNDARY)
        if nats is not None and logs is not None:
            # At the greatest length only the end counts: what would come after it is cut.
            counted = ended if place == sampling.max_length else slice(None)
            nats[alive[counted]] -= logs[counted]
        lengths[alive[ended]] = place
        if len(rejected):
            lengths[alive[rejected]] = sampling.max_length + 1
        if place == sampling.max_length or len(ended) == len(alive):
            break
        if len(ended):
            going = np.flatnonzero(symbols != BOUNDARY)  # by places, for masks are slow
            alive, states, symbols = alive[going], states[going], symbols[going]
        columns.append((alive.astype(narrow[0]), symbols.astype(narrow[1])))
        states = automaton.step(states, symbols)
    return columns, lengths, nats


def _end_rejected(automaton: Automaton, symbols: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a uniform was of no symbol, which becomes the end."""
    rejected = np.flatnonzero(symbols == automaton.vocab_size)
    symbols[rejected] = BOUNDARY
    return rejected
