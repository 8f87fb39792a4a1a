"""Which strings are drawn from a model, and how: frozen, validated, with their defaults."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict

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


def check_texts(name: str, texts: Sequence[str]) -> None:
    """Raise UsageError where what should be strings is one string, or holds something else."""
    if isinstance(texts, str):
        raise UsageError(f"`{name}` is the string {texts!r}", f"give a list: [{texts!r}]")
    if not isinstance(texts, list | tuple):
        raise UsageError(f"`{name}` is {texts!r}", "give a list of texts")
    for text in texts:
        check_text(name, text)


@dataclass(frozen=True)
class Condition:
    """What whole strings must be; they follow the distribution of those that are.

    Attributes:
        match: a regular expression, in Python's syntax, of the whole string.
        ends_with: what every string ends with.
        contains: what every string has somewhere.
        length: the least and the greatest number of symbols, prefix included.
        budget: states whose chance to be accepted is worked out, at most.
        tolerance: how near to its limit, as a share.
        attempts: of one string, after which none is expected.
    """

    match: str | None = None
    ends_with: str = ""
    contains: tuple[str, ...] = ()
    length: tuple[int, int] = (0, MAX_SIZE)
    budget: int = 1 << 18
    tolerance: float = 1e-4
    attempts: int = 100_000

    def __post_init__(self) -> None:
        if self.match is not None:
            check_text("match", self.match)
        check_text("ends_with", self.ends_with)
        check_texts("contains", self.contains)
        if not isinstance(self.length, tuple) or len(self.length) != 2:
            raise UsageError(f"`length` is {self.length!r}", "give one number, or two: (4, 12)")
        least, most = self.length
        check_integer("length", least, 0, MAX_SIZE)
        check_integer("length", most, 0, MAX_SIZE)
        if least > most:
            raise UsageError(f"`length` is {least} to {most}", "give the lesser number first")
        check_integer("budget", self.budget, 0, MAX_SIZE)
        check_above_zero("tolerance", self.tolerance, 1.0)
        check_integer("attempts", self.attempts, 1, MAX_INDEX)

    @property
    def asks(self) -> bool:
        """Whether it changes which strings come, or how long they are tried for."""
        asked = self.match is not None or self.ends_with or any(self.contains)
        others = self.length != Condition.length or self.attempts != Condition.attempts
        return bool(asked) or others


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
        condition: what whole strings must be; None where nothing is asked of them.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    prefix: str = ""
    min_length: int = 1
    max_length: int = 32
    allow_unknown: bool = False
    condition: Condition | None = None

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
        excluding: strings that are not wanted; an index that gives one is drawn again.
    """

    count: int = 20
    seed: int = 0
    start: int = 0
    indices: int | None = None
    novel: bool = False
    unique: bool = False
    cut: bool = False
    excluding: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_integer("count", self.count, 0, MAX_INDEX)
        check_integer("seed", self.seed, 0, MAX_SEED)
        check_integer("start", self.start, 0, MAX_INDEX)
        check_texts("excluding", self.excluding)
        for name in ("novel", "unique", "cut"):
            check_switch(name, getattr(self, name))
        if self.indices is not None:
            check_integer("indices", self.indices, 0, MAX_INDEX)
        size = self.count if self.indices is None else self.indices
        if self.start > MAX_INDEX - size:
            raise UsageError(
                f"`start` is {self.start}, and {size:,} indices from there on are asked for",
                "together they may be 2^63 - 1",
            )

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


class Options(TypedDict, total=False):
    """What `Model.sample` takes, by name; it says what each means."""

    seed: int
    start: int
    indices: int | None
    novel: bool
    unique: bool
    cut: bool
    excluding: Sequence[str]
    temperature: float
    top_k: int | None
    top_p: float
    prefix: str
    min_length: int
    max_length: int | None
    allow_unknown: bool
    match: str | None
    ends_with: str
    contains: Sequence[str]
    length: int | tuple[int, int | None]
    budget: int
    tolerance: float
    attempts: int


def settle(count: int, options: Options, max_length: int) -> tuple[SamplingConfig, StreamConfig]:
    """What is drawn, and which of it is wanted.

    Args:
        max_length: where the options have none.

    Raises:
        TypeError: there is no option of that name.
        UsageError: one is out of bounds.
    """
    given: dict[str, Any] = dict(options)
    if "length" in given:
        given["length"] = length_bounds(given["length"])
    condition = Condition(**_taken(given, Condition))
    sampling = _taken(given, SamplingConfig)
    if sampling.get("max_length") is None:
        sampling["max_length"] = max_length
    stream = _taken(given, StreamConfig)
    if given:
        name = next(iter(given))
        raise TypeError(f"Model.sample() got an unexpected keyword argument {name!r}")
    config = SamplingConfig(**sampling, condition=condition if condition.asks else None)
    return config, StreamConfig(count, **stream)


def length_bounds(length: Any) -> Any:
    """One number of symbols, or two, of which the second may be None, as two numbers."""
    if isinstance(length, int):
        return length, length
    if isinstance(length, tuple | list) and len(length) == 2 and length[1] is None:
        return length[0], MAX_SIZE
    return tuple(length) if isinstance(length, list) else length


def _taken(given: dict[str, Any], kind: type) -> dict[str, Any]:
    """Those of the options that are fields of a class, taken out; lists become tuples."""
    names = [item.name for item in fields(kind) if item.name in given]
    values = ((name, given.pop(name)) for name in names)
    return {name: tuple(x) if isinstance(x, list) else x for name, x in values}
