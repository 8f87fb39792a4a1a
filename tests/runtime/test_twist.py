"""Strings drawn under a condition against all strings there are, written out one by one."""

import contextlib
import itertools
import math
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nplm.errors import ConstraintError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime import growth
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.condition import pattern_of
from nplm.runtime.constraint import Constraint
from nplm.runtime.generate import generate_batches
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.rows import RowMaker
from nplm.runtime.sampling import probabilities
from nplm.runtime.twist import Product
from nplm.text.vocab import BOUNDARY, Vocab

LETTERS = "abc"
LONGEST = 7
ATTEMPTS = 200  # at a string, of which few come
CARD = ModelCard(Vocab(tuple(LETTERS)), 2, "nfc", LONGEST, "")
PATTERNS = ["a.*", ".*b", ".*aa.*", "b.*c", "a.b", ".{4}", "[ab]*", "(ab|c)+", "(?:.c)*a?"]


class Table:
    """Logits drawn at random for every context of two of three letters; `end` favours the end."""

    block_size, vocab_size = 2, 1 + len(LETTERS)

    def __init__(self, seed: int, end: float = 0.0) -> None:
        size = (self.vocab_size,) * 3
        self._logits = np.random.default_rng(seed).normal(0, 1.5, size).astype(np.float32)
        self._logits[:, :, BOUNDARY] += end

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._logits[contexts[:, 0], contexts[:, 1]]


def steps_of(
    model: Table, text: str, sampling: SamplingConfig, *, end: bool = False
) -> list[float]:
    """The probability of each symbol of a string, and of its end, under the options."""
    ids, steps = [*CARD.encode(text), *[BOUNDARY] * end], []
    for t, symbol in enumerate(ids):
        context = np.array([[0, 0, *ids[:t]][-2:]])
        allowed = np.arange(model.vocab_size) != BOUNDARY if t < sampling.min_length else None
        steps.append(probabilities(model(context), sampling, allowed)[0, symbol])
    return steps


def probability(model: Table, text: str, sampling: SamplingConfig) -> float:
    """Of a whole string under the options."""
    return math.prod(steps_of(model, text, sampling, end=True))


def twisted_steps(product: Product, texts: list[str]) -> dict[str, dict[str, float]]:
    """For each text the chance of each symbol after it; of the end, under the empty string."""
    keys = np.concatenate([product.key_after(CARD.encode(text)) for text in texts])
    rows = np.concatenate([cdf for _, cdf, _ in product.make(keys)])[:, : product.vocab_size]
    masses = np.diff(rows, axis=1, prepend=0.0)
    return {
        text: dict(zip(["", *LETTERS], row, strict=True))
        for text, row in zip(texts, masses.tolist(), strict=True)
    }


def all_texts(longest: int = LONGEST) -> list[str]:
    lengths = range(longest + 1)
    return ["".join(s) for n in lengths for s in itertools.product(LETTERS, repeat=n)]


def product_of(model: Table, condition: Condition, sampling: SamplingConfig) -> Product:
    maker = RowMaker(model, Constraint(model.vocab_size, sampling.min_length), sampling, logs=False)
    product = Product(maker, pattern_of(condition, CARD), 1e6)
    product.solve(CARD.encode(sampling.prefix), condition.budget, condition.tolerance)
    return product


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("budget", [0, 1, 4, 10_000])
@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.6}, {"top_k": 2}, {"min_length": 3}, {"prefix": "a"}]
)
def test_the_steps_of_a_string_make_up_its_share(
    pattern: str, budget: int, options: dict[str, object]
) -> None:
    """The product of a string's steps is p over h(start) where it matches, and 0 elsewhere."""
    model, sampling = Table(0), SamplingConfig(**options)  # type: ignore[arg-type]
    product = product_of(model, Condition(pattern, budget=budget, tolerance=1e-9), sampling)
    first = len(sampling.prefix)
    before = math.prod(steps_of(model, sampling.prefix, sampling))
    steps = twisted_steps(product, all_texts(4))
    share = 0.0
    for text in filter(lambda text: text.startswith(sampling.prefix), all_texts(4)):
        p = math.prod(steps_of(model, text, sampling, end=True)) / before
        expected = p if re.fullmatch(pattern, text) else 0.0
        share += expected
        taken = math.prod(
            steps[text[:t]][text[t:] and text[t]] for t in range(first, len(text) + 1)
        )
        assert taken * product.bound.start == pytest.approx(expected, rel=1e-9, abs=1e-15)
    assert product.bound.start >= share - 1e-12


