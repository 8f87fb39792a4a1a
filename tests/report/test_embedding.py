"""The picture of an embedding: what is where, in any script, and that every label can be read."""

import io
import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from nplm.report.embedding import COLOURS, embedding_figure, project
from nplm.report.figures import as_svg
from nplm.text.tokenizer import vocab_of
from nplm.text.vocab import Vocab

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
LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Of `nplm train --preset classic --embedding-size 2 --steps 1000` on the lesson's split.
TRAINED = np.array(
    [
        *[(-2.58, -1.67), (-1.06, 0.47), (1.69, -1.26), (0.34, -4.86), (0.87, -0.69)],
        *[(-0.54, 0.60), (1.74, -1.58), (0.59, -0.82), (-0.97, -3.08), (-0.26, 1.66)],
        *[(0.65, -0.20), (0.97, -1.98), (1.08, 0.20), (2.56, -0.44), (1.74, 2.12)],
        *[(-0.55, 0.51), (1.93, -2.99), (0.15, -0.51), (1.64, 0.78), (-0.17, -1.64)],
        *[(0.45, -1.53), (-0.84, 1.11), (2.65, -0.01), (3.03, -0.05), (0.49, -0.89)],
        *[(0.14, 0.19), (0.37, -1.07)],
    ]
)


def vectors(symbols: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(symbols + 1, size)).astype(np.float32)


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def labels(figure: Figure) -> list[Text]:
    """The boundary, then the symbols of an embedding."""
    return list(axes_of(figure).texts)


def legend(figure: Figure) -> list[str]:
    found = axes_of(figure).get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


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


class TestEmbedding:
    def test_words_are_labels_too_as_many_as_there_is_room_for(self) -> None:
        words = tuple(f"word{k}" for k in range(900))
        vocab, weights = Vocab(words, unknown=True, level="word"), np.arange(902.0)
        figure = embedding_figure(vectors(902, 3), vocab, weights)
        found = [text.get_text() for text in labels(figure)]
        assert found[0] == "."
        assert 10 < len(found) <= 400
        assert set(found[1:]) <= {*words[-400:], "\ufffd"}
        drawn(figure)

    def test_symbols_are_labels_where_the_embedding_puts_them(self) -> None:
        vocab, given = vocab_of("abc$ \\é日"), vectors(8, 2)
        figure = embedding_figure(given, vocab)
        found = labels(figure)
        assert [text.get_text() for text in found[:6]] == [".", "\u2423", "$", "\\", "a", "b"]
        for text, place in zip(found, given, strict=True):
            assert text.get_position() == pytest.approx(tuple(place))
            assert not text.get_parse_math()
        assert not axes_of(figure).get_title()
        drawn(figure)

    def test_vowels_and_boundary_by_colour(self) -> None:
        figure = embedding_figure(vectors(6, 2), vocab_of("abéжи."))
        colours = {text.get_text(): to_hex(text.get_color()) for text in labels(figure)[1:]}
        assert to_hex(labels(figure)[0].get_color()) == COLOURS["boundary"]
        vowel, other = COLOURS["vowel"], COLOURS["symbol"]
        assert colours == {"a": vowel, "b": other, "é": vowel, "ж": other, "и": vowel, ".": other}
        assert len(set(COLOURS.values())) == 3
        assert legend(figure) == ["boundary (.)", "vowels", "others"]

    @pytest.mark.parametrize("size", [1, 2, 3, 24])
    def test_all_symbols_are_inside_the_axes(self, size: int) -> None:
        figure = embedding_figure(3 + 5 * vectors(26, size), vocab_of("abcdefghijklmnopqrstuvwxyz"))
        low, high = axes_of(figure).get_xlim()
        bottom, top = axes_of(figure).get_ylim()
        for text in labels(figure):
            x, y = text.get_position()
            assert low <= x <= high
            assert bottom <= y <= top
        drawn(figure)

    def test_principal_components_say_so(self) -> None:
        given = vectors(3, 7)
        axes = axes_of(embedding_figure(given, vocab_of("abc")))
        share = f"{project(given)[1]:.0%}"
        assert axes.get_title() == f"directions in 7 dimensions, {share} of their variance"
        assert axes.get_xlabel() == "principal component 1"

    @pytest.mark.parametrize("symbols", ODD.values(), ids=ODD)
    def test_any_symbols(self, symbols: str) -> None:
        vocab = vocab_of(symbols)
        figure = embedding_figure(vectors(len(vocab.symbols), 3), vocab)
        assert len(labels(figure)) == len(vocab)
        assert all(text.get_text().strip() for text in labels(figure))
        drawn(figure)
        ET.fromstring(as_svg(figure))

    @pytest.mark.parametrize("given", [np.zeros((2, 2)), np.ones((2, 3)), vectors(1, 1)])
    def test_one_symbol(self, given: np.ndarray) -> None:
        drawn(embedding_figure(given, vocab_of("a")))

    @pytest.mark.parametrize(
        ("symbols", "vowels"),
        [
            ("กขะาเ1", "ะาเ"),
            ("कखअाि", "अाि"),
            ("ㄱㄴㅏㅓ", "ㅏㅓ"),
            ("日本語", ""),
            ("ابتو", ""),
            ("가나다", ""),
            ("bcdf", ""),
            ("日本語中国人a", ""),
            ("abcdefgh日", "ae"),
        ],
    )
    def test_vowels_of_other_scripts(self, symbols: str, vowels: str) -> None:
        vocab = vocab_of(symbols)
        figure = embedding_figure(vectors(len(symbols), 2), vocab)
        blue = {
            symbol
            for symbol, text in zip(vocab.symbols, labels(figure)[1:], strict=True)
            if to_hex(text.get_color()) == COLOURS["vowel"]
        }
        assert blue == set(vowels)
        assert legend(figure) == ["boundary (.)", *(["vowels", "others"] if vowels else [])]


