"""Everything that the page about a run shows, as values: `Report`. Its HTML is made in `page`.

What needs no weights (settings, curves, splits, baselines) is collected without torch; the weights
are asked in `behaviour`, loaded only for a run that has been evaluated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nplm.counts.baselines import Baselines
from nplm.counts.tables import tables_of
from nplm.report.figures import as_svg, batch_label, loss_figure
from nplm.report.findings import findings, leaks
from nplm.runs.facts import RunFacts, read_facts
from nplm.runs.header import is_evaluated, is_finished
from nplm.runs.looks import looks
from nplm.runs.metrics import batch_losses, metrics
from nplm.text.dataset import Dataset
from nplm.training.events import Evaluated

if TYPE_CHECKING:
    from nplm.report.behaviour import Behaviour

BEST_NGRAM = "best n-gram"
LABELS = {
    "uniform": "uniform: every symbol alike",
    "unigram": "unigram: symbols by how frequent they are",
    "bigram": "bigram: by the symbol before",
    "ngram": BEST_NGRAM,
}


@dataclass(frozen=True)
class Report:
    """Everything the page shows; what a run does not have is None or empty.

    Attributes:
        status: a sentence where the run is not what its settings ask for.
        curve: losses over the steps, as SVG; an n-gram alone takes no steps.
        behaviour: None for a run that was never evaluated.
        findings: what the numbers say, a sentence each.
        baselines: labels to val nats per symbol.
        commands: command lines that repeat the run.
        looks: how often the test split was looked at with the run.
    """

    name: str
    facts: RunFacts
    status: str
    dataset: Dataset
    evaluations: Sequence[Evaluated]
    curve: bytes | None
    behaviour: "Behaviour | None"
    findings: Sequence[str]
    baselines: Mapping[str, float]
    commands: Sequence[str]
    looks: int

    @property
    def this_label(self) -> str:
        """What the model is called among the bars."""
        return f"this {self.behaviour.kind}" if self.behaviour else ""

    @property
    def bars(self) -> dict[str, float]:
        """Labels to val nats per symbol, worst first: baselines, parts, the model's own."""
        bars = dict(self.baselines)
        if self.behaviour and self.behaviour.val:
            bars |= {f"its {name}": nats for name, nats in self.behaviour.parts.items()}
            bars[self.this_label] = self.behaviour.val.per_symbol
        return dict(sorted(bars.items(), key=lambda item: -item[1]))


def describe(folder: Path, dataset: Dataset, commands: Sequence[str]) -> Report:
    """Collect a run's report; a run that was never evaluated has curves and facts alone.

    Raises:
        DataError: there is no run, or a file of it is damaged.
    """
    facts = read_facts(folder)
    evaluations, losses = metrics(folder), batch_losses(folder)
    train, val = tables_of(dataset, facts.card.block_size)
    baselines = _baselines(dataset) if val is not None else {}
    levels = {"floor of train": train.floor()}
    if baselines:
        levels[f"{BEST_NGRAM}, val"] = baselines[BEST_NGRAM]
    behaviour = None
    if evaluations and is_evaluated(folder):
        from nplm.report.behaviour import behaviour_of

        behaviour = behaviour_of(folder, dataset, val)
    sentences = findings(facts, evaluations, train.floor(), baselines.get(BEST_NGRAM))
    return Report(
        folder.resolve().name,
        facts,
        _status(folder, facts, evaluations, len(losses)),
        dataset,
        evaluations,
        _curve(facts, losses, evaluations, levels),
        behaviour,
        [*sentences, *leaks(dataset)],
        baselines,
        commands,
        looks(folder),
    )


def _baselines(dataset: Dataset) -> dict[str, float]:
    nats = Baselines.of(dataset).on("val")
    # The bigram of the whole list is left out: it is counted on test too.
    return {label: nats[name] for name, label in LABELS.items()}


def _curve(
    facts: RunFacts,
    losses: NDArray[np.float32],
    evaluations: Sequence[Evaluated],
    levels: Mapping[str, float],
) -> bytes | None:
    if not facts.config.steps:
        return None
    return as_svg(loss_figure(losses, evaluations, levels, batch_label(facts.config)))


def _status(
    folder: Path, facts: RunFacts, evaluations: Sequence[Evaluated], steps_logged: int
) -> str:
    """A sentence where the run is not what its settings ask for; else nothing."""
    if is_finished(folder):
        return ""
    last = max(steps_logged, evaluations[-1].step if evaluations else 0)
    return (
        f"This run is not finished: {last:,} of {facts.config.steps:,} steps are logged, and "
        f"{len(evaluations)} evaluation(s). The page shows what is there."
    )
