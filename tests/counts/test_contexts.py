"""Context tables against counting with dictionaries."""

import math
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nplm.counts.contexts import ContextTable, count_contexts
from nplm.counts.tables import table_of
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings

Lists = list[list[int]]
Counts = dict[tuple[int, ...], dict[int, int]]
BLOCK_SIZES = range(9)


def naive(strings: Lists, block_size: int) -> Counts:
    """The counts of a list of strings of ids, one position at a time."""
    table: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for string in strings:
        padded = [0] * block_size + string + [0]
        for k in range(len(string) + 1):
            table[tuple(padded[k : k + block_size])][padded[k + block_size]] += 1
    return {context: dict(counts) for context, counts in table.items()}


def encoded(strings: Lists, dtype: Any) -> Strings:
    ids = [k for string in strings for k in [*string, 0]]
    return Strings.of_ids(np.array(ids, dtype))


def count(strings: Lists, block_size: int, vocab_size: int, chunk: int = 1 << 22) -> ContextTable:
    ids = encoded(strings, np.min_scalar_type(vocab_size))
    return count_contexts(ids, block_size, vocab_size, chunk)


def as_dict(table: ContextTable) -> Counts:
    found = {}
    for c, context in enumerate(table.contexts.tolist()):
        pairs = slice(table.offsets[c], table.offsets[c + 1])
        targets, counts = table.targets[pairs].tolist(), table.counts[pairs].tolist()
        found[tuple(context)] = dict(zip(targets, counts, strict=True))
        assert len(found[tuple(context)]) == len(targets)
    assert len(found) == len(table)
    return found


def assert_equal(a: ContextTable, b: ContextTable) -> None:
    assert a.vocab_size == b.vocab_size
    for name in ("contexts", "offsets", "targets", "counts"):
        left, right = getattr(a, name), getattr(b, name)
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype


def strings_of(ids: st.SearchStrategy[int]) -> st.SearchStrategy[Lists]:
    return st.lists(st.lists(ids, max_size=6), max_size=12)


SMALL = strings_of(st.integers(1, 3))


def test_counts_by_hand() -> None:
    table = count([[1, 2], [1]], block_size=1, vocab_size=3)
    assert table.contexts.tolist() == [[0], [1], [2]]
    assert table.offsets.tolist() == [0, 1, 3, 4]
    assert table.targets.tolist() == [1, 0, 2, 0]
    assert table.counts.tolist() == [2, 1, 1, 1]
    assert table.totals.tolist() == [2, 2, 1]
    assert table.pair_rows.tolist() == [0, 1, 1, 2]
    assert (len(table), table.block_size, table.symbols) == (3, 1, 5)


def test_floor_by_hand() -> None:
    # Two of five positions are an even choice; the others are certain.
    table = count([[1, 2], [1]], block_size=1, vocab_size=3)
    assert table.floor() == pytest.approx(2 * math.log(2) / 5)


def test_contexts_are_padded_with_the_boundary_and_oldest_first() -> None:
    table = count([[1, 2, 3]], block_size=2, vocab_size=4)
    assert set(as_dict(table)) == {(0, 0), (0, 1), (1, 2), (2, 3)}


def test_a_context_does_not_look_past_the_start_of_its_string() -> None:
    table = count([[2, 2], [1]], block_size=5, vocab_size=3)
    assert as_dict(table)[0, 0, 0, 0, 1] == {0: 1}
    assert as_dict(table)[0, 0, 0, 0, 0] == {1: 1, 2: 1}


@given(SMALL, st.sampled_from(BLOCK_SIZES))
def test_counts_are_those_of_a_dictionary(strings: Lists, block_size: int) -> None:
    assert as_dict(count(strings, block_size, 4)) == naive(strings, block_size)


@given(strings_of(st.integers(1, 700)), st.integers(0, 20))
def test_counts_are_those_of_a_dictionary_with_more_symbols(
    strings: Lists, block_size: int
) -> None:
    assert as_dict(count(strings, block_size, 701)) == naive(strings, block_size)


