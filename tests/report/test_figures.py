"""The pictures: what is in them, and that any list and any run can be drawn."""

import io
import itertools
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from nplm.errors import DataError, UsageError
from nplm.report.figures import (
    COLOURS,
    as_svg,
    embedding_figure,
    is_vowel,
    loss_figure,
    project,
    save,
    sweep_figure,
)
from nplm.training.loop import Evaluated
from nplm.training.trials import Outcome
from nplm.vocab import Vocab

ODD = {
    "emoji": "😀🧿🇩🏽\u200d\ufe0f",
    "right to left": "سلام שלום\u200f",
    "CJK": "日本語한국",
    "combining marks": "e\u0301\u0308\u0e31\u093f",
    "spaces": " \t\u00a0\u3000\u2028\r\x0b",
    "mathematics": r"$\^_{}%&#~",
    "markup": "<>&\"'-",
    "control": "\x00\x01\x1b\x7f\u0085",
    "not assigned": "\U0010ffff\ue000\u0378",
}
EVALUATIONS = [Evaluated(k, 0.1 * k, 3 - 0.01 * k, 3.1 - 0.01 * k, 0.1) for k in (20, 40, 60)]
LOSSES = np.linspace(3.3, 2.5, 60, dtype=np.float32)


def vectors(symbols: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(symbols + 1, size)).astype(np.float32)


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def labels(figure: Figure) -> list[Text]:
    """The boundary, then the symbols of an embedding."""
    return list(axes_of(figure).texts)


