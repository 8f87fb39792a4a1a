"""How probable strings are under a model: walks over its automaton, symbol by symbol.

A string's nats are the negative log-probability of its symbols and its end. A symbol that was not
in the training data has probability 0, so a string with one has infinite nats; how many it has is
reported beside.
"""

import codecs
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from nplm.config import SamplingConfig
from nplm.errors import DataError
from nplm.runtime.automaton import DEFAULT_CACHE_MB, Automaton
from nplm.runtime.modelcard import ModelCard
from nplm.stepmodel import StepModel
from nplm.textids import BulkCodec, as_lines
from nplm.vocab import BOUNDARY, normalize


@dataclass(frozen=True)
class Scored:
    """One string's score.

    Attributes:
        nats: total, infinite where a symbol is unknown.
        symbols: symbols counted, the end among them.
        unknown: symbols the model never saw.
        per_symbol: nats of each symbol and of the end, in order.
    """

    text: str
    nats: float
    symbols: int
    unknown: int
    per_symbol: tuple[float, ...]

    @property
    def nats_per_symbol(self) -> float:
        return self.nats / self.symbols

    @property
    def bits_per_symbol(self) -> float:
        return self.nats_per_symbol / math.log(2)

    @property
    def perplexity(self) -> float:
        return math.exp(self.nats_per_symbol) if self.nats_per_symbol < 700 else math.inf


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """n strings as arrays.

    Attributes:
        lines: the strings as they were given, each followed by a line end.
        per_symbol: (N,) nats of every symbol and end, one string after the other.
        ends: (n,) where each string's end stands in `per_symbol`.
        unknown: (n,) symbols the model never saw.
    """

    lines: str
    per_symbol: NDArray[np.float64]
    ends: NDArray[np.int64]
    unknown: NDArray[np.int64]

    @property
    def symbols(self) -> NDArray[np.int64]:
        """(n,) symbols counted, the end among them."""
        return np.diff(self.ends, prepend=-1)

    @property
    def nats(self) -> NDArray[np.float64]:
        """(n,) total nats."""
        return np.add.reduceat(self.per_symbol, self.ends - self.symbols + 1)

    def strings(self) -> Iterator[Scored]:
        """The strings one by one."""
        start = 0
        columns = zip(
            self.lines.split("\n"),
            self.nats.tolist(),
            self.ends.tolist(),
            self.unknown.tolist(),
            strict=False,
        )
        for text, nats, end, unknown in columns:
            values = tuple(self.per_symbol[start : end + 1].tolist())
            yield Scored(text, nats, end + 1 - start, unknown, values)
            start = end + 1


class Scorer:
    """Scores strings with one model; what it has walked stays known between calls."""

    def __init__(
        self, model: StepModel, card: ModelCard, cache_mb: float = DEFAULT_CACHE_MB
    ) -> None:
        self._card = card
        self._codec = BulkCodec(card.vocab)
        self._automaton = Automaton(
            model, SamplingConfig(min_length=0), log_probabilities=True, cache_mb=cache_mb
        )

    def lines(self, lines: str) -> ScoredBatch:
        """Score a text of lines, each ended by a line end; normalised as the training text was."""
        stream = self._codec.encode(normalize(lines, self._card.normalize)).astype(np.int64)
        ends = np.flatnonzero(stream == BOUNDARY)
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        known = stream != self._codec.unknown
        nats = np.where(known, 0.0, np.inf)
        # Walked with the longest first, the strings still going at any place are a prefix.
        order = np.argsort(starts - ends, kind="stable")
        places = starts[order]
        left = (ends - starts)[order]
        states = self._automaton.start(len(order)) if len(order) else order
        t = 0
        while len(places):
            at = places + t
            symbols = stream[at]
            symbols[~known[at]] = 1 if self._codec.unknown > 1 else BOUNDARY  # walks on somewhere
            nats[at] -= self._automaton.log_probabilities(states, symbols)
            going = int(np.searchsorted(-left, -t, side="left"))
            places, states = places[:going], states[:going]
            states = self._automaton.step(states, symbols[:going]) if going else states
            t += 1
        counts = np.concatenate([[0], np.cumsum(~known)])
        unknown = counts[ends] - counts[starts] if len(ends) else ends
        return ScoredBatch(lines, nats, ends, unknown)

    def strings(self, strings: Iterable[str]) -> ScoredBatch:
        """Score strings, which must not contain line ends."""
        return self.lines(as_lines(strings))


def text_chunks(
    blocks: Iterable[bytes], name: str, *, skip_errors: bool = False
) -> Iterator[tuple[str, int]]:
    """Blocks of a UTF-8 text -> (lines, each ended by a line end; how many were skipped).

    Lines end at LF or CRLF; blank ones are dropped.

    Raises:
        DataError: a line is not UTF-8 and `skip_errors` is not given; the message names it.
    """
    number, rest = 0, b""
    for block in chain(blocks, [b""]):
        content = rest + block
        cut = content.rfind(b"\n") + 1 if block else len(content)
        whole, rest = content[:cut], content[cut:]
        if number == 0:
            whole = whole.removeprefix(codecs.BOM_UTF8)
        try:
            lines, skipped = whole.decode("utf-8").replace("\r\n", "\n").split("\n"), 0
        except UnicodeDecodeError:
            raw = whole.replace(b"\r\n", b"\n").split(b"\n")
            decoded = [_decoded(line) for line in raw]
            if not skip_errors:
                raise DataError(
                    f"{name} is not UTF-8: line {number + decoded.index(None) + 1}",
                    "convert it to UTF-8, or leave such lines out with --errors skip",
                ) from None
            lines = [line for line in decoded if line is not None]
            skipped = len(decoded) - len(lines)
        number += whole.count(b"\n")
        yield as_lines(line for line in lines if line), skipped


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return None
