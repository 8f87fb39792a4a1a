"""The lazy automaton: one evaluation a context, forgetting, keys of any size, known walks."""

import os
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.automaton import Automaton, Passing
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.constraint import Constraint
from nplm.runtime.generate import generate, generate_batches
from nplm.runtime.lazy import FIRST_CAPACITY, Lazy, make_automaton
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.runtime.rows import RowMaker
from nplm.runtime.sampling import cumulative, probabilities
from nplm.stepmodel import log_softmax


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> OnnxModel:
    return open_model(tiny_model)


class Counting:
    """A model of any size whose logits are a fixed function of the context; counts its rows."""

    def __init__(self, block_size: int, vocab_size: int) -> None:
        self.block_size, self.vocab_size = block_size, vocab_size
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        self.seen += map(tuple, contexts.tolist())
        weights = np.arange(1, self.block_size + 1)
        phase = (contexts * weights).sum(axis=1, keepdims=True)
        return np.sin(phase + np.arange(self.vocab_size) ** 1.5).astype(np.float32) * 2


def maker(model: Any, sampling: SamplingConfig | None = None, *, logs: bool = True) -> RowMaker:
    sampling = sampling or SamplingConfig(min_length=0)
    return RowMaker(model, Constraint(model.vocab_size, sampling.min_length), sampling, logs)


def walk(automaton: Automaton, steps: int, width: int, seed: int = 0) -> list[np.ndarray]:
    """Symbols of `width` endless walks; ends are drawn again as symbol 1."""
    generator = np.random.default_rng(seed)
    states, symbols = automaton.after([], width), []
    for _ in range(steps):
        drawn = np.maximum(automaton.draw(states, generator.random(width))[0], 1)
        symbols.append(drawn)
        states = automaton.step(states, drawn)
    return symbols


def test_each_context_is_evaluated_once() -> None:
    model = Counting(3, 12)
    automaton = Lazy(maker(model), 1 << 20)
    walk(automaton, 60, 200)
    real = [c for c in model.seen if any(c)]  # rows of padding are all boundary
    assert len(real) == len(set(real)) == len(automaton) - 1


@pytest.mark.parametrize(("block_size", "vocab_size"), [(1, 2), (3, 12), (40, 5), (12, 5000)])
def test_forgetting_and_passing_change_nothing(block_size: int, vocab_size: int) -> None:
    """Keys of 40 symbols, or of 5,000 kinds, fit no machine word and need not."""
    sampling = SamplingConfig(min_length=2)
    whole = Lazy(maker(Counting(block_size, vocab_size), sampling), 1 << 20)
    model = Counting(block_size, vocab_size)
    small = Lazy(maker(model, sampling), 100)
    passing = Passing(maker(Counting(block_size, vocab_size), sampling))
    walks = [walk(automaton, 30, small.most) for automaton in (whole, small, passing)]
    np.testing.assert_array_equal(walks[0], walks[1])
    np.testing.assert_array_equal(walks[0], walks[2])
    if block_size > 1:
        assert len(small) <= 100 < len(whole) < len(model.seen)  # it did forget


@pytest.mark.parametrize(("device", "most"), [(None, 512), ("cpu", 512), ("cuda", 4096)])
def test_a_processor_is_given_fewer_rows_at_once(device: str | None, most: int) -> None:
    model = Counting(3, 12)
    if device:
        model.device = device  # type: ignore[attr-defined]
    made = maker(model)
    keys = np.zeros((5000, 4), made.key_dtype)
    rows = [chunk.stop - chunk.start for chunk, _, _ in made.make(keys)]
    assert max(rows) == most
    assert sum(rows) == 5000


def test_what_is_kept_follows_from_the_memory() -> None:
    narrow, wide = maker(Counting(3, 27)), maker(Counting(3, 40_000))
    kept = make_automaton(narrow, 1e6)
    assert isinstance(kept, Lazy)
    assert kept.capacity == int(1e6 / Lazy.bytes_per_state(narrow)) > FIRST_CAPACITY
    assert isinstance(make_automaton(narrow, 1e5), Passing)
    assert isinstance(make_automaton(wide, 1e9), Passing)


@pytest.mark.parametrize("vocab_size", [5, 27, 300])
def test_bytes_are_bounded_by_what_was_promised(vocab_size: int) -> None:
    automaton = make_automaton(maker(Counting(8, vocab_size)), 8e6)
    assert isinstance(automaton, Lazy)
    walk(automaton, 40, automaton.most)
    assert 4e6 < automaton.nbytes <= 8e6