class TestLabels:
    """What covers what, as the renderer says."""

    @staticmethod
    def overlapping(figure: Figure, dpi: int = 100) -> list[str]:
        """Pairs of labels of which one lies on the other."""
        figure.set_dpi(dpi)
        figure.savefig(io.BytesIO(), format="png", dpi="figure")
        boxes = [(text.get_text(), text.get_window_extent()) for text in labels(figure)]
        pairs = itertools.combinations(boxes, 2)
        return [f"{one} {two}" for (one, box), (two, other) in pairs if box.overlaps(other)]

    @pytest.mark.parametrize("dpi", [100, 150])
    def test_none_lies_on_another_after_training(self, dpi: int) -> None:
        figure = embedding_figure(TRAINED, vocab_of(LETTERS))
        assert [text.get_text() for text in labels(figure)] == [".", *LETTERS]
        assert not self.overlapping(figure, dpi)

    @pytest.mark.parametrize("size", [2, 10])
    @pytest.mark.parametrize("first", [0x100, 0x400, 0x4E00], ids=["Latin", "Cyrillic", "Chinese"])
    def test_nor_of_200_symbols(self, first: int, size: int) -> None:
        vocab = Vocab(tuple(chr(first + k) for k in range(200)))
        figure = embedding_figure(vectors(200, size), vocab)
        assert not self.overlapping(figure)
        assert len(labels(figure)) > (100 if first == 0x4E00 else 150)

    def test_all_in_one_place(self) -> None:
        figure = embedding_figure(np.zeros((27, 2)), vocab_of(LETTERS))
        assert not self.overlapping(figure)
        assert "no room for a label" in legend(figure)
        assert 5 < len(labels(figure)) < 27

    def test_a_line_leads_from_a_label_to_its_place(self) -> None:
        vocab = vocab_of("ab")
        figure = embedding_figure(np.array([[0, 0], [1, 1], [1, 1.01]]), vocab)
        _, a, b = labels(figure)
        assert a.get_position() == (1, 1)
        assert b.get_position() != (1, 1.01)
        dots, line = [line for line in axes_of(figure).lines if len(line.get_xdata())]
        assert dots.get_xydata().tolist() == [[1, 1.01]]
        assert line.get_xydata()[0] == pytest.approx([1, 1.01])
        assert line.get_xydata()[1] == pytest.approx(b.get_position())
        assert legend(figure) == ["boundary (.)", "vowels", "others"]

    def test_thousands_of_symbols(self) -> None:
        vocab = Vocab(tuple(chr(0x4E00 + k) for k in range(1000)))
        figure = embedding_figure(vectors(1000, 3), vocab)
        assert not self.overlapping(figure)
        assert legend(figure) == ["boundary (.)", "no room for a label"]
        dots = max(axes_of(figure).lines, key=lambda line: len(line.get_xdata()))
        assert len(as_svg(figure)) < 1_000_000
        assert len(dots.get_xdata()) + len(labels(figure)) >= len(vocab)
