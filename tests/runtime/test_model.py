"""The Python side gives what the functions behind it give."""

from pathlib import Path

import pytest

import nplm
from nplm.config import SamplingConfig
from nplm.errors import UsageError
from nplm.runtime.generate import generate
from nplm.runtime.session import open_model
from nplm.runtime.suggest import suggest


def test_sample_score_suggest(tiny_model: Path) -> None:
    model, raw = nplm.load(tiny_model), open_model(tiny_model)
    sampling = SamplingConfig(prefix="sa", top_k=5, max_length=2 * raw.card.longest)
    expected = list(generate(raw, raw.card, sampling, 30, seed=4, start=7))
    strings = list(model.sample(30, seed=4, start=7, prefix="sa", top_k=5))
    assert strings == expected
    (batch,) = model.sample_arrays(30, seed=4, start=7, nats=True, prefix="sa", top_k=5)
    assert batch.nats is not None
    assert batch.nats.tolist() == [g.nats for g in expected]
    scores = [s.nats for s in model.score(g.text for g in strings)]
    assert scores == pytest.approx([g.nats for g in strings], rel=1e-12)
    assert model.suggest("sa", 3) == suggest(raw, raw.card, "sa", 3)


def test_options_are_checked(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="top-k"):
        list(nplm.load(tiny_model).sample(top_k=0))
