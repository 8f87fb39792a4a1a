"""Text to strings to splits: what is data, and where it goes."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.checks import SPLITS
from nplm.config import DatasetConfig
from nplm.errors import DataError, UsageError
from nplm.text.dataset import build
from nplm.text.sources import Source, read_source, split_strings
from nplm.text.vocab import normalize
from smalltexts import HALVES, STRINGS, made

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
    assert [names.texts(name) for name in SPLITS] == list(parts)
    assert [names.symbols(name) for name in SPLITS] == [182_588, 22_721, 22_837]


@pytest.mark.shared
def test_by_string_the_lessons_names_do_not_leak(shared_names: Path) -> None:
    names = build(read_source(shared_names.read_bytes(), "names.txt"), DatasetConfig())
    train, val, test = (set(names.texts(name)) for name in SPLITS)
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
    assert [data.texts(name) for name in SPLITS] == [["abc"], [], []]


@pytest.mark.parametrize("split", [("0.5", "0", "0.5"), ("0.5", "0.5", "0")])
def test_a_share_of_zero_stays_empty(split: tuple[str, str, str]) -> None:
    data = made("a\nb\nc\n", split=split)
    for name, share in zip(SPLITS, split, strict=True):
        assert (data.strings(name) == 0) == (share == "0")


def test_a_text_of_more_megabytes_than_it_may_have() -> None:
    blocks = [b"ab\n" * 100_000] * 4  # 1.2 MB
    assert len(read_source(iter(blocks), "f", max_mb=1.2).strings) == 400_000
    with pytest.raises(DataError, match=r"f has more than 1 megabytes.*`max_mb`"):
        read_source(iter(blocks), "f", max_mb=1)
    with pytest.raises(UsageError, match="max_mb"):
        read_source(blocks, "f", max_mb=float("nan"))
