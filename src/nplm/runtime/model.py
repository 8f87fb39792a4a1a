"""The Python side of `nplm generate`, `score` and `suggest`: one exported model, opened for use.

import nplm
model = nplm.load("exports/names.onnx")
for string in model.sample(5, prefix="sa"):
    print(string.text, string.nats)
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nplm.checks import check_path
from nplm.generation import (
    DEFAULT_CACHE_MB,
    Condition,
    Options,
    check_texts,
    length_bounds,
    settle,
)
from nplm.runtime import generate as walks
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.onnxmodel import open_model
from nplm.runtime.rank import SAMPLE, RankedBatch, RankScorer
from nplm.runtime.score import Scored, ScoredBatch, Scorer
from nplm.runtime.suggest import Suggestions, suggest
from nplm.runtime.top import Top, top
from nplm.runtime.walk import Generated, GeneratedBatch

if TYPE_CHECKING:
    from typing import Unpack


class Model:
    """A model file. Nothing of torch is loaded.

    It may be shared by threads, whose calls take turns, and used by several generators at once;
    what was walked stays known for all later calls, and no result depends on it. What is pickled or
    copied is the path and the options: the file is opened again.

    Args:
        path: what `nplm export onnx` wrote.
        device: "cpu", "cuda" or "auto".
        threads: of onnxruntime.
        cache_mb: megabytes for what is known of the model.

    Raises:
        NotFoundError: there is no such file.
        DamagedError: it is not ONNX, or its metadata is broken.
        DataError: it is not a model of ours.
        DeviceError: the device is not available.
        UsageError: an option is out of bounds.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = "cpu",
        threads: int = 1,
        cache_mb: float = DEFAULT_CACHE_MB,
    ) -> None:
        file = check_path("path", path)
        self._options = (str(file), device, threads, cache_mb)
        self._model = open_model(file, device, threads)
        self._cache = AutomatonCache(self._model, self._model.card, cache_mb)
        self._scorer = Scorer(self._cache)
        self._rank_scorer: RankScorer | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, self._options

    def __repr__(self) -> str:
        return f"nplm.load({self._options[0]!r})"

    @property
    def card(self) -> ModelCard:
        """What the file says about itself."""
        return self._model.card

    def sample(self, count: int = 20, **options: "Unpack[Options]") -> Iterator[Generated]:
        """Strings of a stream, one by one, as `nplm generate --format jsonl` prints them.

        Args:
            count: how many strings.
            seed: which stream.
            start: the first index.
            indices: draw so many indices, whatever is kept of them, instead of `count` strings.
            novel: leave out strings of the list that the model was made from.
            unique: leave out strings given before in this call, known by 64-bit hashes: of
                5,000,000 one is taken for another with probability 7e-7.
            cut: keep what reaches `max_length` without an end, cut there.
            temperature: below 1 safer, above 1 wilder, 0 greedy.
            top_k: draw among the k most probable symbols.
            top_p: draw among the most probable mass p.
            prefix: every string starts with it.
            min_length: shortest string, prefix included.
            max_length: longest string; None for twice the longest training string.
            allow_unknown: the unknown symbol may be drawn, where the model has one; it is written
                as U+FFFD.
            match: a regular expression of whole strings, in Python's syntax. Of this one and the
                next three, strings follow the distribution of those that are as asked for, exactly.
            ends_with: what every string ends with.
            contains: what every string has somewhere, each of these.
            length: how many symbols, prefix included: one number, or the least and the greatest,
                which may be None.
            budget, tolerance, attempts: of these four, as `nplm generate` has them.
            excluding: strings that are not given; what would have been one is drawn again.

        Raises:
            ConstraintError: no string, or not as many as asked for, can meet the options.
            DataError: the prefix has a symbol the model does not know.
            UsageError: an option is out of bounds.
        """
        batches = self.sample_arrays(count, nats=True, **options)
        return (string for batch in batches for string in batch.strings())

    def sample_arrays(
        self, count: int = 20, *, nats: bool = False, **options: "Unpack[Options]"
    ) -> Iterator[GeneratedBatch]:
        """As `sample`, in arrays of many strings: no Python work per string."""
        sampling, stream = settle(count, options, walks.default_max_length(self.card))
        return walks.generate_batches(self._cache, sampling, stream, nats=nats)

    def score(self, strings: Iterable[str]) -> Iterator[Scored]:
        """How probable each string is: one score for each, in order.

        A symbol that the model does not know, a line end or a lone surrogate among them, has
        probability 0, and its string infinite nats; or, where the model has an unknown symbol, the
        probability of that one.

        Raises:
            TypeError: `strings` is one string, or holds something else than strings.
        """
        return self.score_arrays(strings).strings()

    def score_arrays(self, strings: Iterable[str]) -> ScoredBatch:
        """As `score`, in arrays."""
        return self._scorer.strings(strings)

    def rank(self, strings: Iterable[str], sample: int = SAMPLE) -> RankedBatch:
        """Each string beside strings that the model itself makes, as `nplm score --rank`.

        The sample is drawn by the first call and kept for calls with the same size.

        Args:
            sample: how many strings are drawn, from 1,000 on.

        Raises:
            TypeError: `strings` is one string, or holds something else than strings.
            UsageError: `sample` is out of bounds.
        """
        ranks = self._rank_scorer
        if ranks is None or len(ranks.ranker) != sample:
            self._rank_scorer = ranks = RankScorer(self._cache, sample)
        return ranks.strings(strings)

    def top(
        self,
        count: int = 20,
        prefix: str = "",
        max_length: int | None = None,
        match: str | None = None,
        ends_with: str = "",
        contains: Sequence[str] = (),
        length: int | tuple[int, int | None] = (0, None),
    ) -> Iterator[Top]:
        """The most probable strings, exactly and in order; fewer where there are no more.

        Args:
            match, ends_with, contains, length: what they must be, as in `sample`.

        Raises:
            ConstraintError: no string is as asked for, or too many are about as probable.
            DataError: the prefix has a symbol the model does not know.
            UsageError: an option is out of bounds.
        """
        check_texts("contains", contains)
        condition = Condition(match, ends_with, tuple(contains), length_bounds(length))
        asked = condition if condition.asks else None
        batches = top(self._cache, count, prefix, max_length, asked)
        return (string for batch in batches for string in batch.strings(self.card.tokenizer))

    def suggest(self, prefix: str, count: int = 10, max_length: int | None = None) -> Suggestions:
        """The most probable next symbols and whole strings after a prefix.

        Raises:
            DataError: the prefix has a symbol the model does not know.
            ConstraintError: it is longer than `max_length`, or the search would not end soon.
        """
        return suggest(self._cache, prefix, count, max_length)
