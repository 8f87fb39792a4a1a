"""What the numbers of a run and of its data set say, in sentences."""

from collections.abc import Iterator, Sequence

from nplm.runs.facts import RunFacts
from nplm.text.dataset import Dataset
from nplm.text.strings import Ids
from nplm.training.events import Evaluated


def findings(
    facts: RunFacts, evaluations: Sequence[Evaluated], floor: float, ngram: float | None
) -> Iterator[str]:
    """What the evaluations say.

    Args:
        floor: nats per symbol of train that no model with this much context can come below.
        ngram: val nats per symbol of the best n-gram, where there is a val.
    """
    if not evaluations:
        return
    best = min(evaluations, key=lambda e: e.val_nats_per_symbol or -e.step)
    train, val = best.train_nats_per_symbol, best.val_nats_per_symbol
    yield (
        f"On the strings it learnt from the model needs {train:.4f} nats per symbol. No model with "
        f"this much context can come below {floor:.4f}, the floor: some contexts are followed by "
        "different symbols."
    )
    if val is None:
        yield "There is no val split, so nothing here says how it does on strings it has not seen."
        return
    yield f"On strings it has not seen (val) it needs {val:.4f}: a gap of {val - train:.4f}."
    if not facts.config.mixture.networks:
        return
    yield from _of_the_gap(val - train, train - floor)
    yield from _of_the_end(best, evaluations)
    if ngram is not None:
        better = "better" if val < ngram else "no better"
        yield f"It is {better} than the best n-gram, which needs {ngram:.4f}."


def _of_the_gap(gap: float, above_floor: float) -> Iterator[str]:
    if gap < 0.02:
        yield (
            "Hardly any gap: it has not begun to learn strings by heart. A larger network or more "
            "steps would probably help."
        )
    elif above_floor < 0.25 * gap:
        yield (
            "That is more than four times what separates it from the floor: it has learnt strings "
            "by heart. More strings, a smaller network, or more dropout would help more than steps."
        )


def _of_the_end(best: Evaluated, evaluations: Sequence[Evaluated]) -> Iterator[str]:
    last = evaluations[-1]
    if best.step < last.step:
        yield (
            f"Val was lowest at step {best.step:,} and rose to {last.val_nats_per_symbol:.4f} by "
            f"step {last.step:,}; the weights of step {best.step:,} are kept."
        )
    elif len(evaluations) > 1:
        yield "Val was lowest at the last evaluation; more steps may bring it lower still."


def leaks(dataset: Dataset) -> Iterator[str]:
    """A warning where strings of val also stand in train, as a split by line lets them."""
    if not dataset.symbols("val"):
        return
    train = {ids.tobytes() for ids in dataset.splits["train"]}
    unknown = dataset.vocab.unknown_id  # strings with it are alike without being the same
    leaks = [ids.tobytes() in train for ids in dataset.splits["val"] if not _holds(ids, unknown)]
    share = sum(leaks) / len(dataset.splits["val"])
    if share:
        yield (
            f"{share:.1%} of the val strings also stand in train, so val is lower than it would be "
            "for strings that are all new; --split-by string keeps them apart."
        )


def _holds(ids: Ids, unknown: int | None) -> bool:
    return unknown is not None and unknown in ids
