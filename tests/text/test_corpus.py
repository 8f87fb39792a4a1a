"""Data sets of words, of streams, and of splits that come in files of their own."""

import json
from pathlib import Path

import pytest

import nplm
from nplm.config import DatasetConfig
from nplm.errors import DamagedError, DataError, UsageError
from nplm.text.datafolder import load, save
from nplm.text.dataset import FORMAT, FORMAT_3, PIECE, Dataset, build, reencode
from nplm.text.sources import Source

LINES = ["the cat sat", "the dog  sat", "a cat", "the end"]
STREAM = DatasetConfig(("0.5", "0.25", "0.25"), "order", level="word", document="stream")


def made(lines: list[str], config: DatasetConfig, **parts: list[str]) -> Dataset:
    splits = {"train": lines, "val": [], "test": [], **parts} if parts else None
    every = [line for part in splits.values() for line in part] if splits else lines
    return build(Source("text.txt", every, 0, splits=splits), config)


def test_a_stream_is_one_string_a_split_in_the_order_of_its_lines() -> None:
    dataset = made(LINES, STREAM)
    assert dataset.texts("train") == ["the cat sat the dog sat"]
    assert (dataset.texts("val"), dataset.texts("test")) == (["a cat"], ["the end"])
    assert [dataset.symbols(split) for split in ("train", "val", "test")] == [7, 3, 3]
    assert dataset.longest == 6
    assert (dataset.unseen("val"), dataset.unseen("train")) == (1, 0)


def test_line_ends_of_a_stream_of_characters_are_blanks() -> None:
    config = DatasetConfig(("1", "0", "0"), "order", document="stream")
    dataset = made(["ab", "c"], config)
    assert dataset.texts("train") == ["ab c"]
    assert dataset.texts("val") == []
    assert dataset.vocab.symbols == (" ", "a", "b", "c")


@pytest.mark.parametrize("level", ["word", "character"])
def test_a_long_stream_is_read_in_pieces(level: str) -> None:
    lines = [f"w{k % 7} x" for k in range(2 * PIECE + 3)]
    config = DatasetConfig(("1", "0", "0"), "order", document="stream", level=level)  # type: ignore[arg-type]
    assert made(lines, config).texts("train") == [" ".join(lines)]


def test_which_splits_say_what_is_rare() -> None:
    parts = {"val": ["b b b", "a"], "test": ["c c"]}
    counted = {
        on: made(["a a a c"], DatasetConfig(min_count=2, level="word", count_on=on), **parts)
        for on in ("train", "all")
    }
    assert counted["train"].vocab.symbols == ("a",)
    assert counted["all"].vocab.symbols == ("a", "b", "c")
    assert counted["train"].unknown("val") == 3
    assert counted["all"].source["count_on"] == "all"
    assert counted["all"].source["split_by"] == "file"


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        (STREAM, {}),
        (DatasetConfig(level="word", min_count=1, split=("0.5", "0.25", "0.25")), {}),
        (DatasetConfig(("1", "0", "0"), "order", document="stream"), {}),
        (DatasetConfig(max_vocab=4), {"val": ["a"]}),
    ],
)
def test_what_is_saved_is_loaded(
    tmp_path: Path, config: DatasetConfig, parts: dict[str, list[str]]
) -> None:
    dataset = made(LINES, config, **parts)
    save(dataset, tmp_path / "text")
    loaded = load(tmp_path / "text")
    assert (loaded.vocab, loaded.document, loaded.sha256) == (
        dataset.vocab,
        dataset.document,
        dataset.sha256,
    )
    assert loaded.texts("train") == dataset.texts("train")
    described = json.loads((tmp_path / "text" / "dataset.json").read_bytes())
    assert described["format"] == FORMAT_3
    for key, value in (("format", FORMAT), ("level", "syllable"), ("document", "page")):
        changed = json.dumps(described | {key: value})
        (tmp_path / "text" / "dataset.json").write_text(changed, encoding="utf-8")
        with pytest.raises(DamagedError, match=r"dataset\.json is damaged"):
            load(tmp_path / "text")


def test_lists_are_hashed_by_what_they_are() -> None:
    """The same ids and symbols as lines of characters, of words, and as a stream."""
    one = ("1", "0", "0")
    kinds = [
        DatasetConfig(one, "order"),
        DatasetConfig(one, "order", level="word"),
        DatasetConfig(one, "order", document="stream"),
    ]
    made_of = [made(["a"], config) for config in kinds]
    assert all(d.splits["train"].ids.tolist() == [1, 0] for d in made_of)
    assert len({d.sha256 for d in made_of}) == 3


def test_reencoding_names_the_words_that_are_missing() -> None:
    vocab = made(LINES, STREAM).vocab
    other = made(["the bird sat"], DatasetConfig(("1", "0", "0"), level="word"))
    with pytest.raises(DataError, match="symbols the model never saw: bird"):
        reencode(other, vocab, "nfc")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"document": "stream"}, "a stream is cut in the order of its lines"),
        ({"document": "stream", "split_by": "order", "distinct": True}, "a stream is cut"),
        ({"max_vocab": 1}, "`max_vocab` is 1; it must be at least 3"),
        ({"max_vocab": -1}, "`max_vocab` is -1"),
        ({"level": "syllable"}, "`level` is 'syllable'"),
        ({"count_on": "val"}, "`count_on` is 'val'"),
        ({"document": "page"}, "`document` is 'page'"),
    ],
)
def test_settings_that_are_none(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DatasetConfig(**options)  # type: ignore[arg-type]


def test_from_python(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_text("the cat\n \nthe bird\n", encoding="utf-8")
    dataset = nplm.build(
        {"train": LINES, "val": tmp_path / "val.txt"}, level="word", min_count=2, document="stream"
    )
    assert dataset.vocab.symbols == ("cat", "sat", "the")
    assert dataset.texts("val") == ["the cat the \ufffd"]
    assert dataset.source["blank_lines"] == 1
    for strings in ({"val": LINES}, {"train": LINES, "dev": LINES}, {}):
        with pytest.raises(UsageError, match="`strings` has the splits"):
            nplm.build(strings)


def test_a_vocabulary_of_one_word_and_of_none() -> None:
    assert len(made(["a a"], DatasetConfig(("1", "0", "0"), level="word")).vocab) == 2
    with pytest.raises(DataError, match="no symbol stands 9 times in the train split"):
        made(LINES, DatasetConfig(("1", "0", "0"), level="word", min_count=9))
