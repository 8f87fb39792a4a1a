"""The picture of an embedding: symbols where a network has put them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from nplm.report.figures import new_figure
from nplm.report.fonts import drawable
from nplm.report.labels import arrange
from nplm.report.vowels import is_vowel, vowels_known
from nplm.text.vocab import BOUNDARY, BOUNDARY_SHOWN, Vocab

COLOURS = {"boundary": "#b3261e", "vowel": "#0b57d0", "symbol": "#444746"}
NAMES = {"boundary": "boundary (.)", "vowel": "vowels", "symbol": "others"}
LIGHT = "#b8bcc0"
DOT_SIZE = 26  # of the boundary's label, whose dot is small
FEW = 64  # symbols that are written large
MANY = 400  # from which on only so many are written
GAP = 1.0  # pixels between labels


def embedding_figure(
    vectors: NDArray[np.floating], vocab: Vocab, weights: NDArray[np.floating] | None = None
) -> Figure:
    """Symbols as labels where their embedding (V, E) puts them in two dimensions.

    Of more than 400 those with the greatest `weights` (V,) are written, the others are dots. No
    label lies on another: it is moved aside, with a line to its place, or there is only a dot.
    """
    places, share = project(vectors)
    figure, axes = new_figure()
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    margin = np.where(span > 0, 0.08 * span, 1.0)
    axes.set_xlim(low[0] - margin[0], low[0] + span[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], low[1] + span[1] + margin[1])
    kinds = _kinds(vocab)
    for kind in NAMES if "vowel" in kinds else ("boundary",):
        axes.plot([], [], "s", color=COLOURS[kind], label=NAMES[kind], markersize=5)
    _legend(axes)
    exact = vectors.shape[1] <= 2
    kind = "dimension" if exact else "principal component"
    axes.set(xlabel=f"{kind} 1", ylabel=f"{kind} 2")
    if not exact:
        described = f"directions in {vectors.shape[1]} dimensions, {share:.0%} of their variance"
        axes.set_title(described, fontsize="medium")
    # What labels cover is known in pixels alone, so the layout is settled before they are placed.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    written = _written(np.zeros(len(vectors)) if weights is None else weights)
    axes.plot(*np.delete(places, written, axis=0).T, "o", color=LIGHT, markersize=1, zorder=1)
    texts = _write(axes, places, vocab, kinds, written)
    _make_room(axes, renderer, places[written], texts)
    return figure


def _written(weights: NDArray[np.floating]) -> NDArray[np.int64]:
    """The ids that are written: of very many the boundary and those with the greatest weights."""
    if len(weights) <= MANY:
        return np.arange(len(weights))
    order = np.argsort(-weights, kind="stable")
    return np.sort(np.append(order[order != BOUNDARY][: MANY - 1], BOUNDARY))


def _kinds(vocab: Vocab) -> list[str]:
    """The class of each id; no vowels where of most letters it is not known if they are."""
    if vocab.level == "word":
        return ["boundary", *["symbol"] * len(vocab.spellings)]
    tells_vowels = vowels_known(vocab.symbols)
    kinds = [
        "vowel" if tells_vowels and is_vowel(symbol) else "symbol" for symbol in vocab.spellings
    ]
    return ["boundary", *kinds]


def _write(
    axes: Axes,
    places: NDArray[np.float64],
    vocab: Vocab,
    kinds: list[str],
    written: NDArray[np.int64],
) -> list[Text]:
    """A label at the place of each id that is written."""
    chosen = written.tolist()
    labels, fonts = drawable([vocab.spellings[k - 1] for k in chosen if k != BOUNDARY])
    kinds, places = [kinds[k] for k in chosen], places[written]
    size = 11 if len(vocab) <= FEW else 8
    return [
        axes.text(
            x,
            y,
            label,
            color=COLOURS[kind],
            family=fonts,
            parse_math=False,
            ha="center",
            va="center",
            fontsize=6 if len(label) > 1 else DOT_SIZE if kind == "boundary" else size,
            fontweight="bold" if kind != "symbol" else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0},  # over dots and lines
        )
        for kind, label, (x, y) in zip(kinds, [BOUNDARY_SHOWN, *labels], places, strict=True)
    ]


def _make_room(
    axes: Axes, renderer: RendererAgg, places: NDArray[np.float64], texts: list[Text]
) -> None:
    """Move labels that lie on others, the boundary first to stay; remove what finds no room."""
    sizes = np.array([text.get_window_extent(renderer).size for text in texts]) + GAP
    here = axes.transData.transform(places)
    low, high = axes.get_window_extent(renderer).get_points()
    centres = arrange(here, sizes, low, high)
    moved = (centres != here).any(axis=1)
    there = axes.transData.inverted().transform(centres)
    for k in np.flatnonzero(moved).tolist():
        texts[k].set_position(there[k])
        if np.isnan(there[k, 0]):
            texts[k].remove()
    axes.plot(*places[moved].T, "o", color=LIGHT, markersize=2, zorder=1)
    lines = np.stack([places, there, np.full_like(there, np.nan)], axis=1)[moved].reshape(-1, 2)
    axes.plot(*lines.T, color=LIGHT, linewidth=0.7, zorder=1)
    if np.isnan(there).any():
        axes.plot([], [], "o", color=LIGHT, markersize=2, label="no room for a label")
        _legend(axes)


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def project(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """(V, E) -> (V, 2), and the share of the variance that it keeps.

    One or two dimensions stay as they are. Of more, the principal components of the directions are
    taken: rare symbols have the longest vectors, and without that the picture shows only them.
    """
    wide = vectors.astype(np.float64)
    if wide.shape[1] <= 2:
        return np.pad(wide, ((0, 0), (0, 2 - wide.shape[1]))), 1.0
    wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-300)
    centred = wide - wide.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    # A direction is as good as its opposite: the one whose largest entry is positive is taken.
    signs = np.sign(directions[np.arange(2), np.abs(directions[:2]).argmax(axis=1)])
    spread = sizes[:2] ** 2
    return centred @ (directions[:2].T * signs), float(spread.sum() / max((sizes**2).sum(), 1e-300))