def test_rows_that_were_never_filled_are_not_counted() -> None:
    """Arrays grow by leaps; the system gives no memory for what is not written to."""
    made = maker(Counting(8, 27))
    automaton = Lazy(made, 1 << 20)
    for width in (10, 1000, 20_000):
        walk(automaton, 20, width)
        assert len(automaton) <= automaton.nbytes / Lazy.bytes_per_state(made) * 2
        assert automaton.nbytes < 2 * len(automaton) * Lazy.bytes_per_state(made) + 1e5
    filled = automaton.nbytes
    automaton._table.clear()
    assert automaton.nbytes > filled / 2  # the rows are still there


@pytest.mark.parametrize("kind", [Passing, lambda m: Lazy(m, 1 << 20)], ids=["passing", "lazy"])
def test_draw_is_the_first_id_whose_cumulative_sum_passes_u(kind: Any) -> None:
    automaton = kind(maker(Counting(2, 7)))
    state = automaton.after([])
    model = Counting(2, 7)
    # By the functions that rows are made with: another rounding is another answer at a boundary.
    p = probabilities(model(np.zeros((1, 2), np.int64)), SamplingConfig())
    cdf = cumulative(p.copy())[0]
    for u in [0.0, 0.1, 0.5, 0.9, 1 - 2**-53, *cdf[:-1]]:
        expected = next(k for k, c in enumerate(cdf) if c > u)
        symbols, logs = automaton.draw(state, np.array([u]))
        assert symbols.tolist() == [expected]
        assert logs == pytest.approx(np.log(p)[0, expected])


@pytest.mark.parametrize("cache_mb", [0, 0.6, 1024])
@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_cache_and_batch_do_not_matter(model: OnnxModel, cache_mb: float, batch: int) -> None:
    sampling = SamplingConfig(max_length=20, temperature=1.3)
    stream = StreamConfig(300 if batch == 1 else 3000, cut=True)
    expected = list(generate(model, model.card, sampling, stream))
    cache = AutomatonCache(model, model.card, cache_mb)
    parts = generate_batches(cache, sampling, stream, nats=True, batch=batch)
    assert [string for part in parts for string in part.strings()] == expected


def test_arrays_and_strings_are_the_same(model: OnnxModel) -> None:
    sampling, stream = SamplingConfig(max_length=5), StreamConfig(1000, cut=True)
    batches = list(generate_batches(AutomatonCache(model, model.card), sampling, stream))
    strings = list(generate(model, model.card, sampling, stream))
    lines = b"".join(batch.lines() for batch in batches).decode().splitlines()
    assert lines == [g.text for g in strings]
    assert np.concatenate([b.complete for b in batches]).tolist() == [g.complete for g in strings]
    assert [b.indices.tolist() for b in batches] == [list(range(256)), list(range(256, 1000))]
    assert batches[0].nats is None
    assert [string.nats for string in batches[0].strings()] == [None] * 256


class Faulty(Counting):
    """A model that raises whenever it is told to."""

    broken = False

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        if self.broken:
            raise MemoryError
        return super().__call__(contexts)


class Truth:
    """Rows of a model, computed anew for every context."""

    def __init__(self, model: Counting, sampling: SamplingConfig) -> None:
        self.model, self.sampling = model, sampling

    def row(self, symbols: list[int]) -> np.ndarray:
        size = self.model.block_size
        return self.model(np.array([([0] * size + symbols)[-size:]]))

    def draw(self, symbols: list[int], u: float) -> int:
        masked = len(symbols) < self.sampling.min_length
        allowed = np.arange(self.model.vocab_size) != 0 if masked else None
        cdf = cumulative(probabilities(self.row(symbols), self.sampling, allowed))[0]
        return next(k for k, c in enumerate(cdf) if c > u)

    def log(self, symbols: list[int], symbol: int) -> float:
        return float(log_softmax(self.row(symbols))[0, symbol])


