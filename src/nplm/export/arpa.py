"""An n-gram as an ARPA file (`arpaformat`), proved before it takes its place."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nplm.counts.contexts import ContextTable
from nplm.counts.ngram import NGram, fit
from nplm.counts.tables import table_of
from nplm.errors import DataError, VerificationError
from nplm.export.arpaformat import START, arpa_lines, spellings
from nplm.occupied import refuse_existing
from nplm.runs.facts import RunFacts
from nplm.text.dataset import Dataset
from nplm.text.vocab import BOUNDARY, Vocab
from nplm.transaction import output_file

TOLERANCE = 1e-6  # of a logarithm to base 10
PROOF_PAIRS = 1000


@dataclass(frozen=True)
class ArpaProof:
    """What of a file was computed again and compared, and how it came out.

    Attributes:
        counts: lines of each order, from 1 on.
        pairs: of contexts and next symbols.
        largest: the largest difference of a logarithm to base 10.
    """

    counts: tuple[int, ...]
    pairs: int
    largest: float


def export_arpa(facts: RunFacts, dataset: Dataset, out: Path, *, force: bool = False) -> ArpaProof:
    """Write the n-gram of a run, fitted again on its data set.

    Raises:
        DataError: the run has none.
        ExistsError: `out` exists and `force` is not given.
        VerificationError: what the file says is not what the n-gram has; `out` is as it was.
    """
    mixture = facts.config.mixture
    if not mixture.ngram:
        raise DataError("this run has no n-gram", "train one: nplm train --preset ngram")
    refuse_existing(out, force=force)
    ngram = fit(table_of(dataset, "train", mixture.order - 1), mixture.order)
    split = "val" if dataset.symbols("val") else "train"
    proof = _Proof(ngram, dataset.vocab, table_of(dataset, split, mixture.order - 1))
    with output_file(out, force=force) as file:
        for lines in arpa_lines(ngram, dataset.vocab):
            file.write("".join(lines).encode("utf-8"))
            proof.read(lines)
        return proof.compare()


class _Proof:
    """Reads a file while it is written, for what some pairs of a table need of it."""

    def __init__(self, ngram: NGram, vocab: Vocab, table: ContextTable) -> None:
        size = min(PROOF_PAIRS, len(table.targets))
        chosen = np.sort(np.random.default_rng(0).choice(len(table.targets), size, replace=False))
        self._expected = ngram.log_probabilities(table)[chosen] / math.log(10)
        words = spellings(vocab)
        contexts = table.contexts[table.pair_rows[chosen]].tolist()
        self._pairs = [
            (_context_words(ids, words), words[target])
            for ids, target in zip(contexts, table.targets[chosen].tolist(), strict=True)
        ]
        self._found: dict[str, tuple[float, float]] = {
            text: (math.nan, 0.0) for pair in self._pairs for text in _needed(*pair)
        }
        self._counts: list[int] = []

    def read(self, lines: list[str]) -> None:
        for line in lines:
            if line.startswith("ngram "):
                self._counts.append(int(line.partition("=")[2]))
            number, _, rest = line.rstrip("\n").partition("\t")
            text, _, weight = rest.partition("\t")
            if text in self._found:
                self._found[text] = float(number), float(weight or 0.0)

    def compare(self) -> ArpaProof:
        found = [self._log10(*pair) for pair in self._pairs]
        largest = float(np.abs(np.array(found) - self._expected).max(initial=0.0))
        if not largest <= TOLERANCE * (1 + len(self._counts)):
            raise VerificationError(
                f"the file gives a logarithm to base 10 that is off by {largest:.1e}",
                "the old file, if any, is unchanged; please report this",
            )
        return ArpaProof(tuple(self._counts), len(found), largest)

    def _log10(self, context: list[str], word: str) -> float:
        """As readers of such files do: the longest listed n-gram, and weights of what is longer."""
        weights = 0.0
        for first in range(len(context) + 1):
            log_p, _ = self._found[" ".join([*context[first:], word])]
            if not math.isnan(log_p):
                return weights + log_p
            weights += self._found[" ".join(context[first:])][1]
        return math.nan


def _context_words(ids: list[int], words: list[str]) -> list[str]:
    """The words of a context, padding but for one boundary left out."""
    inside = [words[k] for k in ids if k != BOUNDARY]
    return [START, *inside] if len(inside) < len(ids) else inside


def _needed(context: list[str], word: str) -> Iterator[str]:
    for first in range(len(context) + 1):
        yield " ".join([*context[first:], word])
        if first < len(context):
            yield " ".join(context[first:])
