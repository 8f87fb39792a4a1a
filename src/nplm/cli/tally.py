"""What `nplm generate` says on stderr of the strings that it gives."""

import math
import sys
import time
from typing import TYPE_CHECKING

from nplm.cli.console import format_count, note

if TYPE_CHECKING:
    from nplm.runtime.modelcard import ModelCard
    from nplm.runtime.walk import GeneratedBatch

UNIQUE_OF = 1_000_000  # strings looked at for the share of unique ones
KNOWN, LONG = 3.0, 10.0  # seconds, after which a rate is known; from which on they are foretold


class Tally:
    """Counts for the lines at the end: on a terminal, and of what was left out."""

    def __init__(self, card: "ModelCard") -> None:
        self._on_terminal = sys.stderr.isatty()
        self._card = card
        self._started = time.perf_counter()
        self._strings = self._seen = self._sampled = 0
        self._too_long = self._drawn = self._attempts = 0
        self._bound = 1.0
        self._last, self._foretold = (self._started, 0), False
        if self._on_terminal:
            from nplm.runtime.hashset import HashSet

            self._distinct = HashSet()

    def add(self, batch: "GeneratedBatch") -> None:
        self._too_long += len(batch.too_long)
        self._drawn, self._bound = self._drawn + batch.drawn, batch.bound
        self._attempts += batch.attempts
        self._strings += len(batch.indices)
        if not self._on_terminal:
            return
        from nplm.runtime.novelty import hash_strings

        hashes = hash_strings(batch.symbols)
        if self._sampled < UNIQUE_OF:
            self._distinct.add(hashes)
            self._sampled = self._strings
        if self._card.novelty:
            self._seen += int(self._card.novelty.holds(hashes).sum())

    def foretell(self, count: int) -> None:
        """Once, where attempts are so many that `count` strings will be long in coming."""
        now = time.perf_counter()
        before, self._last = self._last, (now, self._strings)
        if self._foretold or now - self._started < KNOWN:
            return
        self._foretold = True
        # Of the last batch: the first ones are small, and wait for what is worked out before.
        rate = (self._strings - before[1]) / (now - before[0])
        left = (count - self._strings) / rate if rate else math.inf
        if left > LONG:
            note(f"{rate:,.{0 if rate >= 10 else 2}f} strings/s: about {left:,.0f} s more")

    def show(self, longest: int) -> None:
        if self._on_terminal and self._strings:
            seconds = time.perf_counter() - self._started
            parts = [f"{self._strings:,} strings, {self._strings / seconds:,.0f}/s"]
            if self._card.novelty:
                share = 1 - self._seen / self._strings
                split = "train split of the " if self._card.novelty_splits == ["train"] else ""
                parts.append(f"{share:.1%} not in the {split}list")
            unique = len(self._distinct) / self._sampled
            parts.append(f"{unique:.1%} of the first {self._sampled:,} unique")
            note(", ".join(parts))
        if self._attempts:
            note(_describe(self._drawn, self._attempts, self._bound))
        if self._too_long:
            note(
                f"{self._too_long:,} left out: longer than {format_count(longest, 'symbol')} "
                "(--max-length N allows more, --cut cuts them)"
            )


def _describe(drawn: int, attempts: int, bound: float) -> str:
    """How many attempts counted, and the share of all strings that are as asked for.

    An attempt counts with the chance share / bound.
    """
    rate = drawn / attempts
    error = bound * (rate * (1 - rate) / attempts) ** 0.5
    around = f" (+- {error:.1g})" if error else ""
    return f"{bound * rate:.3g}{around} of all are as asked for; {rate:.1%} of attempts gave one"
