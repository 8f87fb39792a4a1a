"""The proof of an export: onnxruntime computes what torch computes, and draws the same strings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nplm.counts.contexts import ContextTable
from nplm.errors import VerificationError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.constraint import Constraint
from nplm.runtime.generate import default_max_length, generate
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.novelty import NoveltyFilter
from nplm.runtime.sampling import LANES, cumulative, probabilities, uniforms
from nplm.runtime.walk import Generated
from nplm.stepmodel import StepModel, all_logits, iter_logits, log_softmax

TOLERANCE = 1e-4  # largest difference of any log-probability
BOUNDARY_TOLERANCE = 1e-5  # how near a draw must lie to a boundary to fall on either side
PROOF_STRINGS = 1000
PROOF_SEED = 0
# Of contexts: of more than these a seeded sample is compared.
MAX_CONTEXTS, MAX_ENTRIES = 100_000, 1 << 27
PROOF_LENGTH = 4096  # symbols: a list may have lines of a million


@dataclass(frozen=True)
class Proof:
    """What was compared between the file and the network, and how it came out.

    Attributes:
        largest: the largest difference of a log-probability.
        differing: strings that differ, each because a draw fell on a boundary.
        novelty: the filter that the file carries.
    """

    contexts: int
    strings: int
    tolerance: float
    largest: float
    differing: int
    novelty: NoveltyFilter | None = None


def prove(truth: StepModel, candidate: StepModel, card: ModelCard, table: ContextTable) -> Proof:
    """Compare two StepModels on the contexts of `table` and on seeded strings.

    Raises:
        VerificationError: a log-probability differs by more than 1e-4, or a string differs other
            than by a draw within 1e-5 of a boundary.
    """
    contexts, largest = proof_contexts(table), 0.0
    for start, logits in iter_logits(candidate, contexts):
        expected = all_logits(truth, contexts[start : start + len(logits)])
        difference = np.abs(log_softmax(logits) - log_softmax(expected))
        largest = float(np.maximum(largest, difference.max()))  # keeps a NaN, as max() does not
    if not largest <= TOLERANCE:
        raise VerificationError(
            f"onnxruntime and torch differ by {largest:.1e} in a log-probability, "
            f"more than {TOLERANCE:g}",
            "the old file, if any, is unchanged; please report this",
        )
    sampling = SamplingConfig(max_length=min(proof_length(card), default_max_length(card)))
    stream = StreamConfig(seed=PROOF_SEED, indices=PROOF_STRINGS, cut=True)
    pairs = zip(
        generate(truth, card, sampling, stream),
        generate(candidate, card, sampling, stream),
        strict=True,
    )
    differing = [(one, two) for one, two in pairs if one.text != two.text]
    for one, two in differing:
        if not explained(truth, candidate, card, one, two):
            raise VerificationError(
                f"onnxruntime and torch generate different strings: {two.text!r}, {one.text!r}",
                "the old file, if any, is unchanged; please report this",
            )
    return Proof(len(contexts), PROOF_STRINGS, TOLERANCE, largest, len(differing))


def proof_contexts(table: ContextTable) -> NDArray[np.unsignedinteger]:
    """The contexts of a table that are compared: all, or a seeded sample where they are many."""
    most = min(MAX_CONTEXTS, MAX_ENTRIES // table.vocab_size)
    if len(table) <= most:
        return table.contexts
    chosen = np.random.default_rng(PROOF_SEED).choice(len(table), most, replace=False)
    return table.contexts[np.sort(chosen)]


def proof_length(card: ModelCard) -> int:
    """Symbols at which strings are cut: fewer where rows are so wide that all would take long."""
    return max(1, min(PROOF_LENGTH, MAX_ENTRIES // PROOF_STRINGS // len(card.vocab)))


def explained(
    truth: StepModel, candidate: StepModel, card: ModelCard, one: Generated, two: Generated
) -> bool:
    """Whether two versions of a string part at a draw within 1e-5 of a boundary of both rows."""
    ids, others = [*card.vocab.encode(one.text), 0], [*card.vocab.encode(two.text), 0]
    t = next(k for k, (a, b) in enumerate(zip(ids, others, strict=False)) if a != b)
    context = np.array([([0] * card.block_size + ids[:t])[-card.block_size :]])
    u = float(uniforms(PROOF_SEED, one.index, 1, t // LANES)[0, t % LANES])
    sampling = SamplingConfig()
    constraint = Constraint(len(card.vocab), sampling.min_length, card.vocab.unknown_id)
    allowed = constraint.allowed(accepting=t >= sampling.min_length)
    for model in (truth, candidate):
        p = probabilities(all_logits(model, context), sampling, allowed)
        if np.abs(cumulative(p) - u).min() > BOUNDARY_TOLERANCE:
            return False
    return True
