"""Generation against a naive walk, one string and one symbol at a time."""

import json
import math
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wire
from nplm.errors import ConstraintError, DataError, UsageError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import default_max_length, generate, generate_batches
from nplm.runtime.onnxmodel import OnnxModel, open_bytes, open_model
from nplm.runtime.sampling import cumulative, probabilities, uniforms
from nplm.runtime.walk import Generated, GeneratedBatch, walk

BLOCK_SIZE = 3


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> OnnxModel:
    return open_model(tiny_model)


def no_end(model: OnnxModel) -> np.ndarray:
    return np.arange(model.vocab_size) != 0


def naive(model: OnnxModel, sampling: SamplingConfig, seed: int, index: int) -> Generated:
    """String `index` of the stream of `seed`, as the contract says it in words."""
    vocab = model.card.vocab
    ids, nats, t = [], 0.0, 0
    forced = vocab.encode(sampling.prefix)
    while True:
        context = ([0] * BLOCK_SIZE + ids)[-BLOCK_SIZE:]
        row = model(np.array([context] * 16))[:1]
        if len(ids) < len(forced):
            symbol = forced[len(ids)]
        else:
            u = uniforms(seed, index, 1, t // 4)[0, t % 4]
            allowed = no_end(model) if len(ids) < sampling.min_length else None
            cdf = cumulative(probabilities(row, sampling, allowed))[0]
            symbol = next(k for k, c in enumerate(cdf) if c > u)
            t += 1
        if symbol and len(ids) == sampling.max_length:
            return Generated(index, vocab.decode(ids), nats, None, complete=False, symbols=len(ids))
        nats -= math.log(probabilities(row, SamplingConfig())[0, symbol])
        if symbol == 0:
            return Generated(index, vocab.decode(ids), nats, None, complete=True, symbols=len(ids))
        ids.append(symbol)


def strings_in_batches(
    model: OnnxModel, sampling: SamplingConfig, stream: StreamConfig, batch: int
) -> list[Generated]:
    batches = generate_batches(
        AutomatonCache(model, model.card), sampling, stream, nats=True, batch=batch
    )
    return [string for part in batches for string in part.strings()]


SAMPLINGS = [
    SamplingConfig(),
    SamplingConfig(temperature=0.7, top_k=5),
    SamplingConfig(temperature=0),
    SamplingConfig(top_p=0.8, min_length=6, max_length=8),
    SamplingConfig(prefix="mar", max_length=9),
    SamplingConfig(prefix="mar", max_length=3),
    SamplingConfig(max_length=1),
    SamplingConfig(min_length=0),
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=range(len(SAMPLINGS)))
def test_against_a_naive_walk(model: OnnxModel, sampling: SamplingConfig) -> None:
    got = list(generate(model, model.card, sampling, StreamConfig(40, seed=3, cut=True)))
    for string in got:
        expected = naive(model, sampling, 3, string.index)
        assert (string.text, string.complete) == (expected.text, expected.complete)
        assert string.nats == pytest.approx(expected.nats, rel=1e-9)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 70), st.integers(0, 2**63 - 200), st.integers(0, 2**64 - 1))
def test_batches_and_shards_do_not_matter(
    model: OnnxModel, batch: int, start: int, seed: int
) -> None:
    sampling = SamplingConfig(max_length=20)
    whole = list(generate(model, model.card, sampling, StreamConfig(100, seed, start, cut=True)))
    again = strings_in_batches(model, sampling, StreamConfig(100, seed, start, cut=True), batch)
    shards = [
        *generate(model, model.card, sampling, StreamConfig(33, seed, start, cut=True)),
        *generate(model, model.card, sampling, StreamConfig(67, seed, start + 33, cut=True)),
    ]
    assert whole == again == shards


def test_first_symbols_follow_the_model(model: OnnxModel) -> None:
    """Chi-square: below 60.1 for 26 degrees of freedom but for one seed in 10,000."""
    count = 20_000
    first = model(np.zeros((16, 3), np.int64))[:1]
    p = probabilities(first, SamplingConfig(), no_end(model))[0]
    seen = np.zeros(len(p))
    for string in generate(
        model, model.card, SamplingConfig(max_length=1), StreamConfig(count, seed=1, cut=True)
    ):
        seen[model.card.vocab.encode(string.text)[0]] += 1
    assert seen[0] == 0
    expected = count * p[1:]
    assert ((seen[1:] - expected) ** 2 / expected).sum() < 60.1