@pytest.mark.parametrize("pattern", PATTERNS)
def test_all_states_expanded_the_bound_is_the_share(pattern: str) -> None:
    model, sampling = Table(1, end=4.0), SamplingConfig()
    product = product_of(model, Condition(pattern, tolerance=1e-12), sampling)
    matching = filter(re.compile(pattern).fullmatch, all_texts(8))
    share = sum(probability(model, text, sampling) for text in matching)
    assert product.bound.complete
    assert product.bound.start == pytest.approx(share, rel=1e-3)
    assert product.bound.start >= share * (1 - 1e-9)


@pytest.mark.parametrize(
    ("condition", "stream"),
    [
        (Condition(".*b"), {}),
        (Condition(".*aa.*", budget=3), {}),
        (Condition(ends_with="c", contains=("a", "bb"), length=(4, 6)), {}),
        (Condition("a.*", budget=0), {"excluding": ("ab", "a", "acc")}),
        (None, {"excluding": ("ab", "a", "b")}),
    ],
)
def test_strings_follow_their_shares(
    condition: Condition | None, stream: dict[str, tuple[str, ...]]
) -> None:
    model = Table(2)
    sampling = SamplingConfig(max_length=LONGEST, condition=condition)
    count = 30_000
    texts = drawn(model, sampling, StreamConfig(count, seed=3, **stream), 1 << 16)  # type: ignore[arg-type]
    wanted = condition or Condition()
    shares = {
        text: probability(model, text, sampling)
        for text in all_texts()
        if matches(wanted, text) and text not in stream.get("excluding", ())
    }
    total = sum(shares.values())
    found = Counter(texts)
    assert set(found) <= {text for text, share in shares.items() if share}
    frequent = [text for text, share in shares.items() if share / total * count >= 5]
    expected = np.array([shares[text] / total * count for text in frequent])
    observed = np.array([found[text] for text in frequent])
    rest = count - expected.sum(), count - observed.sum()
    chi2 = float(((observed - expected) ** 2 / expected).sum() + (rest[1] - rest[0]) ** 2 / rest[0])
    z = (chi2 - len(frequent)) / math.sqrt(2 * len(frequent))
    assert abs(z) < 3.5


def matches(condition: Condition, text: str) -> bool:
    least, most = condition.length
    return bool(
        (condition.match is None or re.fullmatch(condition.match, text))
        and text.endswith(condition.ends_with)
        and all(part in text for part in condition.contains)
        and least <= len(text) <= most
    )


def drawn(model: Table, sampling: SamplingConfig, stream: StreamConfig, batch: int) -> list[str]:
    cache = AutomatonCache(model, CARD)
    batches = generate_batches(cache, sampling, stream, batch=batch)
    return [string.text for part in batches for string in part.strings()]


def test_strings_do_not_depend_on_what_is_drawn_beside_them() -> None:
    model = Table(4)
    sampling = SamplingConfig(max_length=LONGEST, condition=Condition(".*ca", budget=2))
    whole = drawn(model, sampling, StreamConfig(200, seed=9), 1 << 16)
    assert drawn(model, sampling, StreamConfig(200, seed=9), 7) == whole
    assert drawn(model, sampling, StreamConfig(50, seed=9, start=100), 1) == whole[100:150]
    cache = AutomatonCache(model, CARD, cache_mb=0)  # keeps nothing
    batches = generate_batches(cache, sampling, StreamConfig(200, seed=9), nats=True)
    assert [s.text for part in batches for s in part.strings()] == whole


@pytest.mark.parametrize("budget", [0, 1, 2, 5, 9])
def test_no_more_states_are_expanded_than_may_be(budget: int) -> None:
    product = product_of(Table(9), Condition(".*ab", budget=budget), SamplingConfig())
    assert len(product.bound.table) == budget
    assert not product.bound.complete


