"""One self-contained page about a run: what it learnt, from what, how well, and how to repeat it.

`describe` collects everything; `render` turns it into HTML. All text goes through a template that
escapes it. The page makes no request: pictures are inside, there is no script.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from pathlib import Path

import jinja2
import numpy as np
import torch

import nplm
from nplm.counts.baselines import Baselines
from nplm.counts.evaluate import Nats, evaluate
from nplm.counts.tables import tables_of
from nplm.generation import SamplingConfig, StreamConfig
from nplm.presets import format_value
from nplm.report.embedding import embedding_figure
from nplm.report.figures import as_svg, batch_label, loss_figure
from nplm.report.fonts import visible
from nplm.runs.checkpoint import batch_losses, is_evaluated, is_finished, metrics
from nplm.runs.facts import RunFacts, read_facts
from nplm.runs.looks import looks
from nplm.runs.opened import Run, load_run
from nplm.runtime.generate import default_max_length, generate
from nplm.runtime.novelty import NoveltyFilter
from nplm.runtime.score import Scored, Scorer
from nplm.text.dataset import Dataset, Stream
from nplm.text.vocab import BOUNDARY, BOUNDARY_SHOWN
from nplm.training.trainer import Evaluated

SAMPLES, SHOWN_SAMPLES, SCORED = 1000, 60, 12
SURE, LOST = 0.5, 6.0  # nats: below one no colour, above the other full colour
LABELS = {
    "uniform": "uniform: every symbol alike",
    "unigram": "unigram: symbols by how frequent they are",
    "bigram": "bigram: by the symbol before",
}


@dataclass(frozen=True)
class Report:
    """Everything the page shows; what a run does not have is None or empty.

    Attributes:
        bars: labels to val nats per symbol, worst first; the model's own is under `this_label`.
        commands: command lines that repeat the run.
    """

    name: str
    facts: RunFacts
    status: str
    dataset: Dataset
    parameters: int
    evaluations: Sequence[Evaluated]
    floor: float
    val: Nats | None
    findings: list[str]
    bars: Mapping[str, float]
    this_label: str
    pictures: Mapping[str, bytes]
    samples: Sequence[tuple[str, bool]]
    seen_share: float | None
    best_scored: Sequence[Scored]
    worst_scored: Sequence[Scored]
    commands: Sequence[str]
    looks: int


def describe(folder: Path, dataset: Dataset, commands: Sequence[str]) -> Report:
    """Collect a run's report; a run that was never evaluated has curves and facts alone.

    Raises:
        NotFoundError: there is no run.
        DamagedError: a file of it is damaged.
    """
    facts = read_facts(folder)
    evaluations, losses = metrics(folder), batch_losses(folder)
    run = load_run(folder) if evaluations and is_evaluated(folder) else None
    train, table = tables_of(dataset, facts.card.block_size)
    val = evaluate(run.model, table) if run and table is not None else None
    bars: dict[str, float] = {}
    levels = {"floor of train": train.floor()}
    this_label = ""
    if table is not None:
        bars, levels["best n-gram, val"] = _baselines(dataset)
        if run and val:
            for name, part in run.parts().items():
                bars[f"its {name}"] = evaluate(part, table).per_symbol
            this_label = f"this {run.kind}"
            bars[this_label] = val.per_symbol
    pictures = {}
    if facts.config.steps:
        label = batch_label(facts.config)
        pictures["curve"] = as_svg(loss_figure(losses, evaluations, levels, label))
    if run and run.networks:
        pictures["embedding"] = as_svg(embedding_figure(run.embedding(), dataset.vocab))
    samples, seen_share = _samples(run, dataset) if run else ([], None)
    best, worst = _extremes(run, dataset) if run and table is not None else ([], [])
    return Report(
        folder.resolve().name,
        facts,
        _status(folder, facts, evaluations, len(losses)),
        dataset,
        sum(p.numel() for p in run.module.parameters()) if run else 0,
        evaluations,
        train.floor(),
        val,
        [
            *findings(facts, evaluations, train.floor(), bars.get("best n-gram")),
            *_leaked(dataset),
        ],
        dict(sorted(bars.items(), key=lambda item: -item[1])),
        this_label,
        pictures,
        samples,
        seen_share,
        best,
        worst,
        commands,
        looks(folder),
    )


def findings(
    facts: RunFacts, evaluations: Sequence[Evaluated], floor: float, ngram: float | None
) -> Iterator[str]:
    """What the numbers say, in sentences."""
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
    gap = val - train
    yield f"On strings it has not seen (val) it needs {val:.4f}: a gap of {gap:.4f}."
    if not facts.config.mixture.networks:
        return
    if gap < 0.02:
        yield (
            "Hardly any gap: it has not begun to learn strings by heart. A larger network or more "
            "steps would probably help."
        )
    elif train - floor < 0.25 * gap:
        yield (
            "That is more than four times what separates it from the floor: it has learnt strings "
            "by heart. More strings, a smaller network, or more dropout would help more than steps."
        )
    last = evaluations[-1]
    if best.step < last.step:
        yield (
            f"Val was lowest at step {best.step:,} and rose to {last.val_nats_per_symbol:.4f} by "
            f"step {last.step:,}; the weights of step {best.step:,} are kept."
        )
    elif len(evaluations) > 1:
        yield "Val was lowest at the last evaluation; more steps may bring it lower still."
    if ngram is not None:
        better = "better" if val < ngram else "no better"
        yield f"It is {better} than the best n-gram, which needs {ngram:.4f}."


def _leaked(dataset: Dataset) -> Iterator[str]:
    """A warning where strings of val also stand in train, as a split by line lets them."""
    if not dataset.symbols("val"):
        return
    train = set(_ids(dataset.streams["train"]))
    share = float(np.mean([string in train for string in _ids(dataset.streams["val"])]))
    if share:
        yield (
            f"{share:.1%} of the val strings also stand in train, so val is lower than it would be "
            "for strings that are all new; --split-by string keeps them apart."
        )


def render(report: Report) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["picture"] = _data_url
    environment.filters["coloured"] = _coloured
    environment.filters["visible"] = lambda text: "".join(
        symbol if symbol == " " else visible(symbol) for symbol in text
    )
    widest = max(report.bars.values(), default=1.0)
    return environment.get_template("page.html").render(
        report=report,
        card=report.facts.card,
        settings=_settings(report.facts),
        widest=widest,
        versions={"nplm": nplm.__version__, "torch": torch.__version__},
        sample_count=SAMPLES,
    )


def _settings(facts: RunFacts) -> dict[str, str]:
    """The settings that matter for this kind of model."""
    config = facts.config
    parts = ([config.model, config.train] if config.mixture.networks else []) + [config.mixture]
    return {key: format_value(value) for part in parts for key, value in vars(part).items()}


def _baselines(dataset: Dataset) -> tuple[dict[str, float], float]:
    found = Baselines.of(dataset).on("val")
    ngram = found.pop("ngram")
    found.pop("bigram_whole_list")  # it is counted on test too
    return {LABELS[name]: nats for name, nats in found.items()} | {"best n-gram": ngram}, ngram


def _samples(run: Run, dataset: Dataset) -> tuple[list[tuple[str, bool]], float | None]:
    """Some strings of the model, whether each stands in train, and how many of more do."""
    known = NoveltyFilter.of(dataset.streams["train"])
    sampling = SamplingConfig(max_length=default_max_length(run.card))
    texts = [
        string.text
        for string in generate(run.model, run.card, sampling, StreamConfig(indices=SAMPLES))
    ]
    seen = [bool(known.seen(dataset.codec.encode(text + "\n"))[0]) for text in texts]
    shown = list(zip(texts, seen, strict=True))[:SHOWN_SAMPLES]
    return shown, float(np.mean(seen)) if seen else None


def _extremes(run: Run, dataset: Dataset) -> tuple[list[Scored], list[Scored]]:
    """The distinct val strings with the fewest and the most nats per symbol."""
    batch = Scorer.of(run.model, run.card).strings(dict.fromkeys(_strings(dataset, "val")))

    def nats(scored: Scored) -> float:
        return scored.nats_per_symbol

    return nsmallest(SCORED, batch.strings(), nats), nlargest(SCORED, batch.strings(), nats)


def _ids(stream: Stream) -> Iterator[bytes]:
    """The ids of each string of a stream, as bytes: equal where the strings are."""
    start = 0
    for end in np.flatnonzero(stream == BOUNDARY).tolist():
        yield stream[start:end].tobytes()
        start = end + 1


def _strings(dataset: Dataset, split: str) -> list[str]:
    """Of all line ends only LF ends a string."""
    return dataset.lines(split).removesuffix("\n").split("\n")


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


def _data_url(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _coloured(scored: Scored) -> list[tuple[str, str, float]]:
    """Each symbol and the end of a string: as shown, its nats, and how dark it is (0 to 1)."""
    shown = [*map(visible, scored.text), BOUNDARY_SHOWN]
    return [
        (symbol, f"{nats:.2f}", min(1.0, max(0.0, (nats - SURE) / (LOST - SURE))))
        for symbol, nats in zip(shown, scored.per_symbol, strict=True)
    ]
