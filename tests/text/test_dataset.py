"""Text to splits to ids on disk and back: what is data, where it goes, what damage is noticed."""

import errno
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.config import DatasetConfig
from nplm.counts.tables import table_of
from nplm.errors import DataError
from nplm.text.dataset import (
    SPLITS,
    Dataset,
    Source,
    build,
    load,
    longest_string,
    read_source,
    reencode,
    save,
    split_strings,
)
from nplm.text.vocab import Vocab, normalize

ALL_TRAIN = ("1", "0", "0")
HALVES = ("0.5", "0.25", "0.25")
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n\ufeff")
# A carriage return before a line end would be part of it.
STRINGS = st.lists(
    st.text(CHARACTERS | st.sampled_from("a\r\u0301"), min_size=1).filter(lambda s: s[-1] != "\r"),
    min_size=1,
)


def made(text: str, **options: Any) -> Dataset:
    """The data set of a text, all in train unless told otherwise."""
    config = DatasetConfig(**{"split": ALL_TRAIN, **options})
    return build(read_source(text.encode(), "few.txt", config.normalize), config)


# Reading


@given(STRINGS, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_lines_are_read_as_they_are(strings: list[str], end: str, last: bool) -> None:
    content = end.join(strings) + (end if last else "")
    source = read_source(content.encode(), "f", form="none")
    assert source == Source("f", strings, blank=0)


@given(STRINGS)
def test_nfc_is_that_of_each_string(strings: list[str]) -> None:
    source = read_source("\n".join(strings).encode(), "f")
    assert source.strings == [normalize(string, "nfc") for string in strings]


@pytest.mark.parametrize("symbol", list("\x00\x0b\x0c\x1c\x1d\x1e\t \x85\xa0\u2028\u2029\ufeff\r"))
def test_no_other_character_ends_a_line_or_is_lost(symbol: str) -> None:
    source = read_source(f"a{symbol}b\nc{symbol}{symbol}d".encode(), "f", form="none")
    assert source.strings == [f"a{symbol}b", f"c{symbol}{symbol}d"]


@pytest.mark.parametrize("symbol", ["\t", " ", "\x85", "\u2028", "\xa0"])
def test_outer_blanks_are_symbols_and_a_line_of_them_is_a_string(symbol: str) -> None:
    source = read_source(f"{symbol}a{symbol}\n{symbol}\n".encode(), "f", form="none")
    assert source == Source("f", [f"{symbol}a{symbol}", symbol], blank=0)


@pytest.mark.parametrize(
    ("content", "strings"),
    [
        (b"a\r\nb\nc", ["a", "b", "c"]),
        (b"a\r\r\nb", ["a\r", "b"]),
        (b"a\rb\r", ["a\rb\r"]),
        (b"\ra\n", ["\ra"]),
        (b"a\n\rb\n", ["a", "\rb"]),
    ],
)
def test_a_lone_carriage_return_is_a_symbol(content: bytes, strings: list[str]) -> None:
    assert read_source(content, "f").strings == strings


@pytest.mark.parametrize(
    ("content", "strings", "blank"),
    [
        (b"a\nb\n", ["a", "b"], 0),
        (b"a\n\nb", ["a", "b"], 1),
        (b"\na\n", ["a"], 1),
        (b"\r\n\r\na\r\n\n", ["a"], 3),
        (b"\xef\xbb\xbf\na", ["a"], 1),
    ],
)
def test_blank_lines_are_skipped_and_counted(
    content: bytes, strings: list[str], blank: int
) -> None:
    assert read_source(content, "f") == Source("f", strings, blank)


def test_a_byte_order_mark_is_dropped_and_only_at_the_start() -> None:
    source = read_source("\ufeffa\n\ufeffb\n".encode(), "f")
    assert source.strings == ["a", "\ufeffb"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\n\n\n", b"\xef\xbb\xbf"])
def test_a_text_without_strings_is_an_error_that_names_it(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^f\.txt has no strings"):
        read_source(content, "f.txt")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"\xff", "line 1, byte 1 is 0xff"),
        (b"ab\xe9\n", "line 1, byte 3 is 0xe9"),
        (b"ab\ncd\n\x80", "line 3, byte 1 is 0x80"),
        (b"a\r\nb\xc3", "line 2, byte 2 is 0xc3"),
        ("é\né".encode() + b"\xfe\nx", "line 2, byte 3 is 0xfe"),
        (b"\xed\xa0\x80\n", "line 1, byte 1 is 0xed"),
    ],
)
def test_text_that_is_not_utf8_is_named_with_line_and_byte(content: bytes, place: str) -> None:
    with pytest.raises(DataError, match=rf"^f\.txt is not UTF-8: {place}"):
        read_source(content, "f.txt")


