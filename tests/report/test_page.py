"""The page about a run: what it says, against naive counts; what it never does."""

import base64
import re
import shutil
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nplm.config import DatasetConfig, RunConfig
from nplm.counts.tables import table_of
from nplm.generation import SamplingConfig, StreamConfig
from nplm.presets import override, preset
from nplm.report.behaviour import SCORED, Behaviour
from nplm.report.content import Report, describe
from nplm.report.page import render
from nplm.runs import run
from nplm.runs.facts import new_facts, write_facts
from nplm.runs.layout import BEST, LAST, METRICS
from nplm.runs.looks import LOOKS, record_look
from nplm.runs.metrics import metrics
from nplm.runs.opened import load_run
from nplm.runtime.generate import generate
from nplm.stepmodel import log_softmax
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings

ATTACKS = ["<b>x</b>", '"><script>alert(1)</script>', "&lt;i&gt;", "{{ 7 * 7 }}", "'onload=x"]
SECTIONS = {
    *("Next to other models", "Training", "What it made of the symbols", "What it writes"),
    *("What surprised it", "What was trained on what", "Again"),
}


class Page(HTMLParser):
    """A parsed page: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: list[tuple[str, str]] = []  # each text with the tag and class it stands in
        self.open = ["."]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img"}:
            self.open.append(f"{tag}.{dict(attrs).get('class', '')}")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().startswith(f"{tag}.")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        self.inside.append((self.open[-1], data))

    @property
    def headings(self) -> set[str]:
        return {text for kind, text in self.inside if kind == "h2."}

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    @property
    def pictures(self) -> list[bytes]:
        sources = [a["src"] or "" for tag, a in self.tags if tag == "img"]
        return [base64.b64decode(source.partition(",")[2]) for source in sources]


def page_of(folder: Path, data: Dataset, commands: tuple[str, ...] = ("nplm train",)) -> Page:
    return Page(render(describe(folder, data, commands)))


def train(folder: Path, config: RunConfig, data: Dataset, **options: Any) -> Path:
    list(run.train(folder, config, data, folder.parent / "data", **options))
    return folder


def stop_after(steps: int) -> Callable[[], bool]:
    asked = iter(range(steps))
    return lambda: next(asked, None) is None


@pytest.fixture(scope="module")
def report(run_folder: Path, small: Dataset) -> Report:
    return describe(run_folder, small, ["nplm train 'a b'"])


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(render(report))


@pytest.fixture
def copied(run_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "names"
    shutil.copytree(run_folder, folder)
    return folder


@pytest.fixture(scope="module")
def hostile(tiny_config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a run on strings that are HTML, in a folder named so, too."""
    lines = [attack for attack in ATTACKS for _ in range(20)]
    source = sources.Source("<u>names.txt", lines, 0)
    data = dataset.build(source, DatasetConfig(split_by="line"))
    config = override(tiny_config, {"steps": 40, "learning_rate": 0.03}, "")
    folder = train(tmp_path_factory.mktemp("runs") / "<h1 id=x>", config, data)
    return page_of(folder, replace(data, name="<s>"), ("nplm train '</pre><script>'",))


def check_self_contained(page: Page) -> None:
    assert len(page.html.encode("utf-8")) < 2_000_000
    assert not re.search(r"(?i)\b(https?|ftp)://|//cdn|@import|url\(", page.html)
    assert "<script" not in page.html.lower()
    for tag, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form", "audio", "video"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "data:").startswith("data:")
    for svg in page.pictures:
        assert svg.startswith(b"<?xml")
        assert b"<script" not in svg
        assert all(link.startswith(b"#") for link in re.findall(rb'href="([^"]*)"', svg))


def naive_nats(folder: Path, data: Dataset, text: str) -> float:
    """Nats per symbol of one string, its end among them."""
    model = load_run(folder).model
    ids, total = [*data.vocab.encode(text), 0], 0.0
    for place, symbol in enumerate(ids):
        context = ([0] * model.block_size + ids[:place])[-model.block_size :]
        total -= float(log_softmax(model(np.array([context] * 16)))[0, symbol])
    return total / len(ids)


def behaviour(report: Report) -> Behaviour:
    assert report.behaviour is not None
    return report.behaviour


def test_it_is_one_file_that_needs_nothing(page: Page) -> None:
    check_self_contained(page)
    assert page.headings == SECTIONS
    assert len(page.pictures) == 2


def test_the_numbers_are_those_of_the_run(page: Page, run_folder: Path, small: Dataset) -> None:
    best = min(metrics(run_folder), key=lambda e: e.val_nats_per_symbol or 0)
    assert f"{best.val_nats_per_symbol:.4f} nats per symbol" in page.text
    assert f"needs {best.train_nats_per_symbol:.4f} nats" in page.text
    assert f"a gap of {best.val_nats_per_symbol - best.train_nats_per_symbol:.4f}" in page.text
    assert f"{table_of(small, 'train', 3).floor():.4f}, the floor" in page.text
    assert "uniform: every symbol alike 3.2958" in page.text
    assert small.sha256 in page.text
    counts = [f"{small.strings(split):,} {split}" for split in ("train", "val", "test")]
    assert ", ".join(counts) in page.text
    assert "not looked at" in page.text
    assert "not finished" not in page.text
    assert "nplm train 'a b'" in page.text


