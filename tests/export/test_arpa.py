"""ARPA files, read by a naive reader and by KenLM, against the n-gram."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from nplm.config import DatasetConfig, RunConfig
from nplm.counts.ngram import NGram, fit
from nplm.counts.tables import table_of
from nplm.errors import DataError, ExistsError, VerificationError
from nplm.export import arpaformat
from nplm.export.arpa import export_arpa
from nplm.export.arpaformat import spelling
from nplm.presets import override, preset
from nplm.runs.facts import RunFacts, new_facts
from nplm.text.dataset import Dataset, build
from nplm.text.sources import Source
from nplm.text.vocab import BOUNDARY

CORPUS = [
    "the cat sat on the mat .",
    "the dog sat on the <s> .",
    "a <unk> cat <U+0041> \ufffd",
    "the </s> end \u200b .",
    "the cat sat",
] * 4


def naive(path: Path) -> dict[tuple[str, ...], tuple[float, float]]:
    """log10 p and back-off weight of every n-gram, as the format is described everywhere."""
    grams: dict[tuple[str, ...], tuple[float, float]] = {}
    counts: dict[int, int] = {}
    order = 0
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "\\data\\"
    assert lines[-2:] == ["\\end\\", ""]
    for line in lines[1:-2]:
        if match := re.fullmatch(r"ngram (\d+)=(\d+)", line):
            counts[int(match[1])] = int(match[2])
        elif match := re.fullmatch(r"\\(\d+)-grams:", line):
            order = int(match[1])
        elif line:
            number, words, *weight = line.split("\t")
            key = tuple(words.split(" "))
            assert len(key) == order
            assert key not in grams
            grams[key] = float(number), float(weight[0]) if weight else 0.0
    for order, count in counts.items():
        assert sum(len(key) == order for key in grams) == count
    return grams


def log10(grams: dict[tuple[str, ...], tuple[float, float]], context: tuple[str, ...]) -> float:
    """Of the last word after those before it: Katz's back-off, by recursion."""
    if context in grams:
        return grams[context][0]
    *before, _ = context
    return grams.get(tuple(before), (0.0, 0.0))[1] + log10(grams, context[1:])


def names_of(dataset: Dataset) -> list[str]:
    unknown = ["<unk>"] if dataset.vocab.unknown else []
    return ["</s>", *map(spelling, dataset.vocab.symbols), *unknown]


def facts_of(dataset: Dataset, config: RunConfig) -> RunFacts:
    return new_facts(config, dataset, Path("data"), Path("run"), "cpu", 1, "2")


def written(
    dataset: Dataset, order: int, path: Path
) -> tuple[dict[tuple[str, ...], tuple[float, float]], NGram]:
    config = override(preset("ngram"), {"order": order}, "")
    proof = export_arpa(facts_of(dataset, config), dataset, path)
    grams = naive(path)
    assert sum(proof.counts) == len(grams)
    assert proof.pairs > 0
    assert proof.largest < 1e-6
    return grams, fit(table_of(dataset, "train", order - 1), order)


def corpus(**options: object) -> Dataset:
    config = DatasetConfig(("0.5", "0.5", "0"), "line", level="word", **options)  # type: ignore[arg-type]
    return build(Source("corpus", CORPUS, 0), config)


@pytest.mark.parametrize("order", [2, 3, 5, 8])
@pytest.mark.parametrize("kind", ["names", "words", "rare words", "stream"])
def test_a_naive_reader_gets_what_the_n_gram_has(
    small: Dataset, tmp_path: Path, order: int, kind: str
) -> None:
    """After contexts of val, of any symbol; orders that no string has too."""
    dataset = small
    if kind == "words":
        dataset = corpus()
    elif kind == "rare words":
        dataset = corpus(min_count=3)
    elif kind == "stream":
        config = DatasetConfig(("0.5", "0.5", "0"), "order", level="word", document="stream")
        dataset = build(Source("corpus", CORPUS, 0), config)
    grams, ngram = written(dataset, order, tmp_path / "x.arpa")
    words = names_of(dataset)
    table = table_of(dataset, "val", order - 1)
    chosen = np.random.default_rng(0).permutation(len(table))[:60]
    contexts = table.contexts[chosen]
    rows = np.log10(ngram.probabilities(contexts))
    for ids, row in zip(contexts.tolist(), rows, strict=True):
        inside = [words[k] for k in ids if k != BOUNDARY]
        before = (*(["<s>"] if len(inside) < len(ids) else []), *inside)
        for symbol in range(len(words)):
            assert log10(grams, (*before, words[symbol])) == pytest.approx(row[symbol], abs=1e-5)
    assert grams["<s>",][0] == -99
    assert grams["<unk>",][0] == -99 or dataset.vocab.unknown


@pytest.mark.parametrize("order", [3, 6])
def test_kenlm_reads_it(small: Dataset, tmp_path: Path, order: int) -> None:
    kenlm = pytest.importorskip("kenlm", exc_type=ImportError)
    for dataset in (small, corpus(), corpus(min_count=3)):
        path = tmp_path / f"{len(dataset.vocab)}.arpa"
        _, ngram = written(dataset, order, path)
        model, words = kenlm.Model(str(path)), names_of(dataset)
        table = table_of(dataset, "val", order - 1)
        ours = -(table.counts * ngram.log_probabilities(table)).sum() / math.log(10)
        strings = [ids[:-1].tolist() for ids in dataset.splits["val"]]
        theirs = -sum(model.score(" ".join(words[k] for k in ids)) for ids in strings)
        assert theirs == pytest.approx(ours, rel=1e-5)


@pytest.mark.parametrize(
    ("symbol", "written"),
    [
        ("the", "the"),
        (" ", "<U+0020>"),
        ("\u200b", "<U+200B>"),
        ("\x00", "<U+0000>"),
        ("<s>", "<U+003C>s>"),
        ("</S>", "<U+003C>/S>"),
        ("<unk>", "<U+003C>unk>"),
        ("<U+0041>", "<U+003C>U+0041>"),
        ("<", "<"),
        ("é", "é"),
    ],
)
def test_spellings(symbol: str, written: str) -> None:
    assert spelling(symbol) == written


def test_a_run_without_an_n_gram_and_a_file_that_is_there(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no n-gram"):
        export_arpa(facts_of(small, preset("default")), small, tmp_path / "x.arpa")
    (tmp_path / "x.arpa").write_text("mine")
    with pytest.raises(ExistsError):
        written(small, 3, tmp_path / "x.arpa")
    assert (tmp_path / "x.arpa").read_text() == "mine"


def test_what_is_wrong_is_not_put_in_place(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arpaformat, "DIGITS", 3)
    with pytest.raises(VerificationError, match="off by"):
        written(small, 3, tmp_path / "x.arpa")
    assert list(tmp_path.iterdir()) == []