def test_the_place_is_right_after_a_byte_order_mark_too() -> None:
    with pytest.raises(DataError, match="line 2, byte 3 is 0xff"):
        read_source(b"\xef\xbb\xbfab\ncd\xff\n", "f.txt")


def test_normalisation_makes_two_spellings_one_string() -> None:
    text = "e\u0301\né\n"
    assert made(text).vocab.symbols == ("é",)
    assert made(text, normalize="none").vocab.symbols == ("e", "é", "\u0301")
    assert made(text, distinct=True).strings("train") == 1
    assert made(text, distinct=True, normalize="none").strings("train") == 2


# Splitting

COPIES = st.lists(st.integers(0, 12).map(str)).map(lambda more: more + [str(k) for k in range(8)])


@given(COPIES, st.integers(0, 9))
def test_by_string_every_copy_follows_its_string(strings: list[str], seed: int) -> None:
    splits = split_strings(strings, DatasetConfig(split=HALVES, seed=seed))
    train, val, test = (set(splits[name]) for name in SPLITS)
    assert len(train) + len(val) + len(test) == len(set(strings))
    assert train | val | test == set(strings)
    assert Counter(s for name in SPLITS for s in splits[name]) == Counter(strings)


@given(COPIES, st.integers(0, 9))
def test_by_string_the_distinct_ones_are_shuffled_and_cut(strings: list[str], seed: int) -> None:
    distinct = list(dict.fromkeys(strings))
    random.Random(seed).shuffle(distinct)
    half, rest = len(distinct) // 2, len(distinct) * 3 // 4
    splits = split_strings(strings, DatasetConfig(split=HALVES, seed=seed))
    firsts = [list(dict.fromkeys(splits[name])) for name in SPLITS]
    assert firsts == [distinct[:half], distinct[half:rest], distinct[rest:]]


@pytest.mark.parametrize("split_by", ["string", "line"])
@given(strings=COPIES)
def test_distinct_drops_the_copies_first(split_by: str, strings: list[str]) -> None:
    config = DatasetConfig(split=HALVES, split_by=split_by, distinct=True)
    splits = split_strings(strings, config)
    assert sorted(s for name in SPLITS for s in splits[name]) == sorted(set(strings))


@given(COPIES, st.integers(0, 9))
def test_by_line_the_lines_are_shuffled_and_cut(strings: list[str], seed: int) -> None:
    lines = list(strings)
    random.Random(seed).shuffle(lines)
    half, rest = len(lines) // 2, len(lines) * 3 // 4
    splits = split_strings(strings, DatasetConfig(split=HALVES, split_by="line", seed=seed))
    assert [splits[name] for name in SPLITS] == [lines[:half], lines[half:rest], lines[rest:]]


def test_splitting_does_not_change_the_callers_list() -> None:
    strings = [str(k) for k in range(20)]
    split_strings(strings, DatasetConfig(split_by="line"))
    assert strings == [str(k) for k in range(20)]


@pytest.mark.parametrize("strings", [10, 100, 1000, 32033])
def test_by_line_the_cuts_are_the_notebooks(strings: int) -> None:
    splits = split_strings([str(k) for k in range(strings)], DatasetConfig(split_by="line"))
    sizes = [len(splits[name]) for name in SPLITS]
    first, second = int(0.8 * strings), int(0.9 * strings)
    assert sizes == [first, second - first, strings - second]


