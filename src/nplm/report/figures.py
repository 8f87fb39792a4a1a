"""The pictures, drawn without a screen: loss curves and sweeps; an embedding is in `embedding`.

Each function returns a matplotlib Figure; `save` writes one, `as_svg` gives its text.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from numpy.typing import NDArray

from nplm.config import RunConfig
from nplm.errors import UsageError
from nplm.presets import format_value
from nplm.runs.trials import Outcome, name_of
from nplm.training.events import Evaluated
from nplm.transaction import write_bytes

FORMATS = (".png", ".svg")
BINS = 300  # of steps, in the picture of batch losses
LOG_RATIO = 4.0  # values that lie further apart than this are drawn on a logarithmic axis
BLUE, ORANGE, GREY = "#0b57d0", "#c25e00", "#9aa0a6"


def loss_figure(
    losses: NDArray[np.float32],
    evaluations: Sequence[Evaluated],
    lines: Mapping[str, float],
    batches: str = "batches",
) -> Figure:
    """Batch losses and exact evaluations over the steps.

    Args:
        losses: (steps,) of every batch, in nats per symbol.
        lines: labels to nats of what is drawn as a level, as the floor or a baseline.
        batches: what the losses are of, see `batch_label`.
    """
    figure, axes = new_figure()
    if len(losses):
        _batch_losses(axes, losses, batches)
    steps = [e.step for e in evaluations]
    train = [e.train_nats_per_symbol for e in evaluations]
    if train:
        axes.plot(steps, train, "o-", color=BLUE, markersize=3, label="train, exact")
    val = [e.val_nats_per_symbol for e in evaluations if e.val_nats_per_symbol is not None]
    if val:
        axes.plot(steps, val, "o-", color=ORANGE, markersize=3, label="val, exact")
    for style, (label, nats) in zip((":", "--", "-."), lines.items(), strict=False):
        axes.axhline(nats, color="black", linewidth=1, linestyle=style, label=label)
    values = np.concatenate([losses, train, val, list(lines.values())])
    axes.set(xlabel="step", ylabel="nats per symbol")
    _log_if_wide(axes, values)
    if len(values):
        axes.legend(frameon=False)
    return figure


def batch_label(config: RunConfig) -> str:
    """What the batch losses of a run are of: not always of what is evaluated."""
    if config.mixture.ngram or config.mixture.networks > 1:
        return "batches, networks alone"
    return "batches, smoothed targets" if config.train.smoothing else "batches"


def _batch_losses(axes: Axes, losses: NDArray[np.float32], label: str) -> None:
    """Their mean and range in up to 300 bins: all noise, few points."""
    edges = np.linspace(0, len(losses), min(BINS, len(losses)) + 1).astype(int)[:-1]
    low = np.minimum.reduceat(losses, edges)
    high = np.maximum.reduceat(losses, edges)
    sizes = np.diff(edges, append=len(losses))
    middle = np.add.reduceat(losses, edges) / sizes
    steps = edges + (sizes + 1) / 2
    axes.fill_between(steps, low, high, color=GREY, alpha=0.3, linewidth=0)
    axes.plot(steps, middle, color=GREY, linewidth=1, label=f"{label}: mean and range")


def sweep_figure(outcomes: Sequence[Outcome]) -> Figure:
    """Val over the swept setting with the most values; a line for each value of the others."""
    names = list(outcomes[0].values)
    numeric = [n for n in names if all(_is_number(o.values[n]) for o in outcomes)]
    if not numeric:
        return _bars(outcomes)
    swept = max(numeric, key=lambda name: len({o.values[name] for o in outcomes}))
    figure, axes = new_figure()
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        rest = ", ".join(f"{k} {format_value(v)}" for k, v in outcome.values.items() if k != swept)
        groups.setdefault(rest.replace("_", " "), []).append(outcome)
    for label, group in sorted(groups.items()):
        points = sorted((o for o in group if o.nats is not None), key=lambda o: o.values[swept])
        colour = f"C{len(axes.lines) // 2 % 10}"
        for status, style in (("done", "o-"), ("diverged", "x")):
            alike = [o for o in points if o.status == status]
            axes.plot(
                [o.values[swept] for o in alike],
                [o.nats or 0.0 for o in alike],
                style,
                color=colour,
                label=(label or None) if status == "done" else None,
            )
    values = np.array([o.values[swept] for o in outcomes], np.float64)
    if values.min() > 0 and values.max() / values.min() > LOG_RATIO:
        axes.set_xscale("log")
    axes.set(xlabel=swept.replace("_", " "), ylabel="val, nats per symbol")
    _log_if_wide(axes, np.array([o.nats for o in outcomes if o.nats is not None]))
    if len(groups) > 1:
        axes.legend(frameon=False)
    return figure


def _bars(outcomes: Sequence[Outcome]) -> Figure:
    figure, axes = new_figure()
    bars = [o for o in outcomes if o.nats is not None]
    ends = {"done": "", "diverged": " (diverged)"}
    labels = [name_of(o.values).replace("_", " ").replace(",", ", ") + ends[o.status] for o in bars]
    colours = [BLUE if o.status == "done" else GREY for o in bars]
    axes.barh(labels, [o.nats or 0.0 for o in bars], color=colours)
    axes.invert_yaxis()
    axes.set(xlabel="val, nats per symbol")
    return figure


def save_sweep(outcomes: Sequence[Outcome], path: Path, *, force: bool) -> None:
    save(sweep_figure(outcomes), path, force=force)


def save(figure: Figure, path: Path, *, force: bool = False) -> None:
    """Write a picture, as its ending says; the same figure gives the same bytes.

    Raises:
        UsageError: the ending is neither .png nor .svg.
        DataError: it exists and `force` is not given, or it cannot be written.
    """
    refuse_format(path)
    write_bytes(path, _render(figure, path.suffix.lower().removeprefix(".")), force=force)


def refuse_format(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"`out` is {path}", "give a name that ends in .png or .svg")


def as_svg(figure: Figure) -> bytes:
    """A picture for a page; text is drawn as shapes, so that it needs no font."""
    return _render(figure, "svg")


def _render(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata: dict[str, str | None] = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "nplm"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata, bbox_inches="tight")
    return buffer.getvalue()


def new_figure() -> tuple[Figure, Axes]:
    """An empty picture of the size and look of all."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _log_if_wide(axes: Axes, values: NDArray[np.floating]) -> None:
    finite = values[np.isfinite(values)]
    if len(finite) and finite.min() > 0 and finite.max() / finite.min() > LOG_RATIO:
        axes.set_yscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_formatter(plain)
        axes.yaxis.set_minor_locator(LogLocator(subs=(1.5, 2, 3, 5, 7)))
        axes.set_ylabel(f"{axes.get_ylabel()} (logarithmic)")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
