"""Which strings are drawn from a model, and how: frozen, validated, with their defaults."""

import math
from dataclasses import dataclass
from typing import Literal

from nplm.checks import (
    MAX_INDEX,
    MAX_SEED,
    MAX_SIZE,
    check_above_zero,
    check_integer,
    check_number,
    check_switch,
    check_text,
)
from nplm.errors import UsageError

SortKey = Literal["probability", "per-symbol", "text"]  # of generated strings
PATIENCE = 100_000  # indices drawn in vain, at least, before a search for strings is given up
DEFAULT_CACHE_MB = 1024.0  # of memory, for what is known of a model


@dataclass(frozen=True)
class SamplingConfig:
    """How a row of logits becomes a distribution to draw from, and when a string ends.

    The order is: what is allowed, temperature, top-k, top-p. Ties go to the lower id.

    Attributes:
        temperature: logits are divided by it; 0 is greedy.
        top_k: keep the k most probable symbols; None keeps all.
        top_p: keep the most probable symbols until their mass reaches p.
        prefix: every string starts with it.
        min_length: how many symbols, prefix included, must come before the end may be drawn.
        max_length: symbols at which a string is cut, prefix included.
        allow_unknown: the unknown symbol may be drawn, of a model that has one.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    prefix: str = ""
    min_length: int = 1
    max_length: int = 32
    allow_unknown: bool = False

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, 0.0)
        if self.top_k is not None:
            check_integer("top_k", self.top_k, 1)
        check_above_zero("top_p", self.top_p, 1.0)
        check_integer("min_length", self.min_length, 0)
        check_integer("max_length", self.max_length, 1, MAX_SIZE)
        check_text("prefix", self.prefix)
        check_switch("allow_unknown", self.allow_unknown)


@dataclass(frozen=True)
class StreamConfig:
    """Which strings of a stream are wanted.

    Attributes:
        count: of strings; not looked at where `indices` is given.
        seed: which stream.
        start: the first index.
        indices: the number of indices to draw, whatever is kept of them, instead of a `count`.
        novel: leave out strings of the list that the model was made from.
        unique: leave out strings given before, known by 64-bit hashes (docs/conformance.md).
        cut: keep strings that reach the longest length without an end, cut there.
    """

    count: int = 20
    seed: int = 0
    start: int = 0
    indices: int | None = None
    novel: bool = False
    unique: bool = False
    cut: bool = False

    def __post_init__(self) -> None:
        check_integer("count", self.count, 0, MAX_INDEX)
        check_integer("seed", self.seed, 0, MAX_SEED)
        check_integer("start", self.start, 0, MAX_INDEX)
        for name in ("novel", "unique", "cut"):
            check_switch(name, getattr(self, name))
        if self.indices is not None:
            check_integer("indices", self.indices, 0, MAX_INDEX)
        size = self.count if self.indices is None else self.indices
        if self.start > MAX_INDEX - size:
            raise UsageError(f"`start` is {self.start}", "indices end at 2^63 - 1")

    @property
    def patience(self) -> float:
        """Consecutive indices without another string after which too few can be found."""
        return max(PATIENCE, 10 * self.count) if self.indices is None else math.inf

    def wants(self, strings: int, first: int) -> bool:
        """Whether, with so many strings from the indices below `first`, another is to be drawn."""
        if self.indices is not None:
            return first < self.start + self.indices
        return strings < self.count

    def at_most(self, strings: int, first: int) -> int:
        """How many indices from `first` on may be drawn at once.

        Where nearly every string counts, no more than are missing.
        """
        if self.indices is not None:
            return self.start + self.indices - first
        remaining = MAX_INDEX - first
        return remaining if self.novel or self.unique else min(remaining, self.count - strings)