class Walks(RuleBasedStateMachine):
    """Random walks over automata of tiny capacity, some of them struck by exceptions."""

    @initialize(
        capacity=st.integers(1, 12),
        block_size=st.integers(1, 4),
        vocab_size=st.integers(2, 6),
        min_length=st.integers(0, 3),
        passing=st.booleans(),
    )
    def build(
        self, capacity: int, block_size: int, vocab_size: int, min_length: int, passing: bool
    ) -> None:
        sampling = SamplingConfig(min_length=min_length, temperature=1.5)
        self.model = Faulty(block_size, vocab_size)
        made = maker(self.model, sampling)
        self.automaton = Passing(made) if passing else Lazy(made, capacity)
        self.truth = Truth(Counting(block_size, vocab_size), sampling)

    @rule(seed=st.integers(0, 10**6), width=st.integers(1, 6), steps=st.integers(1, 8))
    def walk(self, seed: int, width: int, steps: int) -> None:
        self._walk(random.Random(seed), width, steps)

    @rule(seed=st.integers(0, 10**6), width=st.integers(1, 6), at=st.integers(0, 7))
    def walk_and_fail(self, seed: int, width: int, at: int) -> None:
        """The model fails from step `at` on; some of these walks never need it."""
        try:
            self._walk(random.Random(seed), width, 8, broken_from=at)
        except MemoryError:
            pass
        finally:
            self.model.broken = False

    @rule(seed=st.integers(0, 10**6), count=st.integers(2, 3))
    def walk_in_threads(self, seed: int, count: int) -> None:
        """Under a lock, as `AutomatonCache` lends it."""
        lock, failures = threading.Lock(), []

        def run(number: int) -> None:
            try:
                with lock:
                    self._walk(random.Random(seed + number), 3, 4)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures

    def _walk(self, chance: random.Random, width: int, steps: int, broken_from: int = -1) -> None:
        width = min(width, self.automaton.most)
        start = [chance.randrange(1, self.model.vocab_size) for _ in range(chance.randrange(4))]
        self.model.broken = broken_from == 0
        states, strings = self.automaton.after(start, width), [list(start) for _ in range(width)]
        for step in range(steps):
            self.model.broken = 0 <= broken_from <= step
            u = [chance.random() for _ in strings]
            symbols, logs = self.automaton.draw(states, np.array(u))
            assert symbols.tolist() == [
                self.truth.draw(string, v) for string, v in zip(strings, u, strict=True)
            ]
            expected = [
                self.truth.log(string, k)
                for string, k in zip(strings, symbols.tolist(), strict=True)
            ]
            assert logs is not None
            assert logs.tolist() == pytest.approx(expected, rel=1e-12)
            again = self.automaton.log_probabilities(states, symbols)
            assert again.tolist() == logs.tolist()
            going = symbols > 0
            strings = [
                [*string, k] for string, k in zip(strings, symbols.tolist(), strict=True) if k
            ]
            if not strings:
                return
            states = self.automaton.step(states[going], symbols[going])


# NPLM_EXAMPLES=10000 runs it at length.
TestWalks = Walks.TestCase
TestWalks.settings = settings(
    max_examples=int(os.environ.get("NPLM_EXAMPLES", "60")), stateful_step_count=12, deadline=None
)


@pytest.mark.parametrize("kind", [Passing, lambda m: Lazy(m, 1 << 20)], ids=["passing", "lazy"])
def test_rows_that_are_not_padded_give_the_same(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at the edges of their last entries."""
    model, found = Counting(2, 37), []
    u = np.append(np.linspace(0, 1, 3999, endpoint=False), 1 - 2.0**-53)
    for wide in (1, 1000):
        monkeypatch.setattr("nplm.runtime.rows.WIDE", wide)
        made = maker(model)
        assert (made.widths[0] == 37) == (wide == 1)
        automaton = kind(made)
        symbols, _ = automaton.draw(automaton.after([3, 5], len(u)), u)
        found.append(symbols.tolist())
    assert found[0] == found[1]
    assert set(found[0]) == set(range(37))


def test_a_handful_of_strings_over_rows_that_are_not_padded(
    model: OnnxModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are walked alone, in plain Python, once what they need is known."""
    found = []
    for wide in (1, 1000):
        monkeypatch.setattr("nplm.runtime.rows.WIDE", wide)
        cache = AutomatonCache(model, model.card)
        for count in (500, 3):
            batches = generate_batches(cache, SamplingConfig(), StreamConfig(count))
            found.append(b"".join(batch.lines() for batch in batches))
    assert found[0] == found[2]
    assert found[1] == found[3] == b"".join(found[0].splitlines(keepends=True)[:3])
