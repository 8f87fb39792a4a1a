"""The Python side of `nplm generate`, `score` and `suggest`: one exported model, opened for use.

import nplm
model = nplm.load("exports/names.onnx")
for string in model.sample(5, prefix="sa"):
    print(string.text, string.nats)
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nplm.config import SamplingConfig
from nplm.runtime import generate as walks
from nplm.runtime.generate import Generated, GeneratedBatch
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.score import Scored, ScoredBatch, Scorer
from nplm.runtime.session import open_model
from nplm.runtime.suggest import Suggestions, suggest


class Model:
    """A model file. Nothing of torch is loaded.

    Args:
        path: what `nplm export onnx` wrote.
        device: "cpu", "cuda" or "auto".
        threads: of onnxruntime.

    Raises:
        DataError: the file is missing, not ONNX, or not a model of ours.
        DeviceError: the device is not available.
    """

    def __init__(self, path: str | Path, device: str = "cpu", threads: int = 1) -> None:
        self._model = open_model(Path(path), device, threads)
        self._scorer: Scorer | None = None

    @property
    def card(self) -> ModelCard:
        """What the file says about itself."""
        return self._model.card

    def sample(
        self,
        count: int = 20,
        *,
        seed: int = 0,
        start: int = 0,
        novel: bool = False,
        unique: bool = False,
        **options: Any,
    ) -> Iterator[Generated]:
        """Strings of a stream, one by one, as `nplm generate --format jsonl` prints them.

        Args:
            options: fields of `SamplingConfig`: temperature, top_k, top_p, prefix, min_length,
                max_length.

        Raises:
            ConstraintError: no string, or not as many as asked for, can meet the options.
            UsageError: an option is out of bounds.
        """
        sampling = self._sampling(options)
        model, card = self._model, self.card
        return walks.generate(model, card, sampling, count, seed, start, novel=novel, unique=unique)

    def sample_arrays(
        self,
        count: int,
        *,
        seed: int = 0,
        start: int = 0,
        nats: bool = False,
        novel: bool = False,
        unique: bool = False,
        **options: Any,
    ) -> Iterator[GeneratedBatch]:
        """As `sample`, in arrays of many strings: no Python work per string."""
        sampling = self._sampling(options)
        model, card = self._model, self.card
        return walks.generate_batches(
            model, card, sampling, count, seed, start, nats=nats, novel=novel, unique=unique
        )

    def score(self, strings: Iterable[str]) -> Iterator[Scored]:
        """How probable each string is."""
        return self.score_arrays(strings).strings()

    def score_arrays(self, strings: Iterable[str]) -> ScoredBatch:
        """As `score`, in arrays. What was walked once stays known for the next call."""
        self._scorer = self._scorer or Scorer(self._model, self.card)
        return self._scorer.strings(strings)

    def suggest(self, prefix: str, count: int = 10, max_length: int | None = None) -> Suggestions:
        """The most probable next symbols and whole strings after a prefix."""
        return suggest(self._model, self.card, prefix, count, max_length)

    def _sampling(self, options: dict[str, Any]) -> SamplingConfig:
        return SamplingConfig(**{"max_length": walks.default_max_length(self.card), **options})