def test_bars_are_sorted_and_the_model_is_among_them(report: Report) -> None:
    assert list(report.bars.values()) == sorted(report.bars.values(), reverse=True)
    val = behaviour(report).val
    assert val is not None
    assert report.bars[report.this_label] == val.per_symbol
    assert report.this_label == "this network"


def test_the_share_seen(page: Page, run_folder: Path, small: Dataset) -> None:
    opened = load_run(run_folder)
    sampling = SamplingConfig(max_length=2 * small.longest)
    texts = [
        one.text
        for one in generate(opened.model, opened.card, sampling, StreamConfig(indices=1000))
    ]
    known = set(small.texts("train"))
    share = sum(text in known for text in texts) / len(texts)
    assert (
        f"Of {len(texts):,} generated strings {100 * share:.1f} % stand in its training"
        in page.text
    )
    shown = [(kind == "bdi.seen", text) for kind, text in page.inside if kind[:4] == "bdi."]
    assert shown == [(text in known, text) for text in texts[:60]]


def test_the_most_and_the_least_expected(report: Report, run_folder: Path, small: Dataset) -> None:
    texts = set(small.texts("val"))
    nats = sorted((naive_nats(run_folder, small, text), text) for text in texts)
    best, worst = nats[:SCORED], nats[::-1][:SCORED]
    model = behaviour(report)
    for scored, expected in ((model.best_scored, best), (model.worst_scored, worst)):
        assert [one.text for one in scored] == [text for _, text in expected]
        assert [one.nats_per_symbol for one in scored] == pytest.approx([n for n, _ in expected])


def test_strings_with_other_line_ends_are_scored_whole(
    tiny_config: RunConfig, tmp_path: Path
) -> None:
    """What other programs take for a line end is a symbol."""
    strings = ["an\u2028na", "ma\x85ria", "\x0cnina", "ro\x1csa", "e\x0bva", "i\rda", "lia\u2029"]
    config = DatasetConfig(("0.5", "0.5", "0"), split_by="line")
    data = dataset.build(sources.Source("odd", strings * 4, 0), config)
    folder = train(tmp_path / "run", override(tiny_config, {"steps": 20}, ""), data)
    found, val = behaviour(describe(folder, data, [])), set(data.texts("val"))
    assert val <= set(strings)
    nats = sorted((naive_nats(folder, data, text), text) for text in val)
    assert [one.text for one in found.best_scored] == [text for _, text in nats[:SCORED]]
    assert [one.text for one in found.worst_scored] == [text for _, text in nats[::-1][:SCORED]]


def test_the_test_split_is_not_looked_at(run_folder: Path, small: Dataset, page: Page) -> None:
    """Other strings there, as many, change nothing on the page."""
    other = Strings.of_ids(np.array([1, 0] * small.strings("test"), np.uint8))
    changed = replace(small, splits={**small.splits, "test": other})
    assert page_of(run_folder, changed, ("nplm train 'a b'",)).text == page.text


def test_looks_are_told(copied: Path, small: Dataset) -> None:
    record_look(copied, 2.5, 60)
    record_look(copied, 2.5, 60)
    before = (copied / LOOKS).read_bytes()
    assert "looked at 2 time(s)" in page_of(copied, small).text
    assert (copied / LOOKS).read_bytes() == before


def test_strings_of_html_are_text(hostile: Page) -> None:
    check_self_contained(hostile)
    tags = {tag for tag, _ in hostile.tags}
    assert not tags & {"script", "s", "u"}
    assert [a for tag, a in hostile.tags if tag == "h1"] == [{}]
    bold = [text for kind, text in hostile.inside if kind == "b."]
    assert "x" not in bold
    assert "<h1 id=x>" in hostile.text
    assert "<s>, from <u>names.txt" in hostile.text
    assert "</pre><script>" in hostile.text
    assert "49" not in "".join(text for kind, text in hostile.inside if kind[:3] == "bdi")


def test_strings_of_val_that_stand_in_train(hostile: Page) -> None:
    assert "100.0% of the val strings also stand in train" in hostile.text


def findings_before_training(data: Dataset, config: RunConfig, folder: Path) -> Sequence[str]:
    """What the page says of a run that has only just begun."""
    folder.mkdir()
    write_facts(folder, new_facts(config, data, folder, folder, "cpu", 1, "2.8.0"))
    return describe(folder, data, []).findings


@pytest.mark.parametrize("inside", ["\u2028", "\x85", "\x0c", "\r", "\x1e", " "])
def test_the_share_that_leaks_where_strings_hold_other_line_ends(
    inside: str, tiny_config: RunConfig, tmp_path: Path
) -> None:
    """Only whole strings leak: their halves, cut at such a symbol, may stand in train."""
    strings = [f"{a}{inside}{b}" for a in "abcdefgh" for b in "abcdefgh"] * 2
    config = DatasetConfig(("0.5", "0.5", "0"), split_by="line")
    data = dataset.build(sources.Source("odd", strings, 0), config)
    train, val = (data.texts(split) for split in ("train", "val"))
    share = sum(string in train for string in val) / len(val)
    assert 0.2 < share < 0.8
    (said,) = findings_before_training(data, tiny_config, tmp_path / "run")
    assert said.startswith(f"{share:.1%} of the val strings also stand in train")


