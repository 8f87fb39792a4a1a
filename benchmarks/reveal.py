"""What a model file tells of the list it was made from, to somebody who has the file alone.

python benchmarks/reveal.py [--longest 5]

Trains `default` and three n-grams on the names list, exports them, and then looks at the files:
short strings listed by the filter, strings of any length by drawing and asking the filter,
beginnings and short strings by the tables of an n-gram, and how well a network tells strings that
it was trained on from others of the list.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

import nplm
from nplm.api.openrun import Run
from nplm.runtime.model import Model
from nplm.runtime.novelty import NoveltyFilter
from nplm.text.dataset import Dataset
from nplm.text.strings import Strings
from nplm.text.vocab import BOUNDARY
from places import names_file

DRAWS = 1_000_000
ENDS = 0.2  # a beginning is taken for a whole string where its end is as probable as that
ROOT, DEAD = 1, 0  # states of an n-gram's tables


@dataclass(frozen=True)
class Tables:
    """An n-gram as it lies in the constants of a model file.

    Attributes:
        transitions: (inner S * V,): state times V plus the symbol before -> state, or DEAD.
        rows: (S, V) log p of the next symbol.
    """

    transitions: NDArray[np.int32]
    rows: NDArray[np.float16]

    @classmethod
    def read(cls, path: Path) -> "Tables":
        constants = map(onnx.numpy_helper.to_array, onnx.load(path).graph.initializer)
        large = {array.dtype.name: array for array in constants if array.size > 1}
        return cls(large["int32"], large["float16"])

    def beginnings(self) -> Iterator[tuple[tuple[int, ...], float]]:
        """Every context that starts a string, and how probable the end is after it."""
        width = self.rows.shape[1]
        stack: list[tuple[int, tuple[int, ...]]] = [(ROOT, ())]
        while stack:
            state, context = stack.pop()
            for symbol, after in enumerate(self.transitions[state * width :][:width].tolist()):
                if after == DEAD:
                    continue
                if symbol == BOUNDARY:
                    yield context, float(np.exp(np.float32(self.rows[after, BOUNDARY])))
                else:
                    stack.append((after, (symbol, *context)))


def strings_of(length: int, vocab_size: int) -> Iterator[Strings]:
    """All strings of a length over the symbols, in blocks."""
    step = (vocab_size - 1) ** min(length, 4)
    for start in range(0, (vocab_size - 1) ** length, step):
        numbers = np.arange(start, start + step)
        ids = np.zeros((step, length + 1), np.uint8)
        for place in range(length):
            ids[:, place] = 1 + numbers // (vocab_size - 1) ** place % (vocab_size - 1)
        yield Strings.of_ids(ids.ravel())


def list_by_filter(own: NoveltyFilter, truth: set[bytes], length: int, vocab_size: int) -> None:
    started, named, right, asked = time.perf_counter(), 0, 0, 0
    for block in strings_of(length, vocab_size):
        seen = block.keep(own.seen(block))
        asked, named = asked + len(block), named + len(seen)
        right += sum(ids[:-1].tobytes() in truth for ids in seen)
    there = sum(len(text) == length for text in truth)
    seconds = time.perf_counter() - started
    print(
        f"filter: of {asked:,} strings of {length} symbols it names {named:,}, {right:,} of "
        f"them of the list's {there:,}, in {seconds:.1f} s"
    )


def list_by_drawing(model: Model, own: NoveltyFilter, truth: set[bytes]) -> None:
    started, named = time.perf_counter(), set()
    for batch in model.sample_arrays(indices=DRAWS, cut=True):
        seen = batch.symbols.keep(own.seen(batch.symbols))
        named |= {ids[:-1].tobytes() for ids in seen}
    seconds = time.perf_counter() - started
    print(
        f"filter and network: {DRAWS:,} strings drawn name {len(named):,}, {len(named & truth):,} "
        f"of them of the list's {len(truth):,}, in {seconds:.1f} s"
    )


def list_by_ngram(path: Path, order: int, data: Dataset) -> None:
    started = time.perf_counter()
    found = dict(Tables.read(path).beginnings())
    seconds = time.perf_counter() - started
    train = [tuple(ids[:-1].tolist()) for ids in data.splits["train"]]
    reach = order - 2
    beginnings = {text[:k] for text in train for k in range(min(len(text), reach) + 1)}
    short = {text for text in train if len(text) <= reach}
    named = {text for text, end in found.items() if end >= ENDS}
    right = len(named & short)
    whole = f"{len(named):,} of them named as whole strings, {right:,} right" if named else "no end"
    print(
        f"{order}-gram, no filter: {len(found):,} beginnings of up to {reach} symbols listed in "
        f"{seconds:.1f} s, {len(found.keys() & beginnings):,} right of {len(beginnings):,}; "
        f"{whole} of {len(short):,} in a list of {len(set(train)):,}"
    )


def tell_members(model: Model, data: Dataset) -> None:
    """The chance that a string of train has more probability a symbol than one of test."""
    nats = [
        np.array([scored.nats / scored.symbols for scored in model.score(data.texts(split))])
        for split in ("train", "test")
    ]
    ranks = np.argsort(np.argsort(np.concatenate(nats)))
    train, test = map(len, nats)
    below = ranks[train:].sum() - test * (test - 1) / 2
    print(
        f"network: {below / train / test:.1%} of pairs of train and test are told apart (50%: none)"
    )


def exported(data: Dataset, folder: Path, preset: str, **settings: int) -> Path:
    run: Run = nplm.train(data, folder, preset=preset, device="cpu", **settings)  # type: ignore[arg-type]
    path = folder.with_suffix(".onnx")
    run.export(path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--longest", type=int, default=5)
    longest = parser.parse_args().longest
    started = time.perf_counter()
    data = nplm.build(names_file())
    seconds = time.perf_counter() - started
    print(f"a guess of the whole list: {seconds:.2f} s to build it and compare its hash")
    truth = {ids[:-1].astype(np.uint8).tobytes() for ids in data.all_splits()}
    with tempfile.TemporaryDirectory() as scratch:
        path = exported(data, Path(scratch) / "default", "default")
        model = nplm.load(path)
        own = model.card.novelty
        assert own is not None
        for length in range(1, longest + 1):
            list_by_filter(own, truth, length, len(data.vocab))
        list_by_drawing(model, own, truth)
        tell_members(model, data)
        for order in (3, 5, 7):
            path = exported(data, Path(scratch) / f"order{order}", "ngram", order=order)
            list_by_ngram(path, order, data)


if __name__ == "__main__":
    main()