def drawn(figure: Figure) -> None:
    """Draw; a warning of a missing glyph is an error here, where `save` would not show it."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)


class TestProjection:
    @pytest.mark.parametrize("size", [1, 2])
    def test_two_dimensions_stay_as_they_are(self, size: int) -> None:
        given = vectors(30, size)
        places, share = project(given)
        assert np.array_equal(places[:, :size], given)
        assert not places[:, size:].any()
        assert (places.shape, share) == ((31, 2), 1.0)

    @pytest.mark.parametrize("size", [3, 10, 50])
    def test_more_by_principal_components(self, size: int) -> None:
        given = vectors(30, size)
        places, share = project(given)
        unit = given / np.linalg.norm(given.astype(np.float64), axis=1, keepdims=True)
        values, directions = np.linalg.eigh(np.cov(unit.T))
        for k in (0, 1):
            expected = (unit - unit.mean(axis=0)) @ directions[:, -1 - k]
            expected *= np.sign(expected[0] * places[0, k])
            assert places[:, k] == pytest.approx(expected, abs=1e-6)
        assert share == pytest.approx(values[-2:].sum() / values.sum(), abs=1e-6)

    def test_lengths_do_not_matter(self) -> None:
        given = vectors(10, 5)
        longer = given * np.arange(1, 12)[:, None]
        assert project(given)[0] == pytest.approx(project(longer)[0], abs=1e-6)

    @pytest.mark.parametrize("given", [np.zeros((4, 3)), np.ones((4, 3)), vectors(1, 3)])
    def test_hardly_anything_to_project(self, given: np.ndarray) -> None:
        places, share = project(given)
        assert np.isfinite(places).all()
        assert 0 <= share <= 1 + 1e-12


@pytest.mark.parametrize("letter", "aeiouyAEIOUYàéîõüỹÅǖİαεηιουωάΉϊώаеёиоуыэюяєіїЁЇæøœıÆØ")
def test_vowels(letter: str) -> None:
    assert is_vowel(letter)


@pytest.mark.parametrize("symbol", "bzñçßβςжщьъйўЙ日اא1 .$\\-\u0301😀")
def test_no_vowels(symbol: str) -> None:
    assert not is_vowel(symbol)


class TestEmbedding:
    def test_symbols_are_labels_where_the_embedding_puts_them(self) -> None:
        vocab, given = Vocab.of("abc$ \\é日"), vectors(8, 2)
        figure = embedding_figure(given, vocab)
        found = labels(figure)
        assert [text.get_text() for text in found[:6]] == [".", "\u2423", "$", "\\", "a", "b"]
        for text, place in zip(found, given, strict=True):
            assert text.get_position() == pytest.approx(tuple(place))
            assert not text.get_parse_math()
        assert not axes_of(figure).get_title()
        drawn(figure)

    def test_vowels_and_boundary_by_colour(self) -> None:
        figure = embedding_figure(vectors(6, 2), Vocab.of("abéжи."))
        colours = {text.get_text(): to_hex(text.get_color()) for text in labels(figure)[1:]}
        assert to_hex(labels(figure)[0].get_color()) == COLOURS["boundary"]
        vowel, other = COLOURS["vowel"], COLOURS["symbol"]
        assert colours == {"a": vowel, "b": other, "é": vowel, "ж": other, "и": vowel, ".": other}
        assert len(set(COLOURS.values())) == 3
        legend = axes_of(figure).get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [
            *("boundary (.)", "vowels", "others")
        ]

    @pytest.mark.parametrize("size", [1, 2, 3, 24])
    def test_all_symbols_are_inside_the_axes(self, size: int) -> None:
        figure = embedding_figure(3 + 5 * vectors(26, size), Vocab.of("abcdefghijklmnopqrstuvwxyz"))
        low, high = axes_of(figure).get_xlim()
        bottom, top = axes_of(figure).get_ylim()
        for text in labels(figure):
            x, y = text.get_position()
            assert low <= x <= high
            assert bottom <= y <= top
        drawn(figure)

    def test_principal_components_say_so(self) -> None:
        given = vectors(3, 7)
        axes = axes_of(embedding_figure(given, Vocab.of("abc")))
        share = f"{project(given)[1]:.0%}"
        assert axes.get_title() == f"directions in 7 dimensions, {share} of their variance"
        assert axes.get_xlabel() == "principal component 1"

    @pytest.mark.parametrize("symbols", ODD.values(), ids=ODD)
    def test_any_symbols(self, symbols: str, tmp_path: Path) -> None:
        vocab = Vocab.of(symbols)
        figure = embedding_figure(vectors(len(vocab.symbols), 3), vocab)
        assert len(labels(figure)) == len(vocab)
        assert all(text.get_text().strip() for text in labels(figure))
        drawn(figure)
        ET.fromstring(as_svg(figure))

    @pytest.mark.parametrize("given", [np.zeros((2, 2)), np.ones((2, 3)), vectors(1, 1)])
    def test_one_symbol(self, given: np.ndarray) -> None:
        drawn(embedding_figure(given, Vocab.of("a")))


class TestLoss:
    def test_what_is_in_it(self) -> None:
        figure = loss_figure(LOSSES, EVALUATIONS, {"floor of train": 2.0})
        lines = {line.get_label(): line for line in axes_of(figure).lines}
        assert list(lines) == [
            *("batches: mean and range", "train, exact", "val, exact", "floor of train")
        ]
        steps = [20, 40, 60]
        assert list(lines["train, exact"].get_xdata()) == steps
        assert list(lines["val, exact"].get_ydata()) == [e.val_nats_per_symbol for e in EVALUATIONS]
        batches = lines["batches: mean and range"]
        assert list(batches.get_xdata()) == list(range(1, 61))  # step k has loss k - 1
        assert batches.get_ydata() == pytest.approx(LOSSES)

    def test_many_losses_in_bins(self) -> None:
        losses = np.random.default_rng(0).random(70_001).astype(np.float32) + 1
        axes = axes_of(loss_figure(losses, [], {}))
        line = axes.lines[0]
        assert len(line.get_xdata()) == 300
        edges = [int(k * 70_001 / 300) for k in range(301)]
        means = [losses[a:b].mean() for a, b in itertools.pairwise(edges)]
        assert np.asarray(line.get_ydata()) == pytest.approx(means, abs=1e-3)

    @pytest.mark.parametrize(
        ("losses", "evaluations", "lines"),
        [
            (LOSSES, EVALUATIONS, {}),
            (LOSSES[:1], [], {}),
            (LOSSES[:0], EVALUATIONS[:1], {}),
            (LOSSES[:0], [], {}),
            (LOSSES[:0], [], {"floor": 2.0}),
            (LOSSES, EVALUATIONS, {"floor": 0.0, "best n-gram": 3.0}),
        ],
    )
    def test_whatever_there_is(
        self, losses: np.ndarray, evaluations: list[Evaluated], lines: dict[str, float]
    ) -> None:
        drawn(loss_figure(losses, evaluations, lines))

    def test_without_val(self) -> None:
        alone = [Evaluated(20, 0.1, 3.0, None, 0.1)]
        figure = loss_figure(LOSSES, alone, {})
        assert "val, exact" not in {line.get_label() for line in axes_of(figure).lines}
        drawn(figure)

    def test_a_loss_that_is_not_finite(self) -> None:
        losses = np.array([3.0, 1e30, np.inf, np.nan], np.float32)
        drawn(loss_figure(losses, EVALUATIONS, {}))


class TestSweep:
    def outcome(self, nats: float | None, status: str = "done", **values: object) -> Outcome:
        return Outcome(values, status, 10, nats, nats, 1.0)

    def test_a_line_for_each_value_of_the_others(self) -> None:
        outcomes = [
            self.outcome(2 + rate + size / 100, learning_rate=rate, hidden_size=size)
            for rate in (0.1, 0.01, 1.0)
            for size in (8, 16)
        ]
        axes = axes_of(sweep_figure(outcomes))
        assert (axes.get_xlabel(), axes.get_xscale()) == ("learning rate", "log")
        lines = {line.get_label(): line for line in axes.lines if len(line.get_xdata())}
        assert set(lines) == {"hidden size 8", "hidden size 16"}
        assert list(lines["hidden size 8"].get_xdata()) == [0.01, 0.1, 1.0]
        assert list(lines["hidden size 8"].get_ydata()) == pytest.approx([2.09, 2.18, 3.08])

    def test_diverged_trials_look_different(self) -> None:
        outcomes = [
            self.outcome(2.0, seed=1),
            self.outcome(3.0, "diverged", seed=2),
            self.outcome(None, "diverged", seed=3),
        ]
        figure = sweep_figure(outcomes)
        marks = {line.get_marker(): list(line.get_xdata()) for line in axes_of(figure).lines}
        assert marks == {"o": [1], "x": [2]}
        drawn(figure)

    def test_words_are_bars(self) -> None:
        outcomes = [self.outcome(2.0, optimizer="sgd"), self.outcome(1.9, optimizer="adamw")]
        figure = sweep_figure(outcomes)
        assert [bar.get_width() for bar in axes_of(figure).patches] == [2.0, 1.9]
        drawn(figure)

    def test_a_diverged_bar_looks_different(self) -> None:
        done, lost = self.outcome(2.0, ngram=True), self.outcome(1.9, "diverged", ngram=False)
        one, *others = axes_of(sweep_figure([done, lost])).patches
        looks = [(bar.get_facecolor(), bar.get_hatch()) for bar in (one, *others)]
        assert len(looks) == len(set(looks))

    @pytest.mark.parametrize("value", [1, 0, 0.5, "full", True, 2**64 - 1])
    @pytest.mark.parametrize("nats", [2.0, None])
    def test_one_trial(self, value: object, nats: float | None) -> None:
        drawn(sweep_figure([self.outcome(nats, "done" if nats else "diverged", x=value)]))


class TestSave:
    @pytest.mark.parametrize("name", ["a.png", "a.svg", "a.PNG", "deep/er/a.svg"])
    def test_the_same_figure_twice_gives_the_same_bytes(self, name: str, tmp_path: Path) -> None:
        vocab = Vocab.of("abc日$")
        contents = []
        for folder in ("one", "two"):
            path = tmp_path / folder / name
            save(embedding_figure(vectors(5, 4), vocab), path)
            contents.append(path.read_bytes())
            assert [p.name for p in path.parent.iterdir()] == [path.name]
        assert contents[0] == contents[1]
        png = name.lower().endswith("png")
        assert contents[0].startswith(b"\x89PNG" if png else b"<?xml")

    def test_a_figure_with_lines_gives_the_same_bytes(self) -> None:
        one, two = (as_svg(loss_figure(LOSSES, EVALUATIONS, {"floor": 1.0})) for _ in range(2))
        assert one == two

    @pytest.mark.parametrize("name", ["a", "a.jpg", "a.pdf", "png", ".svg"])
    def test_other_endings(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"\.png or \.svg"):
            save(Figure(), tmp_path / name)
        assert not list(tmp_path.iterdir())

    def test_it_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(DataError, match=r"a\.png"):
            save(Figure(), tmp_path / "file" / "a.png")
