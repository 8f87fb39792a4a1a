"""Steps by the size of a list: what they come to, and that what was settled stands."""

from pathlib import Path

import pytest

from nplm.config import DatasetConfig, RunConfig
from nplm.presets import override, preset
from nplm.runs.facts import read_facts
from nplm.runs.header import is_finished
from nplm.runs.steps import settle_steps
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset


def of_size(symbols: int) -> Dataset:
    """A data set whose train split has so many symbols to learn from, ends among them."""
    texts = ["a" * (symbols - 1)]
    return dataset.build(sources.Source("x", texts, 0), DatasetConfig(("1", "0", "0")))


@pytest.mark.parametrize(
    ("symbols", "smoothed", "plain"),
    [(2, 100, 100), (2_255, 700, 200), (5_237, 800, 300), (182_588, 2_000, 2_000)],
)
def test_steps_follow_the_size_of_the_list(symbols: int, smoothed: int, plain: int) -> None:
    for name, steps in (("default", smoothed), ("best", plain)):
        settled = settle_steps(preset(name), of_size(symbols))
        assert settled.train.steps == steps
        assert settle_steps(settled, of_size(9)) == settled


def test_steps_that_were_asked_for_stay(small: Dataset) -> None:
    config = override(preset("best"), {"steps": 17}, "")
    assert settle_steps(config, small) == config


def test_a_run_notes_its_steps_and_is_resumed_without_naming_them(
    small: Dataset, small_folder: Path, tiny_config: RunConfig, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from nplm.runs.run import Started, train

    config, folder = override(tiny_config, {"steps": 0}, ""), tmp_path / "run"
    taken: list[int] = []
    events = train(folder, config, small, small_folder, stop=lambda: len(taken) > 40)
    for event in events:
        taken.append(1)
        if isinstance(event, Started):
            started = event
    steps = read_facts(folder).config.train.steps
    assert started.steps == steps == settle_steps(config, small).train.steps > 0
    assert not is_finished(folder)
    list(train(folder, config, small, small_folder, resume=True))
    assert is_finished(folder)
