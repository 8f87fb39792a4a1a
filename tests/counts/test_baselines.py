"""What needs no training, against naive counting."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nplm.checks import SPLITS
from nplm.config import DatasetConfig
from nplm.counts.baselines import Baselines
from nplm.counts.ngram import best_order
from nplm.counts.tables import table_of
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset

Position = tuple[tuple[int, ...], int]
STRINGS = st.lists(st.text("ab\u2028\x0c", min_size=1, max_size=5), min_size=4, max_size=12)


def build(strings: list[str], *split: str) -> Dataset:
    return dataset.build(sources.Source("x", strings, 0), DatasetConfig(split, split_by="line"))


def positions(data: Dataset, splits: tuple[str, ...], block_size: int) -> list[Position]:
    found = []
    for string in [text for split in splits for text in data.texts(split)]:
        padded = [0] * block_size + data.vocab.encode(string) + [0]
        found += [
            (tuple(padded[k - block_size : k]), padded[k]) for k in range(block_size, len(padded))
        ]
    return found


def naive_add_one(data: Dataset, split: str, block_size: int) -> float:
    """Add-one counting over the last `block_size` symbols, one position at a time."""
    trained, tested = (positions(data, (name,), block_size) for name in ("train", split))
    pairs, totals = Counter(trained), Counter(c for c, _ in trained)
    logs = [math.log((pairs[c, s] + 1) / (totals[c] + len(data.vocab))) for c, s in tested]
    return -math.fsum(logs) / len(tested)


def naive_whole_list(data: Dataset) -> float:
    """The bigram of relative frequencies of all splits, on what it was counted on."""
    seen = positions(data, SPLITS, 1)
    pairs, totals = Counter(seen), Counter(c for c, _ in seen)
    return math.fsum(-math.log(pairs[c, s] / totals[c]) for c, s in seen) / len(seen)


@given(STRINGS, st.sampled_from(SPLITS))
@settings(deadline=None, max_examples=50)
def test_baselines_are_naive_counting(strings: list[str], split: str) -> None:
    data = build(strings, "0.5", "0.25", "0.25")
    found = Baselines.of(data)
    rows = [(np.array([c]), s) for c, s in positions(data, (split,), found.ngram.order - 1)]
    logs = [math.log(found.ngram.probabilities(c)[0, s]) for c, s in rows]
    assert found.on(split) == pytest.approx(
        {
            "uniform": math.log(len(data.vocab)),
            "unigram": naive_add_one(data, split, 0),
            "bigram": naive_add_one(data, split, 1),
            "bigram_whole_list": naive_whole_list(data),
            "ngram": -math.fsum(logs) / len(rows),
        }
    )


@given(STRINGS)
@settings(deadline=None, max_examples=50)
def test_the_n_gram_is_of_the_order_that_is_best_on_val(strings: list[str]) -> None:
    data = build(strings, "0.5", "0.25", "0.25")
    assert Baselines.of(data).ngram.order == best_order(
        table_of(data, "train", 7), table_of(data, "val", 7)
    )


def test_without_val_the_n_gram_is_a_6_gram() -> None:
    found = Baselines.of(build(["abcdefgh"], "1", "0", "0"))
    assert found.ngram.order == 6
    assert found.on("train")["ngram"] < found.on("train")["uniform"]


def test_baselines_by_hand() -> None:
    # "a": counts a 1, end 1, each plus one of 2 + 2; "a" then end: 2/3 and 2/3 as a bigram
    found = Baselines.of(build(["a"], "1", "0", "0")).on("train")
    assert found.pop("ngram") < math.log(2)
    assert found == pytest.approx(
        {
            "uniform": math.log(2),
            "unigram": math.log(2),
            "bigram": math.log(3 / 2),
            "bigram_whole_list": 0,  # by relative frequencies all of it is certain
        }
    )


def test_the_bigram_of_the_whole_list_by_hand() -> None:
    # "ab" and "ac" in one split each: of six symbols, only b and c are open, one in two each.
    found = Baselines.of(build(["ab", "ac"], "0.5", "0.5", "0"))
    for split in ("train", "val"):
        assert found.on(split)["bigram_whole_list"] == pytest.approx(2 * math.log(2) / 6)


def test_on_names_every_baseline_beats_the_one_before(small: Dataset) -> None:
    found = Baselines.of(small).on("val")
    assert found["ngram"] < found["bigram"] < found["unigram"] < found["uniform"]
