"""Strings to ids on disk and back: nothing is lost, and damage is noticed."""

import errno
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from nplm.checks import SPLITS
from nplm.config import DatasetConfig
from nplm.counts.tables import table_of
from nplm.errors import DataError, ExistsError
from nplm.text.datafolder import load, save
from nplm.text.dataset import Dataset, build, reencode
from nplm.text.sources import read_source
from nplm.text.vocab import Vocab
from smalltexts import HALVES, STRINGS, made


def inside(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# Building


def test_ids_by_hand() -> None:
    data = made("ba\nb\n", split_by="line", seed=1)
    assert data.vocab.symbols == ("a", "b")
    lines = data.texts("train")
    expected = [k for line in lines for k in [*data.vocab.encode(line), 0]]
    assert data.splits["train"].ids.tolist() == expected
    assert sorted(lines) == ["b", "ba"]


@given(STRINGS)
def test_every_string_comes_back(strings: list[str]) -> None:
    data = made("\n".join(strings), normalize="none")
    assert Counter(data.texts("train")) == Counter(strings)
    assert data.strings("train") == len(strings)
    assert data.symbols("train") == sum(len(string) + 1 for string in strings)
    assert data.longest == max(map(len, strings))


def test_rare_symbols_of_train_are_one_symbol(tmp_path: Path) -> None:
    """Counted in train alone: what val shows often is unknown where train shows it less."""
    text = "\n".join(["ab"] * 3 + ["ac", *"defghijk"])
    data = made(text, split=("0.5", "0.25", "0.25"), split_by="line", min_count=2, seed=3)
    counts = Counter("".join(data.texts("train")))
    assert {*data.vocab.symbols} == {s for s in counts if counts[s] > 1 and s != "\ufffd"}
    assert data.vocab.unknown
    assert data.source["min_count"] == 2
    for name in SPLITS:
        unknown = "".join(data.texts(name)).count("\ufffd")
        assert data.unknown(name) == unknown > 0
    save(data, tmp_path / "d")
    assert_same(load(tmp_path / "d"), data)
    facts = json.loads((tmp_path / "d" / "dataset.json").read_bytes())
    assert (facts["format"], facts["unknown"]) == (2, True)


def test_a_count_that_leaves_nothing() -> None:
    with pytest.raises(
        DataError, match=r"^no symbol stands 9 times in the train split of few\.txt"
    ):
        made("abc\n", min_count=9)


def test_symbols_that_another_vocabulary_lacks_are_its_unknown_one() -> None:
    again = reencode(made("abcd\n"), Vocab(("a", "c"), unknown=True), "nfc")
    assert again.splits["train"].ids.tolist() == [1, 3, 2, 3, 0]
    data = made("aabb\nab\nc\n", min_count=2)
    same = reencode(data, Vocab(("b", "a"), unknown=True), "nfc")
    assert Counter(same.texts("train")) == Counter(data.texts("train"))
    with pytest.raises(DataError, match="never saw: \ufffd"):
        reencode(data, Vocab(("a", "b")), "nfc")


def test_a_full_stop_in_the_data_is_not_the_boundary() -> None:
    data = made("a.b\n.\n")
    assert data.vocab.symbols == (".", "a", "b")
    assert data.strings("train") == 2
    assert set(data.texts("train")) == {"a.b", "."}


def test_the_vocabulary_is_that_of_all_splits() -> None:
    assert made("a\nb\nc\nd\n", split=HALVES).vocab.symbols == tuple("abcd")


def test_one_symbol() -> None:
    data = made("a\na\n")
    assert len(data.vocab) == 2
    assert data.splits["train"].ids.tolist() == [1, 0, 1, 0]


def test_more_symbols_than_a_byte_holds() -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300))
    data = made(symbols)
    assert data.splits["train"].ids.tolist() == [*range(1, 301), 0]
    assert data.texts("train") == [symbols]


def test_what_was_read_is_told() -> None:
    data = made("a\n\nb\na\n", seed=7)
    assert data.name == "few.txt"
    assert data.source == {
        "file": "few.txt",
        "lines": 4,
        "blank_lines": 1,
        "strings": 3,
        "distinct_strings": 2,
        "split": ["1", "0", "0"],
        "split_by": "string",
        "distinct": False,
        "seed": 7,
    }


def test_where_the_file_was_is_told_when_it_is_known(tmp_path: Path) -> None:
    source = read_source(b"a\nb\n", "few.txt", path="lists/few.txt")
    data = build(source, DatasetConfig(("1", "0", "0")))
    assert (data.source["file"], data.source["path"]) == ("few.txt", "lists/few.txt")
    save(data, tmp_path / "few")
    assert load(tmp_path / "few").source == data.source
    assert data.sha256 == made("a\nb\n").sha256


