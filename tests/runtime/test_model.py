"""The Python side: what the functions behind it give, whoever else uses the model."""

import copy
import pickle
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from inspect import signature
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import nplm
from nplm.errors import UsageError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.generate import generate
from nplm.runtime.model import Model
from nplm.runtime.onnxmodel import OnnxModel, open_model
from nplm.runtime.suggest import suggest

OPTIONS = [{}, {"temperature": 0.7}, {"top_k": 5, "prefix": "sa"}, {"min_length": 7}]


def test_sample_score_suggest(tiny_model: Path) -> None:
    model, raw = nplm.load(tiny_model), open_model(tiny_model)
    sampling = SamplingConfig(prefix="sa", top_k=5, max_length=2 * raw.card.longest)
    expected = list(generate(raw, raw.card, sampling, StreamConfig(30, seed=4, start=7)))
    strings = list(model.sample(30, seed=4, start=7, prefix="sa", top_k=5))
    assert strings == expected
    (batch,) = model.sample_arrays(30, seed=4, start=7, nats=True, prefix="sa", top_k=5)
    assert batch.nats is not None
    assert batch.nats.tolist() == [g.nats for g in expected]
    assert [g.text for g in batch.strings()] == [g.text for g in expected]
    scores = [s.nats for s in model.score(g.text for g in strings)]
    assert scores == pytest.approx([g.nats for g in strings], rel=1e-12)
    assert model.suggest("sa", 3) == suggest(AutomatonCache(raw, raw.card), "sa", 3)


def test_load_takes_what_a_model_takes() -> None:
    """Written twice, since the package itself imports nothing."""
    doors = (signature(door).parameters.values() for door in (nplm.load, Model))
    one, two = ([(each.name, each.kind, each.default) for each in door] for door in doors)
    assert one == two


