"""What a data set says about itself, against naive counting."""

import json
import math
from collections import Counter

import pytest

from nplm.checks import SPLITS
from nplm.config import DatasetConfig
from nplm.counts.info import block_sizes, describe
from nplm.text import dataset, sources
from nplm.text.dataset import Dataset


def positions(data: Dataset, split: str, block_size: int) -> list[tuple[str, str]]:
    """(context, next symbol) of every position; a line end stands for the boundary."""
    found = []
    for string in data.texts(split):
        padded = "\n" * block_size + string + "\n"
        found += [
            (padded[k : k + block_size], padded[k + block_size]) for k in range(len(string) + 1)
        ]
    return found


@pytest.mark.parametrize("block_size", range(1, 9))
def test_a_block_size_is_described_as_naive_counting_does(small: Dataset, block_size: int) -> None:
    info = block_sizes(small)[block_size - 1]
    train, val = (positions(small, split, block_size) for split in ("train", "val"))
    contexts, pairs = Counter(context for context, _ in train), Counter(train)
    nats = math.fsum(-n * math.log(n / contexts[context]) for (context, _), n in pairs.items())
    assert info.block_size == block_size
    assert info.rows_possible == len(small.vocab) ** block_size
    assert info.contexts_seen == len(contexts)
    assert info.val_unseen_share == sum(c not in contexts for c, _ in val) / len(val)
    assert info.floor_nats_per_symbol == pytest.approx(nats / len(train), abs=1e-12)


def build(text: str, *split: str) -> Dataset:
    source = sources.read_source(text.encode(), "few.txt")
    return dataset.build(source, DatasetConfig(split=split or ("1", "0", "0")))  # type: ignore[arg-type]


def test_without_val_there_is_no_unseen_share() -> None:
    assert [item.val_unseen_share for item in block_sizes(build("ab\n"))] == [None] * 8


def test_one_string_of_one_symbol() -> None:
    info = block_sizes(build("a\n"))
    assert [item.rows_possible for item in info] == [2**k for k in range(1, 9)]
    assert [item.contexts_seen for item in info] == [2] * 8
    assert [item.floor_nats_per_symbol for item in info] == [0] * 8


def test_rows_possible_are_exact_however_many() -> None:
    symbols = "".join(chr(0x4E00 + k) for k in range(4999))
    assert block_sizes(build(symbols))[-1].rows_possible == 5000**8


def test_the_whole_description(small: Dataset) -> None:
    facts = describe(small)
    strings = {split: len(small.texts(split)) for split in SPLITS}
    symbols = {split: sum(len(text) + 1 for text in small.texts(split)) for split in SPLITS}
    assert facts["strings"] == 1105 == sum(strings.values())
    assert facts["splits"] == {
        split: {"strings": strings[split], "symbols": symbols[split]} for split in SPLITS
    }
    assert facts["vocab"] == len(facts["vocab_symbols"]) + 1 == len(small.vocab)
    assert facts["longest"] == max(map(len, small.texts("train")))
    assert [item["block_size"] for item in facts["block_sizes"]] == list(range(1, 9))
    assert facts["sha256"] == small.sha256


def test_the_description_is_json_without_nan() -> None:
    facts = describe(build("ab\n"))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