def test_an_empty_split_has_no_table() -> None:
    with pytest.raises(DataError, match=r"the val split of few\.txt is empty"):
        table_of(made("abc\n"), "val", 3)


def test_the_table_of_a_split_is_of_that_split() -> None:
    data = made("a\nbb\nccc\ndddd\n", split=HALVES)
    assert [table_of(data, name, 2).symbols for name in SPLITS] == [data.symbols(s) for s in SPLITS]


def test_reencoding_with_its_own_vocabulary_is_the_same_data_set(small: Dataset) -> None:
    assert reencode(small, small.vocab, "nfc") is small


def test_reencoded_strings_are_the_same_strings_with_other_ids(small: Dataset) -> None:
    vocab = Vocab((*reversed(small.vocab.symbols), "🦀"))
    again = reencode(small, vocab, "nfc")
    assert again.vocab == vocab
    assert [again.texts(name) for name in SPLITS] == [small.texts(name) for name in SPLITS]
    assert again.splits["val"].ids.tolist() != small.splits["val"].ids.tolist()


def test_reencoding_normalises_as_the_other_vocabulary_does() -> None:
    data = made("e\u0301\n", normalize="none")
    again = reencode(data, Vocab(("é",)), "nfc")
    assert again.normalize == "nfc"
    assert again.texts("train") == ["é"]


def test_symbols_that_the_other_vocabulary_lacks_are_named() -> None:
    with pytest.raises(DataError) as caught:
        reencode(made("abcd\n"), Vocab(("a", "c")), "nfc")
    assert caught.value.problem == "few.txt has symbols the model never saw: bd"
    assert caught.value.cure == "it knows ac"


# On disk


def assert_same(a: Dataset, b: Dataset) -> None:
    assert (a.vocab, a.normalize, a.source, a.sha256) == (b.vocab, b.normalize, b.source, b.sha256)
    for name in SPLITS:
        np.testing.assert_array_equal(a.splits[name].ids, b.splits[name].ids)
        assert a.splits[name].ids.dtype == b.splits[name].ids.dtype


def test_what_is_saved_is_loaded(small: Dataset, small_folder: Path) -> None:
    loaded = load(small_folder)
    assert_same(loaded, small)
    assert loaded.name == "names"


@pytest.mark.parametrize(
    "text", ["a\n", "\x00\r\u2028.\n", "".join(chr(0x4E00 + k) for k in range(300))]
)
def test_odd_data_sets_are_loaded_too(tmp_path: Path, text: str) -> None:
    data = made(text)
    save(data, tmp_path / "d")
    assert_same(load(tmp_path / "d"), data)


def test_what_is_loaded_stays_when_the_file_is_cut(small_folder: Path, tmp_path: Path) -> None:
    """A mapped one would end the process where the file does."""
    folder = Path(shutil.copytree(small_folder, tmp_path / "d"))
    stream = load(folder).splits["train"].ids
    (folder / "train.npy").write_bytes(b"")
    assert stream.max() > 0
    assert not stream.flags.writeable


