"""Strings that are drawn again until they count: of a pattern, and none of a list.

Attempt a of string i takes the uniforms of counter (i + 1, t // 4, a, 0), and the first attempt
that counts is string i. So a string depends on nothing but (model, options, seed, i), however many
attempts of it are walked side by side.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nplm.generation import SamplingConfig
from nplm.runtime.alone import Drawn
from nplm.runtime.automaton import Automaton
from nplm.runtime.novelty import hash_strings
from nplm.runtime.sampling import uniforms_at
from nplm.runtime.walk import Uniforms, draw_side_by_side
from nplm.text.strings import Strings

if TYPE_CHECKING:
    from nplm.runtime.pattern import Pattern

FEW_WALKS = 1 << 12  # up to which attempts side by side take hardly longer than one
FASTER = 4  # times as many attempts of a string in each round


@dataclass(frozen=True, eq=False)
class Attempts:
    """How strings of a seed are drawn until they count.

    Attributes:
        most: attempts of one string, after which none is expected to come.
        excluded: ascending 64-bit hashes of strings that do not count.
        pattern: what strings must be accepted by, where the automaton does not reject others.
    """

    seed: int
    most: int
    excluded: NDArray[np.uint64]
    pattern: "Pattern | None"

    def draw(
        self,
        automaton: Automaton,
        sampling: SamplingConfig,
        prefix: list[int],
        first: int,
        rows: int,
    ) -> tuple[Drawn, int]:
        """Strings `first` to `first + rows`, all complete, and how many attempts they took.

        Only those before the first that did not come in `most` attempts.
        """
        pending, done, taken = np.arange(rows), 0, 0
        parts: list[tuple[NDArray[np.int64], Strings, NDArray[np.float64] | None]] = []
        beside = 1
        while len(pending):
            beside = max(1, min(beside, FEW_WALKS // len(pending), self.most - done))
            strings, counts, nats = self._try(
                automaton, sampling, prefix, first + pending, done + np.arange(beside)
            )
            won = counts.any(axis=1)
            lowest = counts[won].argmax(axis=1)
            taken += int((lowest + 1).sum()) + beside * int((~won).sum())
            which = np.flatnonzero(won) * beside + lowest
            chosen = np.zeros(counts.size, np.bool_)
            chosen[which] = True
            parts.append(
                (pending[won], strings.keep(chosen), None if nats is None else nats[which])
            )
            pending, done, beside = pending[~won], done + beside, FASTER * beside
            if len(pending) and done >= self.most:
                return _before(_in_order(parts), int(pending[0])), taken
        return _in_order(parts), taken

    def _try(
        self,
        automaton: Automaton,
        sampling: SamplingConfig,
        prefix: list[int],
        indices: NDArray[np.int64],
        attempts: NDArray[np.int64],
    ) -> tuple[Strings, NDArray[np.bool_], NDArray[np.float64] | None]:
        """(n,) indices and (a,) attempts -> n a strings, (n, a) which count, (n a,) nats."""
        index, attempt = (x.ravel() for x in np.meshgrid(indices, attempts, indexing="ij"))

        def fill(u: Uniforms, alive: NDArray[np.int64], block: int) -> Uniforms:
            u[alive] = uniforms_at(self.seed, index[alive], block, attempt[alive])
            return u

        strings, counts, nats = draw_side_by_side(automaton, sampling, prefix, fill, len(index))
        if self.pattern and not automaton.rejects:
            counts &= self.pattern.accepts(strings)
        if len(self.excluded):
            hashes = hash_strings(strings)
            places = np.searchsorted(self.excluded, hashes).clip(max=len(self.excluded) - 1)
            counts &= self.excluded[places] != hashes
        return strings, counts.reshape(len(indices), len(attempts)), nats


def _before(drawn: Drawn, count: int) -> Drawn:
    """The first strings of those that there are."""
    strings, complete, nats = drawn
    chosen = np.arange(len(strings)) < count
    return strings.keep(chosen), complete[:count], None if nats is None else nats[:count]


def _in_order(
    parts: list[tuple[NDArray[np.int64], Strings, NDArray[np.float64] | None]],
) -> Drawn:
    """Strings by row, of parts that have the rows of each."""
    rows = np.concatenate([part[0] for part in parts])
    order = np.argsort(rows)
    strings = Strings.join([part[1] for part in parts]).take(order)
    nats = [part[2] for part in parts]
    complete = np.ones(len(rows), np.bool_)
    if nats[0] is None:
        return strings, complete, None
    return strings, complete, np.concatenate([x for x in nats if x is not None])[order]