def test_a_loose_bound_is_not_used() -> None:
    """Then whole strings are looked at, which gives what is accepted of the plain attempts."""
    model = Table(8)
    sampling = SamplingConfig(max_length=LONGEST, condition=Condition(".*ab", budget=1))
    cache = AutomatonCache(model, CARD)
    with cache.turn:
        assert not cache.of(sampling).rejects
    plain = drawn(
        model, SamplingConfig(max_length=LONGEST), StreamConfig(300, seed=1, cut=True), 64
    )
    found = drawn(model, sampling, StreamConfig(300, seed=1), 64)
    first = [k for k, text in enumerate(plain) if text.endswith("ab") and len(text) < LONGEST]
    assert [found[k] for k in first] == [plain[k] for k in first]
    assert all(text.endswith("ab") for text in found)


def test_nats_are_the_models_own() -> None:
    model = Table(5)
    sampling = SamplingConfig(temperature=0.7, max_length=LONGEST, condition=Condition("a.*c"))
    cache = AutomatonCache(model, CARD)
    for part in generate_batches(cache, sampling, StreamConfig(20), nats=True):
        for string in part.strings():
            own = probability(model, string.text, SamplingConfig(min_length=0))
            assert string.nats == pytest.approx(-math.log(own))


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(condition=Condition("[^abc]+")),
        SamplingConfig(condition=Condition("a", length=(2, 3))),
        SamplingConfig(prefix="b", condition=Condition("a.*")),
        SamplingConfig(temperature=0, condition=Condition("(abc){5}")),
        SamplingConfig(max_length=9, condition=Condition("a{9}b")),
    ],
)
def test_what_no_string_can_be_ends_at_once(sampling: SamplingConfig) -> None:
    with pytest.raises(ConstraintError, match="no string"):
        drawn(Table(6), sampling, StreamConfig(3), 4)


def test_what_hardly_a_string_is_ends_after_so_many_attempts() -> None:
    condition = Condition("(abcabcabc){3}", budget=0, attempts=500)
    sampling = SamplingConfig(condition=condition)
    with pytest.raises(ConstraintError, match="500 attempts"):
        drawn(Table(7), sampling, StreamConfig(3), 4)