def test_the_folder_holds_the_documented_files(small_folder: Path) -> None:
    names = {path.name for path in small_folder.iterdir()}
    assert names == {"dataset.json", "train.npy", "val.npy", "test.npy"}
    assert [path.name for path in small_folder.parent.iterdir()] == ["names"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of 12 letters, all three splits in use."""
    save(made("\n".join("abcdefghijkl"), split=HALVES), tmp_path / "letters")
    return tmp_path / "letters"


def test_saving_replaces_the_whole_folder_with_force_only(folder: Path) -> None:
    data, old = made("xyz\n"), load(folder)
    with pytest.raises(ExistsError, match="`force=True`"):
        save(data, folder)
    assert_same(load(folder), old)
    (folder / "val.npy").unlink()
    save(data, folder, force=True)
    assert_same(load(folder), data)


@pytest.mark.parametrize("name", ["stray.txt", "sub/", "train.npy.bak"])
def test_saving_replaces_nothing_that_is_not_ours(folder: Path, name: str) -> None:
    stray = folder / name
    stray.mkdir() if name.endswith("/") else stray.write_bytes(b"mine")
    before = inside(folder)
    with pytest.raises(ExistsError, match=rf"holds {stray.name}, which is not of a data set"):
        save(made("xyz\n"), folder, force=True)
    assert inside(folder) == before


def test_a_loaded_data_set_can_be_saved_over_itself(folder: Path) -> None:
    data = load(folder)
    save(data, folder, force=True)
    assert_same(load(folder), data)


def test_a_failed_save_leaves_the_old_data_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(folder)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataError, match="letters: No space left"):
        save(made("xyz\n"), folder, force=True)
    assert_same(load(folder), before)
    assert [path.name for path in folder.parent.iterdir()] == ["letters"]


def test_a_folder_without_a_data_set_is_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no data set in .*gone; .*nplm dataset build"):
        load(tmp_path / "gone")


@pytest.mark.parametrize("name", SPLITS)
def test_a_missing_stream_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.npy").unlink()
    with pytest.raises(DataError, match=rf"{name}\.npy"):
        load(folder)


@pytest.mark.parametrize("name", SPLITS)
def test_an_emptied_stream_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.npy").write_bytes(b"")
    with pytest.raises(DataError, match=rf"{name}\.npy"):
        load(folder)


def test_a_stream_cut_anywhere_is_named(folder: Path) -> None:
    path = folder / "train.npy"
    content = path.read_bytes()
    for size in range(1, len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"train\.npy"):
            load(folder)


def test_a_large_stream_cut_short_is_named(small: Dataset, tmp_path: Path) -> None:
    save(small, tmp_path / "d")
    path = tmp_path / "d" / "train.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"train\.npy"):
        load(tmp_path / "d")


def flipped(content: bytes, k: int) -> bytes:
    return content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :]


def test_any_flipped_byte_of_the_ids_is_noticed(folder: Path) -> None:
    path = folder / "val.npy"
    content = path.read_bytes()
    for k in range(128, len(content)):
        path.write_bytes(flipped(content, k))
        with pytest.raises(DataError, match=r"letters: .*dataset\.json"):
            load(folder)


def test_any_flipped_byte_of_a_streams_header_is_noticed(folder: Path) -> None:
    path = folder / "val.npy"
    content = path.read_bytes()
    for k in range(128):
        path.write_bytes(flipped(content, k))
        with pytest.raises(DataError, match="letters"):
            load(folder)


def test_streams_that_changed_places_are_noticed(folder: Path) -> None:
    first, second = folder / "val.npy", folder / "test.npy"
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])
    with pytest.raises(DataError, match=r"letters: .*dataset\.json"):
        load(folder)


@pytest.mark.parametrize(
    "array", [np.zeros(3, np.int64), np.zeros(3), np.zeros((2, 2), np.uint8), np.uint8(0)]
)
def test_an_array_that_is_no_stream_is_named(folder: Path, array: np.ndarray) -> None:
    np.save(folder / "test.npy", array)
    with pytest.raises(DataError, match=r"test\.npy is not an array of ids"):
        load(folder)


def test_a_pickle_is_not_opened(folder: Path) -> None:
    np.save(folder / "test.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"test\.npy is not an array of ids"):
        load(folder)


def test_a_description_cut_anywhere_is_named(folder: Path) -> None:
    path = folder / "dataset.json"
    content = path.read_bytes().rstrip()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(DataError, match=r"dataset\.json"):
            load(folder)


Facts = dict[str, Any]
DAMAGE: dict[str, Callable[[Facts], object]] = {
    "no format": lambda facts: facts.pop("format"),
    "a later format": lambda facts: facts.update(format=2),
    "no symbols": lambda facts: facts.pop("symbols"),
    "no normalisation": lambda facts: facts.pop("normalize"),
    "no source": lambda facts: facts.pop("source"),
    "no hash": lambda facts: facts.pop("sha256"),
    "another hash": lambda facts: facts.update(sha256="0" * 64),
    "another normalisation": lambda facts: facts.update(normalize="none"),
    "a symbol changed": lambda facts: facts["symbols"].__setitem__(0, "z"),
    "a symbol lost": lambda facts: facts["symbols"].pop(),
    "a symbol twice": lambda facts: facts["symbols"].__setitem__(0, "b"),
    "a long symbol": lambda facts: facts["symbols"].__setitem__(0, "ab"),
    "a number for a symbol": lambda facts: facts["symbols"].__setitem__(0, 1),
    "half a surrogate pair": lambda facts: facts["symbols"].__setitem__(0, "\ud800"),
    "null for symbols": lambda facts: facts.update(symbols=None),
    "text for source": lambda facts: facts.update(source="names.txt"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_description_is_named(folder: Path, damage: str) -> None:
    path = folder / "dataset.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    DAMAGE[damage](facts)
    path.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(DataError, match=r"letters.*dataset\.json"):
        load(folder)