def test_a_million_strings_follow_the_model(model: OnnxModel) -> None:
    """Chi-square of the first three symbols against their exact joint probabilities.

    Its standard normal form (Wilson and Hilferty) is below 4 but for one seed in 30,000.
    """
    count, v = 1_000_000, model.vocab_size
    exact = np.zeros((v, v, v))  # an end is followed by ends
    start = model(np.zeros((16, 3), np.int64))[:1]
    first = probabilities(start, SamplingConfig(), no_end(model))
    for a in range(1, v):
        second = probabilities(model(np.array([[0, 0, a]] * 16))[:1], SamplingConfig())[0]
        contexts = np.array([[0, a, b] for b in range(v)])
        third = probabilities(model(contexts), SamplingConfig())
        third[0] = np.eye(v)[0]
        exact[a] = first[0, a] * second[:, None] * third
    assert exact.sum() == pytest.approx(1)
    drawn = np.zeros((v, v, v))
    for batch in generate_batches(
        AutomatonCache(model, model.card),
        SamplingConfig(max_length=40),
        StreamConfig(count, seed=9, cut=True),
    ):
        ends = np.flatnonzero(batch.stream == 0)
        starts = np.concatenate([[0], ends[:-1] + 1])
        padded = np.concatenate([batch.stream, [0, 0]]).astype(np.int64)
        one = padded[starts]
        two = padded[starts + 1] * (starts + 1 <= ends)
        three = padded[np.minimum(starts + 2, ends)] * (two > 0)
        np.add.at(drawn, (one, two, three), 1)
    expected = exact.ravel() * count
    common = expected >= 5
    pooled = [np.append(x[common], x[~common].sum()) for x in (drawn.ravel(), expected)]
    statistic = ((pooled[0] - pooled[1]) ** 2 / pooled[1]).sum()
    freedom = len(pooled[0]) - 1
    normal = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / (
        2 / (9 * freedom)
    ) ** 0.5
    assert freedom > 3000
    assert abs(normal) < 4


def as_json(string: Generated) -> dict[str, object]:
    """By key, in the order of the line."""
    per_symbol = string.nats_per_symbol
    rounded = None if per_symbol is None else round(per_symbol, 6)
    values = asdict(string)
    del values["symbols"]
    first = {key: values.pop(key) for key in ("index", "text", "nats")}
    return {**first, "nats_per_symbol": rounded, **values}


@pytest.mark.parametrize("nats", [True, False])
def test_lines_of_json_are_the_strings_one_by_one(model: OnnxModel, nats: bool) -> None:
    sampling, stream = SamplingConfig(max_length=5), StreamConfig(1000, cut=True)
    cache = AutomatonCache(model, model.card)
    for batch in generate_batches(cache, sampling, stream, nats=nats):
        each = [json.dumps(as_json(g), ensure_ascii=False) + "\n" for g in batch.strings()]
        assert batch.json_lines().decode() == "".join(each)
        assert batch.keep(batch.indices < 0).json_lines() == b""


def test_strings_that_never_end_are_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand of them would take hours where each is a million symbols long."""
    endless = struct.pack("<9f", *(-1e4, 1.0, 2.0) * 3)
    table = wire.tensor("table", 1, (3, 3), endless)
    model = open_bytes(wire.model(wire.graph(constants=[table, wire.CONSTANTS[1]])), "x.onnx")
    monkeypatch.setattr("nplm.runtime.generate.VAIN_SYMBOLS", 20_000)
    sampling = SamplingConfig(max_length=100)
    with pytest.raises(ConstraintError, match=r"only 0 of 1 strings found in (2|3)\d\d drawn"):
        list(generate(model, model.card, sampling, StreamConfig(1)))
    assert list(generate(model, model.card, sampling, StreamConfig(indices=500))) == []


@pytest.mark.parametrize("most", [1, 1000])
def test_what_is_walked_side_by_side_is_bounded(
    model: OnnxModel, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = strings_in_batches(model, SamplingConfig(), StreamConfig(100), 64)
    rows: list[int] = []

    def counting(*arguments: Any) -> GeneratedBatch:
        rows.append(arguments[-1])
        return walk(*arguments)

    monkeypatch.setattr("nplm.runtime.generate.walk", counting)
    monkeypatch.setattr("nplm.runtime.generate.WALK_SYMBOLS", most)
    assert strings_in_batches(model, SamplingConfig(), StreamConfig(100), 64) == expected
    assert max(rows) == max(1, most // 32)


def test_greedy_gives_one_string(model: OnnxModel) -> None:
    texts = {
        g.text for g in generate(model, model.card, SamplingConfig(temperature=0), StreamConfig(50))
    }
    assert len(texts) == 1


def test_lengths_are_kept(model: OnnxModel) -> None:
    sampling = SamplingConfig(prefix="z", min_length=5, max_length=7)
    strings = list(generate(model, model.card, sampling, StreamConfig(200, cut=True)))
    assert all(5 <= len(g.text) <= 7 and g.text.startswith("z") for g in strings)
    assert {len(g.text) for g in strings if not g.complete} == {7}


def test_bad_requests(model: OnnxModel) -> None:
    with pytest.raises(ConstraintError, match="`prefix` has 4 symbols"):
        list(generate(model, model.card, SamplingConfig(prefix="anna", max_length=3)))
    with pytest.raises(ConstraintError, match="`min_length=9` is above `max_length=3`"):
        list(generate(model, model.card, SamplingConfig(min_length=9, max_length=3)))
    with pytest.raises(DataError, match="never saw: ßñ"):
        list(generate(model, model.card, SamplingConfig(prefix="ñß")))
    for wrong in (
        {"count": -1},
        {"seed": -1},
        {"seed": 2**64},
        {"start": -1},
        {"start": 2**63 - 5},
    ):
        with pytest.raises(UsageError):
            StreamConfig(**wrong)


def test_the_longest_string_is_twice_the_longest_of_training(model: OnnxModel) -> None:
    assert default_max_length(model.card) == 2 * model.card.longest