def test_the_cuts_are_exact_where_floats_are_not() -> None:
    # As floats 0.7 + 0.2 is below 0.9.
    config = DatasetConfig(split=("0.7", "0.2", "0.1"))
    splits = split_strings([str(k) for k in range(10)], config)
    assert [len(splits[name]) for name in SPLITS] == [7, 2, 1]


@pytest.mark.shared
def test_by_line_the_lessons_names_are_split_as_in_the_notebook(shared_names: Path) -> None:
    lines = shared_names.read_text(encoding="utf-8").split()
    source = read_source(shared_names.read_bytes(), "names.txt")
    names = build(source, DatasetConfig(split_by="line", seed=314))
    random.Random(314).shuffle(lines)
    first, second = int(0.8 * len(lines)), int(0.9 * len(lines))
    parts = (lines[:first], lines[first:second], lines[second:])
    assert [names.lines(name).split("\n")[:-1] for name in SPLITS] == list(parts)
    assert [names.symbols(name) for name in SPLITS] == [182_588, 22_721, 22_837]


@pytest.mark.shared
def test_by_string_the_lessons_names_do_not_leak(shared_names: Path) -> None:
    names = build(read_source(shared_names.read_bytes(), "names.txt"), DatasetConfig())
    train, val, test = (set(names.lines(name).split("\n")[:-1]) for name in SPLITS)
    assert len(train) + len(val) + len(test) == len(train | val | test) == 29_494
    assert sum(names.strings(name) for name in SPLITS) == 32_033


def test_one_string_cannot_be_split_in_three() -> None:
    with pytest.raises(DataError, match=r"the train split would be empty: 0\.8 of 1 strings"):
        made("abc\n", split=("0.8", "0.1", "0.1"))


def test_a_share_that_comes_out_empty_is_named() -> None:
    with pytest.raises(DataError, match=r"the val split would be empty.*`split=\(1, 0, 0\)`"):
        made("a\nb\nc\n", split=("0.8", "0.1", "0.1"))


def test_copies_do_not_make_a_share_less_empty() -> None:
    with pytest.raises(DataError, match="would be empty"):
        made("a\n" * 100, split=("0.8", "0.1", "0.1"))


def test_one_string_can_all_be_train() -> None:
    data = made("abc\n")
    assert [data.strings(name) for name in SPLITS] == [1, 0, 0]
    assert [data.symbols(name) for name in SPLITS] == [4, 0, 0]
    assert [data.lines(name) for name in SPLITS] == ["abc\n", "", ""]


@pytest.mark.parametrize("split", [("0.5", "0", "0.5"), ("0.5", "0.5", "0")])
def test_a_share_of_zero_stays_empty(split: tuple[str, str, str]) -> None:
    data = made("a\nb\nc\n", split=split)
    for name, share in zip(SPLITS, split, strict=True):
        assert (data.strings(name) == 0) == (share == "0")


# Building


def test_ids_by_hand() -> None:
    data = made("ba\nb\n", split_by="line", seed=1)
    assert data.vocab.symbols == ("a", "b")
    lines = data.lines("train").split("\n")[:-1]
    expected = [k for line in lines for k in [*data.vocab.encode(line), 0]]
    assert data.streams["train"].tolist() == expected
    assert sorted(lines) == ["b", "ba"]


@given(STRINGS)
def test_every_string_comes_back(strings: list[str]) -> None:
    data = made("\n".join(strings), normalize="none")
    assert Counter(data.lines("train").removesuffix("\n").split("\n")) == Counter(strings)
    assert data.strings("train") == len(strings)
    assert data.symbols("train") == sum(len(string) + 1 for string in strings)
    assert data.longest == max(map(len, strings))


def test_a_full_stop_in_the_data_is_not_the_boundary() -> None:
    data = made("a.b\n.\n")
    assert data.vocab.symbols == (".", "a", "b")
    assert data.strings("train") == 2
    assert set(data.lines("train").split("\n")[:-1]) == {"a.b", "."}


