"""The pictures: what is in them, and that any list and any run can be drawn."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nplm.errors import DataError, UsageError
from nplm.report.embedding import embedding_figure
from nplm.report.figures import (
    as_svg,
    loss_figure,
    save,
    sweep_figure,
)
from nplm.runs.trials import Outcome
from nplm.text.tokenizer import vocab_of
from nplm.training.events import Evaluated

EVALUATIONS = [Evaluated(k, 0.1 * k, 3 - 0.01 * k, 3.1 - 0.01 * k, 0.1) for k in (20, 40, 60)]
LOSSES = np.linspace(3.3, 2.5, 60, dtype=np.float32)


def vectors(symbols: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(symbols + 1, size)).astype(np.float32)


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def drawn(figure: Figure) -> None:
    """Draw; a warning of a missing glyph is an error here, where `save` would not show it."""
    figure.savefig(io.BytesIO(), format="png", dpi=40)


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
        assert len(looks) == len(set(looks)) == 2

    @pytest.mark.parametrize("value", [1, 0, 0.5, "full", True, 2**64 - 1])
    @pytest.mark.parametrize("nats", [2.0, None])
    def test_one_trial(self, value: object, nats: float | None) -> None:
        drawn(sweep_figure([self.outcome(nats, "done" if nats else "diverged", x=value)]))


class TestSave:
    @pytest.mark.parametrize("name", ["a.png", "a.svg", "a.PNG", "deep/er/a.svg"])
    def test_the_same_figure_twice_gives_the_same_bytes(self, name: str, tmp_path: Path) -> None:
        vocab = vocab_of("abc日$")
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
