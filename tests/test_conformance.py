"""docs/conformance.md says what the program does."""

import re
from pathlib import Path

import numpy as np

import nplm

TEXT = (Path(__file__).parents[1] / "docs" / "conformance.md").read_text(encoding="utf-8")


def test_the_table_of_raw_draws() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) to \d+ \| ([\d, ]+) \|$", TEXT, re.MULTILINE)
    assert len(rows) == 7
    for seed, index, t, raw in rows:
        generator = np.random.Philox(key=int(seed), counter=[int(index), int(t) // 4, 0, 0])
        assert generator.random_raw(4).tolist() == [int(x) for x in raw.split(", ")]


def test_the_strings(tiny_model: Path) -> None:
    model = nplm.load(tiny_model)
    lines = re.findall(r"^    (\S.+)$", TEXT, re.MULTILINE)
    plain, options, conditioned = (line.split() for line in lines)
    assert [g.text for g in model.sample(10)] == plain
    sampled = model.sample(3, seed=5, start=10**12, temperature=0.7, top_k=5)
    assert [g.text for g in sampled] == options
    assert [g.text for g in model.sample(10, match=".*n")] == conditioned


def test_the_raw_draws_of_an_attempt() -> None:
    (raw,) = re.findall(r"counter \(1, 0, 1, 0\), has x = ([\d, ]+)\.", TEXT)
    generator = np.random.Philox(key=0, counter=[0, 0, 1, 0])
    assert generator.random_raw(4).tolist() == [int(x) for x in raw.split(", ")]