def test_the_vocabulary_is_that_of_all_splits() -> None:
    assert made("a\nb\nc\nd\n", split=HALVES).vocab.symbols == tuple("abcd")


def test_one_symbol() -> None:
    data = made("a\na\n")
    assert len(data.vocab) == 2
    assert data.streams["train"].tolist() == [1, 0, 1, 0]


def test_more_symbols_than_a_byte_holds() -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(300))
    data = made(symbols)
    assert data.streams["train"].tolist() == [*range(1, 301), 0]
    assert data.lines("train") == symbols + "\n"


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


@pytest.mark.parametrize(
    ("stream", "longest"), [([], 0), ([0], 0), ([1, 0], 1), ([1, 0, 2, 2, 2, 0, 0], 3)]
)
def test_the_longest_string_of_a_stream(stream: list[int], longest: int) -> None:
    assert longest_string(np.array(stream, np.uint8)) == longest


def test_the_hash_is_of_content_alone() -> None:
    assert made("ab\nc\n").sha256 == made("ab\r\n\r\nc\r\n").sha256


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"normalize": "none"}, {"split": HALVES}, {"distinct": True}]
)
def test_the_hash_tells_data_sets_apart(options: dict[str, Any]) -> None:
    text = "".join(f"{k}\n" for k in range(20)) * 2
    assert made(text).sha256 != made(text, **options).sha256


def test_the_hash_tells_symbols_apart() -> None:
    # The same ids, other symbols.
    assert made("ab\n").sha256 != made("xy\n").sha256


# Another vocabulary


def test_reencoding_with_its_own_vocabulary_is_the_same_data_set(small: Dataset) -> None:
    assert reencode(small, small.vocab, "nfc") is small


def test_reencoded_strings_are_the_same_strings_with_other_ids(small: Dataset) -> None:
    vocab = Vocab((*reversed(small.vocab.symbols), "🦀"))
    again = reencode(small, vocab, "nfc")
    assert again.vocab == vocab
    assert [again.lines(name) for name in SPLITS] == [small.lines(name) for name in SPLITS]
    assert again.streams["val"].tolist() != small.streams["val"].tolist()


def test_reencoding_normalises_as_the_other_vocabulary_does() -> None:
    data = made("e\u0301\n", normalize="none")
    again = reencode(data, Vocab(("é",)), "nfc")
    assert again.normalize == "nfc"
    assert again.lines("train") == "é\n"


def test_symbols_that_the_other_vocabulary_lacks_are_named() -> None:
    with pytest.raises(DataError) as caught:
        reencode(made("abcd\n"), Vocab(("a", "c")), "nfc")
    assert caught.value.problem == "few.txt has symbols the model never saw: bd"
    assert caught.value.cure == "it knows ac"


# On disk


def assert_same(a: Dataset, b: Dataset) -> None:
    assert (a.vocab, a.normalize, a.source, a.sha256) == (b.vocab, b.normalize, b.source, b.sha256)
    for name in SPLITS:
        np.testing.assert_array_equal(a.streams[name], b.streams[name])
        assert a.streams[name].dtype == b.streams[name].dtype


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


def test_large_streams_are_mapped_and_cannot_be_written(small_folder: Path) -> None:
    stream = load(small_folder).streams["train"]
    assert isinstance(stream.base, np.memmap)
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


def test_saving_replaces_the_whole_folder(folder: Path) -> None:
    (folder / "stray.txt").write_bytes(b"old")
    data = made("xyz\n")
    save(data, folder)
    assert_same(load(folder), data)
    assert not (folder / "stray.txt").exists()


def test_a_loaded_data_set_can_be_saved_over_itself(folder: Path) -> None:
    data = load(folder)
    save(data, folder)
    assert_same(load(folder), data)


def test_a_failed_save_leaves_the_old_data_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(folder)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(DataError, match="letters: No space left"):
        save(made("xyz\n"), folder)
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
    with pytest.raises(DataError, match=r"test\.npy is not a stream of ids"):
        load(folder)


def test_a_pickle_is_not_opened(folder: Path) -> None:
    np.save(folder / "test.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"cannot read .*test\.npy"):
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