def test_no_string_leaks_by_string(tiny_config: RunConfig, small: Dataset, tmp_path: Path) -> None:
    assert not findings_before_training(small, tiny_config, tmp_path / "run")


def test_one_long_string_does_not_make_all_others_long(
    tiny_config: RunConfig, tmp_path: Path
) -> None:
    """A table of 1,000 strings as wide as the longest would take 80 MB."""
    strings = ["a" * 20_000] + [f"{k:b}" for k in range(1000)]
    data = dataset.build(sources.Source("long", strings, 0), DatasetConfig(seed=2))
    findings_before_training(data, tiny_config, tmp_path / "imports")
    tracemalloc.start()
    findings_before_training(data, tiny_config, tmp_path / "run")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_odd_symbols(tiny_config: RunConfig, tmp_path: Path) -> None:
    strings = ["😀 🧿", "سلام", "日本語", "e\u0301a\u0308", "a\tb c", r"$x\y$", "\x01\x1b", "."] * 9
    data = dataset.build(sources.Source("odd", strings, 0), DatasetConfig(split_by="line"))
    config = override(tiny_config, {"steps": 20}, "")
    found = page_of(train(tmp_path / "run", config, data), data)
    check_self_contained(found)
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", found.html)


class TestUnfinished:
    def test_stopped_half_way(self, tiny_config: RunConfig, small: Dataset, tmp_path: Path) -> None:
        folder = train(tmp_path / "run", tiny_config, small, stop=stop_after(30))
        found = page_of(folder, small)
        assert "not finished: 30 of 60 steps are logged, and 1 evaluation" in found.text
        assert found.headings == SECTIONS
        check_self_contained(found)

    def test_stopped_before_the_first_evaluation(
        self, tiny_config: RunConfig, small: Dataset, tmp_path: Path
    ) -> None:
        folder = train(tmp_path / "run", tiny_config, small, stop=stop_after(10))
        found = page_of(folder, small)
        assert "not finished: 10 of 60 steps are logged, and 0 evaluation(s)" in found.text
        assert "No evaluation has been logged yet." in found.text
        assert "What it writes" not in found.headings
        assert len(found.pictures) == 1

    def test_killed_before_anything_was_saved(self, copied: Path, small: Dataset) -> None:
        for path in copied.iterdir():
            if path.name not in {"config.toml", "vocab.json"}:
                path.unlink()
        found = page_of(copied, small)
        assert "not finished: 0 of 60 steps" in found.text
        assert "Again" in found.headings

    def test_without_the_evaluations(self, copied: Path, small: Dataset) -> None:
        (copied / METRICS).unlink()
        found = page_of(copied, small)
        assert "No evaluation has been logged yet." in found.text
        assert len(found.pictures) == 1

    @pytest.mark.parametrize("name", [BEST, LAST])
    def test_without_weights(self, copied: Path, small: Dataset, name: str) -> None:
        (copied / name).unlink()
        found = page_of(copied, small)
        assert ("not finished" in found.text) == (name == LAST)
        assert ("What it writes" in found.headings) == (name == LAST)


def test_without_val(tiny_config: RunConfig, small: Dataset, tmp_path: Path) -> None:
    source = sources.Source("all", small.texts("train"), 0)
    data = dataset.build(source, DatasetConfig(("1", "0", "0")))
    found = page_of(train(tmp_path / "run", tiny_config, data), data)
    assert "There is no val split" in found.text
    assert found.headings == SECTIONS - {"Next to other models", "What surprised it"}
    assert "not finished" not in found.text
    check_self_contained(found)


def test_an_n_gram(small: Dataset, tmp_path: Path) -> None:
    config = override(preset("ngram"), {"order": 3}, "")
    found = page_of(train(tmp_path / "run", config, small), small)
    assert "This n-gram, trained on" in found.text
    assert found.headings == SECTIONS - {"Training", "What it made of the symbols"}
    assert "not finished" not in found.text
    assert "hidden size" not in found.text
    assert not found.pictures
    check_self_contained(found)


def test_a_mixture(small: Dataset, tmp_path: Path) -> None:
    values = {"order": 3, "steps": 20, "block_size": 2, "embedding_size": 2, "hidden_size": 8}
    folder = train(tmp_path / "run", override(preset("best"), values, ""), small)
    found = describe(folder, small, [])
    assert {"its n-gram", "its network 1", "its network 2", "this mixture"} <= set(found.bars)
    parsed = Page(render(found))
    assert "This mixture, trained on" in parsed.text
    assert parsed.headings == SECTIONS
    check_self_contained(parsed)


def test_the_same_run_gives_the_same_page(run_folder: Path, small: Dataset, page: Page) -> None:
    assert page_of(run_folder, small, ("nplm train 'a b'",)).html == page.html
