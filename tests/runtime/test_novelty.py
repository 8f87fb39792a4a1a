"""The filter of training strings, and --novel and --unique over it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import ConstraintError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.generate import generate
from nplm.runtime.novelty import NoveltyFilter, hash_strings
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings

STRINGS = st.lists(st.lists(st.integers(1, 4), max_size=6).map(tuple), max_size=12)


def encoded(strings: list[tuple[int, ...]]) -> Strings:
    return Strings.of_ids(np.array([k for string in strings for k in (*string, 0)], np.uint8))


@given(STRINGS, STRINGS)
def test_exactly_the_training_strings_are_known(
    train: list[tuple[int, ...]], other: list[tuple[int, ...]]
) -> None:
    """Among so few strings two with one 32-bit hash would be a defect."""
    known = NoveltyFilter.of(encoded(train))
    assert known.seen(encoded(other)).tolist() == [string in train for string in other]
    assert NoveltyFilter.from_text(known.to_text()) == known
    assert len(known.hashes) == len(set(train))


def test_hashes_are_spread() -> None:
    """100,000 strings: as many collisions as chance gives in 32 bits (1.2 expected) and in 64
    (none), all bits in use."""
    numbers = np.arange(100_000)
    digits = np.stack([numbers // 10**k % 10 + 1 for k in range(5)] + [0 * numbers], axis=1)
    hashes = hash_strings(Strings.of_ids(digits.ravel().astype(np.uint8)))
    for half in (hashes >> np.uint64(32), hashes & np.uint64(2**32 - 1)):
        assert len(hashes) - len(np.unique(half)) < 10
    assert len(hashes) == len(np.unique(hashes))
    shares = [(hashes >> np.uint64(bit) & np.uint64(1)).mean() for bit in range(64)]
    assert shares == pytest.approx([0.5] * 64, abs=0.01)


@given(st.lists(st.lists(st.integers(1, 2**32 - 1), max_size=9), max_size=9))
def test_a_few_strings_have_the_hashes_of_many(strings: list[list[int]]) -> None:
    few = Strings.of_ids(np.array([k for ids in strings for k in (*ids, 0)], np.uint32))
    many = Strings.join([few, Strings.of_ids(np.tile(np.array([1, 0], np.uint32), 64))])
    assert hash_strings(few).tolist() == hash_strings(many)[: len(few)].tolist()


def test_a_damaged_filter_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        NoveltyFilter.from_text("%%%")


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> OnnxModel:
    return open_model(tiny_model)


def test_seen_says_what_is_a_training_string(model: OnnxModel, small: Dataset) -> None:
    train = set(small.texts("train"))
    strings = list(
        generate(model, model.card, SamplingConfig(max_length=4), StreamConfig(3000, cut=True))
    )
    assert [g.seen for g in strings] == [g.text in train for g in strings]
    assert 0 < sum(bool(g.seen) for g in strings) < 3000


def test_novel_leaves_indices_out(model: OnnxModel) -> None:
    sampling = SamplingConfig(max_length=4)
    plain = list(generate(model, model.card, sampling, StreamConfig(3000, cut=True)))
    novel = list(generate(model, model.card, sampling, StreamConfig(2000, novel=True, cut=True)))
    assert novel == [g for g in plain if not g.seen][:2000]


def test_unique_leaves_repeats_out(model: OnnxModel) -> None:
    sampling = SamplingConfig(max_length=2)
    plain = list(generate(model, model.card, sampling, StreamConfig(5000, cut=True)))
    first = {g.text: g for g in reversed(plain)}
    unique = list(generate(model, model.card, sampling, StreamConfig(100, unique=True, cut=True)))
    assert unique == sorted(first.values(), key=lambda g: g.index)[:100]


def test_unique_gives_up_with_a_count(model: OnnxModel) -> None:
    sampling = SamplingConfig(prefix="q", max_length=2)
    found = []
    with pytest.raises(ConstraintError, match=r"only \d+ of 500") as caught:  # noqa: PT012
        for string in generate(
            model, model.card, sampling, StreamConfig(500, unique=True, cut=True)
        ):
            found.append(string.text)  # noqa: PERF401
    assert f"only {len(found)} of 500" in str(caught.value)
    assert len(found) == len(set(found)) <= 27


def test_novel_needs_the_filter(model: OnnxModel) -> None:
    from dataclasses import replace

    card = replace(model.card, novelty=None)
    with pytest.raises(ConstraintError, match="exported without the filter"):
        list(generate(model, card, SamplingConfig(), StreamConfig(novel=True)))
    assert next(generate(model, card, SamplingConfig())).seen is None


def test_a_file_that_does_not_say_knows_train_alone(model: OnnxModel) -> None:
    """Files of 0.1.0, of which tiny.onnx is one."""
    assert model.card.novelty_splits == ["train"]
    described = {"novelty_filter": {"splits": ["train", "val", "test"]}}
    assert replace(model.card, extra=described).novelty_splits == ["train", "val", "test"]
