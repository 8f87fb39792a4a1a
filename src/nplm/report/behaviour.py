"""What the weights of a run do: exactly on val, in strings they make, in strings they score.

The one part of the page that needs torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from pathlib import Path

import numpy as np

from nplm.counts.contexts import ContextTable
from nplm.counts.evaluate import Nats, evaluate
from nplm.generation import SamplingConfig, StreamConfig
from nplm.report.embedding import embedding_figure
from nplm.report.figures import as_svg
from nplm.runs.opened import LoadedRun, load_run
from nplm.runtime.generate import default_max_length, generate
from nplm.runtime.novelty import NoveltyFilter
from nplm.runtime.score import Scored, Scorer
from nplm.text.dataset import Dataset
from nplm.training.torchmodel import count_parameters

SAMPLES, SCORED = 1000, 12


@dataclass(frozen=True)
class Behaviour:
    """A run's model, looked at; what it does not have is None or empty.

    Attributes:
        kind: "network", "n-gram" or "mixture".
        val: how good it is on val.
        parts: of a mixture, each by itself: val nats per symbol.
        embedding: its picture as SVG.
        samples: strings it made, each with whether it stands in train.
        best_scored: the distinct val strings with the fewest nats per symbol.
        worst_scored: those with the most.
    """

    kind: str
    parameters: int
    val: Nats | None
    parts: Mapping[str, float]
    embedding: bytes | None
    samples: Sequence[tuple[str, bool]]
    best_scored: Sequence[Scored]
    worst_scored: Sequence[Scored]

    @property
    def seen_share(self) -> float:
        """The share of the samples that stand in train."""
        return float(np.mean([seen for _, seen in self.samples]))


def behaviour_of(folder: Path, dataset: Dataset, val: ContextTable | None) -> Behaviour:
    """Open a run with its best weights and look at what they do.

    Args:
        val: the table of the data set's val split, where it has one.

    Raises:
        DataError: the weights are damaged; the message names the file.
    """
    run = load_run(folder)
    lists = val is not None and dataset.document == "line"  # a stream is one string
    best, worst = _extremes(run, dataset) if lists else ([], [])
    picture = None
    if run.networks:
        picture = embedding_figure(run.embedding(), dataset.vocab, run.output_bias())
    return Behaviour(
        run.kind,
        count_parameters(run.module),
        evaluate(run.model, val) if val is not None else None,
        _of_parts(run, val) if val is not None else {},
        as_svg(picture) if picture else None,
        _samples(run, dataset),
        best,
        worst,
    )


def _of_parts(run: LoadedRun, val: ContextTable) -> dict[str, float]:
    return {name: evaluate(part, val).per_symbol for name, part in run.parts().items()}


def _samples(run: LoadedRun, dataset: Dataset) -> list[tuple[str, bool]]:
    """Strings of the model, and whether each stands in train."""
    train = NoveltyFilter.of(dataset.splits["train"])
    sampling = SamplingConfig(max_length=default_max_length(run.card))
    stream = StreamConfig(indices=SAMPLES)
    texts = [string.text for string in generate(run.model, run.card, sampling, stream)]
    seen = train.seen(dataset.tokenizer.encode(texts)).tolist()
    return list(zip(texts, seen, strict=True))


def _extremes(run: LoadedRun, dataset: Dataset) -> tuple[list[Scored], list[Scored]]:
    """The distinct val strings with the fewest and the most nats per symbol."""
    batch = Scorer.of(run.model, run.card).strings(dict.fromkeys(dataset.texts("val")))

    def nats(scored: Scored) -> float:
        return scored.nats_per_symbol

    return nsmallest(SCORED, batch.strings(), nats), nlargest(SCORED, batch.strings(), nats)