def test_a_product_that_is_bounded_is_worked_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it grows on the way there: what there can be at most is known beforehand."""
    monkeypatch.setattr("nplm.runtime.twist.MANY", 2)
    for budget, complete in ((1000, True), (20, False)):
        cache = AutomatonCache(Table(1), CARD)
        sampling = SamplingConfig(condition=Condition(".*ab.*ba.*c", budget=budget))
        maker = RowMaker(Table(1), Constraint(1 + len(LETTERS)), sampling, logs=False)
        product = Product(maker, cache.pattern(sampling), 1e6)
        product.solve([], budget, 1e-4)
        assert product.bound.complete == complete


def test_what_came_before_an_index_that_does_not_come_is_given() -> None:
    """Whatever the batch was, and whether other strings are left out."""
    model, condition = Table(3), Condition(".*(ab|ca).*bb", budget=0, attempts=ATTEMPTS)
    given: dict[tuple[int, bool], list[str]] = {}
    for batch in (1, 7, 200):
        for unique in (False, True):
            given[batch, unique] = texts = []
            stream = StreamConfig(200, unique=unique)
            sampling = SamplingConfig(max_length=LONGEST, condition=condition)
            cache = AutomatonCache(model, CARD)
            parts = generate_batches(cache, sampling, stream, batch=batch)
            decoded = (CARD.tokenizer.decode(part.symbols) for part in parts)
            with pytest.raises(ConstraintError, match="did not come in 200 attempts"):
                texts.extend(itertools.chain.from_iterable(decoded))
    assert len(given[1, False]) > 3
    assert given[1, False] == given[7, False] == given[200, False]
    assert given[1, True] == given[200, True] == list(dict.fromkeys(given[1, False]))


def test_enough_strings_come_before_an_index_that_does_not() -> None:
    """Though as many as may be needed for other ones are drawn at once."""
    model, condition = Table(3), Condition(".*(ab|ca).*bb", budget=0, attempts=ATTEMPTS)
    sampling = SamplingConfig(max_length=LONGEST, condition=condition)
    cache = AutomatonCache(model, CARD)
    parts = list(generate_batches(cache, sampling, StreamConfig(2, unique=True)))
    assert sum(len(part.indices) for part in parts) == 2


def test_the_share_that_is_told_is_the_share_there_is() -> None:
    """Of all strings, whether many attempts are rejected by the bound or by a look at them."""
    model, sampling = Table(2, end=1.0), SamplingConfig(max_length=LONGEST, min_length=0)
    texts = ("".join(t) for n in range(LONGEST + 1) for t in itertools.product(LETTERS, repeat=n))
    share = sum(probability(model, t, sampling) for t in texts if re.fullmatch(".*b.*c", t))
    for budget in (0, 6, 1000):
        asked = replace(sampling, condition=Condition(".*b.*c", budget=budget))
        parts = list(generate_batches(AutomatonCache(model, CARD), asked, StreamConfig(4000)))
        drawn, attempts = (sum(getattr(p, name) for p in parts) for name in ("drawn", "attempts"))
        rate, bound = drawn / attempts, parts[-1].bound
        error = bound * math.sqrt(rate * (1 - rate) / attempts)
        assert abs(bound * rate - share) < 4 * error + 1e-3 * share  # the greatest length cuts some


def test_what_never_ends_is_known_to_be_impossible() -> None:
    """A loop without an end that is drawn with certainty: falling from above would stay at 1."""
    table = Table(0)
    table._logits[:] = -np.inf
    table._logits[:, :, 1] = 0.0
    cache = AutomatonCache(table, CARD)
    sampling = SamplingConfig(max_length=9, min_length=0, condition=Condition("a*b?"))
    with np.errstate(invalid="ignore"), pytest.raises(ConstraintError, match="gives no string"):
        list(generate_batches(cache, sampling, StreamConfig(1)))


@pytest.mark.parametrize("name", ["MANY", "MAX_ENTRIES"])
def test_what_is_expanded_is_bounded(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    cache = AutomatonCache(Table(1), CARD)
    sampling = SamplingConfig(condition=Condition(".*ab.*ba.*c"))
    monkeypatch.setattr(f"nplm.runtime.twist.{name}", 3 if name == "MANY" else 20)
    maker = RowMaker(Table(1), Constraint(1 + len(LETTERS)), sampling, logs=False)
    product = Product(maker, cache.pattern(sampling), 1e6)
    product.solve([], 15, 1e-4)
    assert len(product.bound.table) <= 5
    assert not product.bound.complete


def test_memory_of_conditions_is_counted_and_bounded() -> None:
    cache = AutomatonCache(Table(1), CARD, cache_mb=0.2)
    for k in range(60):
        sampling = SamplingConfig(
            max_length=9, condition=Condition(f".*{'abc'[k % 3]}.{{{k % 7}}}")
        )
        list(generate_batches(cache, sampling, StreamConfig(5)))
    kept = sum(automaton.nbytes for automaton in cache._by_options.values())
    assert len(cache._by_options) < 20
    assert kept < 0.5e6


def test_an_interrupted_evaluation_leaves_contexts_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sampling = SamplingConfig(max_length=LONGEST, condition=Condition(".*b"))
    expected = [
        p.lines()
        for p in generate_batches(AutomatonCache(Table(1), CARD), sampling, StreamConfig(40))
    ]
    for failing in range(1, 5):
        cache, calls = AutomatonCache(Table(1), CARD), iter(range(1, 100))

        def grown(*arguments: Any, calls: Any = calls, failing: int = failing) -> Any:
            if next(calls) == failing:
                raise MemoryError
            return growth.grown(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr("nplm.runtime.contextrows.grown", grown)
            with contextlib.suppress(MemoryError):
                list(generate_batches(cache, sampling, StreamConfig(40)))
        found = [p.lines() for p in generate_batches(cache, sampling, StreamConfig(40))]
        assert found == expected