@pytest.mark.parametrize("vocab_size", [2, 3, 255, 256, 257, 5000, 65535, 65536, 65537, 1_100_000])
@pytest.mark.parametrize("block_size", [0, 1, 12, 64])
def test_keys_of_any_number_of_words_do_not_overflow(vocab_size: int, block_size: int) -> None:
    extremes = {1, 2, vocab_size // 2, vocab_size - 2, vocab_size - 1}
    ids = [k for k in sorted(extremes) if 0 < k < vocab_size]
    random = Random(vocab_size)
    strings = [random.choices(ids, k=random.randrange(30)) for _ in range(60)]
    table = count(strings, block_size, vocab_size)
    assert as_dict(table) == naive(strings, block_size)
    assert_equal(table, count(strings, block_size, vocab_size, chunk=37))
    assert_equal(table.shorten(block_size // 2), count(strings, block_size // 2, vocab_size))
    assert table.unseen_share(table) == 0


@given(SMALL, st.sampled_from(BLOCK_SIZES))
def test_contexts_are_ordered_by_their_endings_and_targets_ascend(
    strings: Lists, block_size: int
) -> None:
    table = count(strings, block_size, 4)
    endings = [context[::-1] for context in table.contexts.tolist()]
    assert endings == sorted(endings)
    keys = list(zip(table.pair_rows.tolist(), table.targets.tolist(), strict=True))
    assert keys == sorted(set(keys))


@given(SMALL, st.sampled_from(BLOCK_SIZES))
def test_the_parts_of_a_table_fit_together(strings: Lists, block_size: int) -> None:
    table = count(strings, block_size, 4)
    per_context = [sum(counts.values()) for counts in as_dict(table).values()]
    assert table.totals.tolist() == per_context
    assert table.symbols == sum(per_context) == sum(len(string) + 1 for string in strings)
    assert table.contexts.shape == (len(table), block_size)
    assert table.offsets[0] == 0
    assert table.offsets[-1] == len(table.targets) == len(table.counts)
    assert (table.counts >= 1).all()


@given(SMALL, st.sampled_from([0, 1, 2, 8]), st.sampled_from([1, 2, 7]))
def test_chunks_merge_to_the_table_of_one(strings: Lists, block_size: int, chunk: int) -> None:
    assert_equal(count(strings, block_size, 4, chunk), count(strings, block_size, 4))


@pytest.mark.parametrize("chunk", [1, 2, 7, 100, 4999, 5000, 5001])
def test_many_chunks_merge_to_the_table_of_one(chunk: int) -> None:
    random = Random(1)
    strings = [[random.randrange(1, 4) for _ in range(4)] for _ in range(1000)]
    assert_equal(count(strings, 3, 4, chunk), count(strings, 3, 4))


@given(SMALL, st.sampled_from(BLOCK_SIZES), st.data())
def test_a_shortened_table_is_the_table_of_the_shorter_block(
    strings: Lists, block_size: int, data: st.DataObject
) -> None:
    shorter = data.draw(st.integers(0, block_size))
    assert_equal(count(strings, block_size, 4).shorten(shorter), count(strings, shorter, 4))


@given(SMALL)
def test_shortening_twice_is_shortening_once(strings: Lists) -> None:
    table = count(strings, 6, 4)
    assert_equal(table.shorten(4).shorten(1), table.shorten(1))


def test_a_table_cannot_be_made_longer() -> None:
    with pytest.raises(AssertionError):
        count([[1]], 2, 3).shorten(3)


def naive_floor(counts: Counts) -> float:
    rows = [list(row.values()) for row in counts.values()]
    nats = math.fsum(-n * math.log(n / sum(row)) for row in rows for n in row)
    return nats / max(1, sum(map(sum, rows)))


@given(SMALL, st.sampled_from(BLOCK_SIZES))
def test_the_floor_is_the_conditional_entropy(strings: Lists, block_size: int) -> None:
    expected = naive_floor(naive(strings, block_size))
    assert count(strings, block_size, 4).floor() == pytest.approx(expected, abs=1e-12)


@given(SMALL)
def test_the_floor_does_not_rise_with_the_block_size(strings: Lists) -> None:
    floors = [count(strings, k, 4).floor() for k in BLOCK_SIZES]
    assert all(b <= a + 1e-12 for a, b in pairwise(floors))


def test_the_floor_of_certain_symbols_is_zero_and_not_minus_zero() -> None:
    assert str(count([[1, 2]], 2, 3).floor()) == "0.0"


def naive_unseen(train: Lists, other: Lists, block_size: int) -> float:
    seen = set(naive(train, block_size))
    totals = {c: sum(row.values()) for c, row in naive(other, block_size).items()}
    return sum(n for c, n in totals.items() if c not in seen) / max(1, sum(totals.values()))


@given(SMALL, SMALL, st.sampled_from(BLOCK_SIZES))
def test_the_unseen_share_is_that_of_sets(a: Lists, b: Lists, block_size: int) -> None:
    share = count(a, block_size, 4).unseen_share(count(b, block_size, 4))
    assert share == pytest.approx(naive_unseen(a, b, block_size))


def test_the_unseen_share_is_that_of_sets_when_keys_need_several_words() -> None:
    random = Random(5)
    ids = [1, 2, 4998, 4999]
    a, b = ([random.choices(ids, k=random.randrange(12)) for _ in range(50)] for _ in range(2))
    share = count(a, 12, 5000).unseen_share(count(b, 12, 5000))
    assert 0 < share < 1
    assert share == pytest.approx(naive_unseen(a, b, 12))


def test_unseen_by_hand() -> None:
    train, val = count([[1]], 1, 3), count([[2], [1]], 1, 3)
    assert train.unseen_share(val) == 1 / 4  # of contexts 0, 2, 0, 1 only 2 is new
    assert val.unseen_share(train) == 0


@given(SMALL, st.sampled_from(BLOCK_SIZES))
def test_nothing_of_a_table_is_unseen_in_itself(strings: Lists, block_size: int) -> None:
    table = count(strings, block_size, 4)
    assert table.unseen_share(table) == 0


@pytest.mark.parametrize("block_size", [0, 1, 3, 12])
@pytest.mark.parametrize("vocab_size", [1, 2, 5000])
def test_the_table_of_nothing_is_empty(block_size: int, vocab_size: int) -> None:
    table = count([], block_size, vocab_size)
    assert (len(table), table.symbols, table.block_size) == (0, 0, block_size)
    assert table.totals.tolist() == table.pair_rows.tolist() == []
    assert table.floor() == 0
    assert table.shorten(0).offsets.tolist() == [0]
    assert table.unseen_share(table) == 0


def test_against_an_empty_table_everything_is_unseen() -> None:
    assert count([], 2, 3).unseen_share(count([[1, 2]], 2, 3)) == 1


@given(st.lists(st.integers(0, 5)), st.sampled_from(BLOCK_SIZES))
def test_one_symbol(lengths: list[int], block_size: int) -> None:
    strings = [[1] * n for n in lengths]
    assert as_dict(count(strings, block_size, 2)) == naive(strings, block_size)


@pytest.mark.parametrize("block_size", [0, 1, 5])
def test_a_vocabulary_of_the_boundary_alone(block_size: int) -> None:
    table = count([[], [], []], block_size, 1)
    assert as_dict(table) == {(0,) * block_size: {0: 3}}


@given(st.lists(st.integers(1, 3)), st.integers(0, 40))
def test_one_string_in_a_block_of_any_size(string: list[int], block_size: int) -> None:
    assert as_dict(count([string], block_size, 4)) == naive([string], block_size)


@given(SMALL)
def test_a_block_longer_than_any_string_sees_every_prefix(strings: Lists) -> None:
    assume(strings)
    prefixes = {tuple(s[:k]) for s in strings for k in range(len(s) + 1)}
    assert len(count(strings, 7, 4)) == len(prefixes)


@given(SMALL, SMALL, st.sampled_from(BLOCK_SIZES))
def test_the_order_of_the_strings_does_not_matter(a: Lists, b: Lists, block_size: int) -> None:
    assert_equal(count(a + b, block_size, 4), count(b + a, block_size, 4))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_the_type_of_the_stream_does_not_matter(dtype: type[np.unsignedinteger]) -> None:
    strings = [[1, 2, 3], [3, 3], []]
    table = count_contexts(encoded(strings, dtype), 2, 4)
    assert as_dict(table) == naive(strings, 2)


def test_counting_does_not_change_the_stream() -> None:
    strings = encoded([[1, 2], [1]], np.uint8)
    before = strings.ids.copy()
    strings.ids.flags.writeable = False
    count_contexts(strings, 3, 3, chunk=2)
    np.testing.assert_array_equal(strings.ids, before)


@pytest.mark.parametrize("block_size", [1, 3, 8])
def test_names_are_counted_as_a_dictionary_does(small: Dataset, block_size: int) -> None:
    strings = [small.vocab.encode(s) for s in small.texts("train")]
    assert as_dict(table_of(small, "train", block_size)) == naive(strings, block_size)


@pytest.mark.shared
def test_the_lessons_names_have_the_contexts_of_the_design(shared_names: Path) -> None:
    source = sources.read_source(shared_names.read_bytes(), "names.txt")
    config = dataset.DatasetConfig(split_by="line", seed=314)
    names = dataset.build(source, config)
    assert len(table_of(names, "train", 3)) == 5448
    assert len(table_of(names, "train", 20)) == 50_649