def test_options_are_checked_at_the_call(tiny_model: Path) -> None:
    model = nplm.load(tiny_model)
    with pytest.raises(UsageError, match=r"^`top_k` is 0; it must be at least 1$"):
        model.sample(top_k=0)
    with pytest.raises(UsageError, match="`count` is -1"):
        model.sample(-1)
    with pytest.raises(
        TypeError, match=r"Model\.sample\(\) got an unexpected keyword .*temprature"
    ):
        model.sample(temprature=1)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="threads"):
        nplm.load(tiny_model, threads=0)
    with pytest.raises(UsageError, match="`cache_mb` is -1"):
        nplm.load(tiny_model, cache_mb=-1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"path": "a\0b"}, "`path` is 'a.x00b'; give a path"),
        ({"path": 5}, "`path` is 5; give a path"),
        ({"path": "\ud800"}, "`path` is .* can be written"),
        ({"threads": 2**31}, "`threads` is 2147483648; it must be between 1 and 1024"),
        ({"device": []}, "`device` is ..; give a text"),
        ({"cache_mb": None}, "`cache_mb` is None; give a number"),
    ],
)
def test_what_is_no_value_of_an_argument(
    tiny_model: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        nplm.load(**{"path": tiny_model} | options)


@pytest.mark.parametrize(
    "options",
    [{"novel": "no"}, {"unique": None}, {"cut": []}, {"allow_unknown": None}, {"prefix": None}],
)
def test_what_is_no_value_of_an_option(tiny_model: Path, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(UsageError, match=f"`{name}` is "):
        nplm.load(tiny_model).sample(**options)


def test_suggestions_are_of_a_prefix_and_bounded(tiny_model: Path) -> None:
    model = nplm.load(tiny_model)
    with pytest.raises(UsageError, match="`count` is 1001; it must be between 0 and 1000"):
        model.suggest("a", 1001)
    with pytest.raises(UsageError, match="`prefix` is None"):
        model.suggest(None)  # type: ignore[arg-type]


def some_strings(model: Model, count: int = 4000) -> list[str]:
    return [g.text for g in model.sample(count, temperature=1.5)]


def test_threads_share_a_model(tiny_model: Path) -> None:
    """Scores, samples and suggestions at once, and right afterwards as well."""
    alone = nplm.load(tiny_model)
    strings = some_strings(alone)
    parts = [strings[k::8] for k in range(8)]
    expected = [alone.score_arrays(part).nats.tolist() for part in parts]
    samples = [list(alone.sample(300, seed=k, **OPTIONS[k % 4])) for k in range(8)]
    shared = nplm.load(tiny_model, cache_mb=0.3)  # small enough to forget all the time
    barrier = threading.Barrier(8)

    def work(k: int) -> bool:
        barrier.wait()
        right = True
        for _ in range(3):
            right &= shared.score_arrays(parts[k]).nats.tolist() == expected[k]
            right &= list(shared.sample(300, seed=k, **OPTIONS[k % 4])) == samples[k]
            right &= shared.suggest("sa", 3) == alone.suggest("sa", 3)
        return right

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [True] * 8
    assert shared.score_arrays(strings).nats.tolist() == alone.score_arrays(strings).nats.tolist()


def test_generators_of_one_model_take_turns(tiny_model: Path) -> None:
    """Nothing is held between two strings, by one thread or by several."""
    model = nplm.load(tiny_model, cache_mb=0.3)
    expected = [list(nplm.load(tiny_model).sample(700, **options)) for options in OPTIONS]
    generators = [model.sample(700, **options) for options in OPTIONS]
    turns = list(zip(*generators, strict=True))
    assert [list(strings) for strings in zip(*turns, strict=True)] == expected
    half_way = model.sample(700)
    next(half_way)
    with ThreadPoolExecutor(1) as pool:  # would wait for ever for a lock that is held
        assert pool.submit(lambda: list(model.sample(700))).result(30) == expected[0]


def test_an_interrupted_call_changes_nothing(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C inside the model: no row may stay that was never filled."""
    whole = nplm.load(tiny_model)
    strings = some_strings(whole)
    expected = whole.score_arrays(strings).nats.tolist()
    model, call = nplm.load(tiny_model), OnnxModel.__call__
    struck = 0
    for size in (1, 10, 100, 1000):
        left = [int(np.random.default_rng(size).integers(1, 6))]

        def strike(self: OnnxModel, contexts: np.ndarray, left: list[int] = left) -> np.ndarray:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return call(self, contexts)

        monkeypatch.setattr(OnnxModel, "__call__", strike)
        try:
            model.score_arrays(strings[:size])
        except KeyboardInterrupt:
            struck += 1
        monkeypatch.setattr(OnnxModel, "__call__", call)
        assert model.score_arrays(strings[:size]).nats.tolist() == expected[:size]
    assert struck > 1
    assert model.score_arrays(strings).nats.tolist() == expected


def test_no_lock_outlives_an_interrupted_call(tiny_model: Path) -> None:
    """Ctrl-C on the way out of a context manager in Python, while its traceback is kept."""
    model = nplm.load(tiny_model)

    def strike(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "__exit__":
            raise KeyboardInterrupt

    calls = [
        lambda: model.score_arrays(["anna"]),
        lambda: list(model.sample_arrays(5)),
        lambda: model.suggest("a"),
    ]
    held = []
    for call in calls:
        before = sys.gettrace()
        sys.settrace(strike)
        try:
            call()
        except KeyboardInterrupt:
            held.append(model._cache.turn.locked())  # while the traceback lives
        finally:
            sys.settrace(before)
            held.append(model._cache.turn.locked())
    assert not any(held)


def test_what_was_walked_stays_known(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        OnnxModel,
        "__call__",
        lambda self, contexts, call=OnnxModel.__call__: (
            calls.append(len(contexts)) or call(self, contexts)
        ),
    )
    model = nplm.load(tiny_model)
    first = (list(model.sample(50)), list(model.score(["anna"])), model.suggest("sa"))
    assert calls
    calls.clear()
    again = (list(model.sample(50)), list(model.score(["anna"])), model.suggest("sa"))
    other_lengths = [g.text for g in model.sample(50, max_length=60)]
    assert (again, other_lengths) == (first, [g.text for g in first[0]])
    assert not calls


def test_a_model_is_pickled_by_path_and_options(tiny_model: Path) -> None:
    model = nplm.load(tiny_model, cache_mb=7)
    for twin in (pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)):
        assert list(twin.sample(5)) == list(model.sample(5))
        assert twin._options == model._options


def score_in_a_process(model: Model, strings: list[str]) -> list[float]:
    return model.score_arrays(strings).nats.tolist()


def test_two_processes_score_as_one(tiny_model: Path) -> None:
    model = nplm.load(tiny_model)
    strings = some_strings(model, 200)
    expected = model.score_arrays(strings).nats.tolist()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        halves = pool.map(score_in_a_process, [model] * 2, [strings[:100], strings[100:]])
        assert [nats for half in halves for nats in half] == expected
