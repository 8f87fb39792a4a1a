"""Settings: frozen, validated, with their defaults. Unknown keys are refused.

A run's settings are a preset (`nplm.presets`), overridden by a configuration file, overridden by
flags.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from nplm.errors import UsageError

if TYPE_CHECKING:
    from fractions import Fraction

MAX_BLOCK_SIZE = 64
MAX_SEED = 2**64 - 1
MAX_INDEX = 2**63 - 1
PATIENCE = 100_000  # indices drawn in vain, at least, before a search for strings is given up
MAX_NETWORKS = 16
DEFAULT_CACHE_MB = 1024.0  # of memory, for what is known of a model
MAX_SIZE = 1 << 20  # of anything that arrays are allocated for


def _choice(key: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{key} is {value!r}", f"choose {', '.join(allowed)}")


def check_integer(key: str, value: object, low: int, high: int | None = None) -> None:
    """Raise UsageError unless `value` is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{key} is {value!r}", "give a whole number")
    if value < low or (high is not None and value > high):
        bounds = f"at least {low}" if high is None else f"between {low} and {high}"
        raise UsageError(f"{key} is {value}", f"it must be {bounds}")


def _number(key: str, value: object, low: float, high: float = math.inf) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{key} is {value!r}", "give a finite number")
    if not low <= value <= high:
        bounds = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise UsageError(f"{key} is {value:g}", f"it must be {bounds}")


def _above_zero(key: str, value: object, high: float) -> None:
    _number(key, value, 0.0, high)
    if value == 0:
        raise UsageError(f"{key} is 0", "it must be above 0")


@dataclass(frozen=True)
class DatasetConfig:
    """How strings are normalised and split.

    Attributes:
        split: shares of train, val and test as decimal strings or numbers; they add up to 1.
        split_by: "string" keeps all copies of a string in one split; "line" splits the lines.
        distinct: drop the copies first.
        normalize: "nfc" or "none".
        seed: of the shuffle, `random.Random(seed)`.
        min_count: symbols that train shows less often become one unknown symbol; 0: none do.
    """

    split: tuple[str, str, str] = ("0.8", "0.1", "0.1")
    split_by: str = "string"
    distinct: bool = False
    normalize: str = "nfc"
    seed: int = 0
    min_count: int = 0

    def __post_init__(self) -> None:
        check_integer("min_count", self.min_count, 0)
        _choice("split_by", self.split_by, ("string", "line"))
        _choice("normalize", self.normalize, ("nfc", "none"))
        check_integer("seed", self.seed, 0, MAX_SEED)
        if any(share < 0 for share in self.shares) or sum(self.shares) != 1:
            raise UsageError(
                f"--split is {','.join(map(str, self.split))}",
                "give three shares from 0 up that add up to 1",
            )
        if self.shares[0] == 0:
            raise UsageError("--split gives train nothing", "its share must be above 0")

    @property
    def shares(self) -> "tuple[Fraction, Fraction, Fraction]":
        """The shares, exact: 0.7 + 0.2 is 0.9 here."""
        from fractions import Fraction  # brings decimal, which no other command needs

        try:
            train, val, test = (Fraction(share) for share in self.split)
        except (ValueError, ZeroDivisionError):
            raise UsageError(
                f"--split is {','.join(map(str, self.split))}",
                "give three numbers, as in 0.8,0.1,0.1",
            ) from None
        return train, val, test


@dataclass(frozen=True)
class ModelConfig:
    """The network of Bengio et al. (2003), section 2, with its later refinements.

    Attributes:
        init: "scaled" (weights in proportion to 1 / sqrt(inputs), small output layer) or "normal"
            (the lesson's: all N(0, 1), output bias uniform in [0, 1)).
        layers: hidden layers; the first is Bengio's, further ones are residual.
    """

    block_size: int = 6
    embedding_size: int = 24
    hidden_size: int = 256
    layers: int = 2
    activation: str = "gelu"
    layer_norm: bool = True
    dropout: float = 0.1
    init: str = "scaled"

    def __post_init__(self) -> None:
        check_integer("block_size", self.block_size, 1, MAX_BLOCK_SIZE)
        check_integer("embedding_size", self.embedding_size, 1, MAX_SIZE)
        check_integer("hidden_size", self.hidden_size, 1, MAX_SIZE)
        check_integer("layers", self.layers, 1, 16)
        _choice("activation", self.activation, ("tanh", "relu", "gelu"))
        _choice("init", self.init, ("scaled", "normal"))
        _number("dropout", self.dropout, 0.0, 0.95)
        if not isinstance(self.layer_norm, bool):
            raise UsageError(f"layer_norm is {self.layer_norm!r}", "give true or false")


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained.

    Attributes:
        draw: what a row of a batch is: "positions" (one sampled position and its symbol, as in the
            lesson) or "contexts" (a distinct context and its whole distribution of next symbols).
        batch_size: draws per step, or "full" for all contexts weighted by their counts.
        schedule: of the learning rate; "step" divides it by ten at half time.
        warmup: share of the steps over which the rate rises from zero.
        smoothing: a, where the network trains on (1 - a) p(.|c) + a p_ngram(.|c); the n-gram is of
            order `MixtureConfig.order`, but sees no more than the network does.
        eval_every: steps between exact evaluations; 0 means a tenth of the steps.
    """

    draw: str = "contexts"
    steps: int = 3000
    batch_size: int | str = 512
    optimizer: str = "adamw"
    learning_rate: float = 0.005
    schedule: str = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.5
    smoothing: float = 0.4
    eval_every: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _choice("draw", self.draw, ("contexts", "positions"))
        check_integer("steps", self.steps, 1)
        if isinstance(self.batch_size, str) and self.batch_size != "full":
            raise UsageError(f"batch_size is {self.batch_size!r}", "give a whole number or full")
        if self.batch_size != "full":
            check_integer("batch_size", self.batch_size, 1, MAX_SIZE)
        elif self.draw == "positions":
            raise UsageError("batch_size is full, draw is positions", "a full batch is of contexts")
        _choice("optimizer", self.optimizer, ("sgd", "adamw"))
        _above_zero("learning_rate", self.learning_rate, 1e38)  # float32 ends there
        _choice("schedule", self.schedule, ("constant", "step", "linear", "cosine"))
        _number("warmup", self.warmup, 0.0, 1.0)
        _number("weight_decay", self.weight_decay, 0.0)
        _number("smoothing", self.smoothing, 0.0, 1.0)
        if self.smoothing and self.draw == "positions":
            raise UsageError(
                f"smoothing is {self.smoothing:g}, draw is positions",
                "a position has one symbol to learn; smoothing needs draw contexts, or 0",
            )
        check_integer("eval_every", self.eval_every, 0)
        check_integer("seed", self.seed, 0, MAX_SEED)

    @property
    def eval_interval(self) -> int:
        """Steps between evaluations, at least 1."""
        return self.eval_every or max(1, self.steps // 10)


@dataclass(frozen=True)
class MixtureConfig:
    """What the model is a mixture of: networks, an n-gram, or both (Bengio et al. 2003, 4.2).

    Attributes:
        networks: how many, alike but for their random start and dropout.
        ngram: whether an n-gram is a part.
        order: of the n-gram, as a part and in smoothed targets; 0: chosen on val, from 2 to 8 (6
            where there is none), and never larger than the strings.
        ngram_weight: the n-gram's share of the mixture; "em": learnt on val, as the networks' are.
    """

    networks: int = 1
    ngram: bool = False
    order: int = 0
    ngram_weight: float | str = "em"

    def __post_init__(self) -> None:
        if not isinstance(self.ngram, bool):
            raise UsageError(f"ngram is {self.ngram!r}", "give true or false")
        check_integer("networks", self.networks, 0, MAX_NETWORKS)
        if not self.networks and not self.ngram:
            raise UsageError("networks is 0 and there is no n-gram", "give at least 1")
        check_integer("order", self.order, 0, MAX_BLOCK_SIZE + 1)
        if self.order == 1:
            raise UsageError("order is 1", "give at least 2: one symbol of context")
        if self.ngram_weight != "em":
            _number("ngram_weight", self.ngram_weight, 0.0, 1.0)
            if not self.ngram or not self.networks:
                raise UsageError(
                    "ngram_weight is the n-gram's share beside networks",
                    "give it with --preset best",
                )


@dataclass(frozen=True)
class RunConfig:
    """All settings of one training run."""

    preset: str = "default"
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)

    @property
    def steps(self) -> int:
        """Training steps; an n-gram alone takes none."""
        return self.train.steps if self.mixture.networks else 0

    @property
    def uses_ngram(self) -> bool:
        """Whether an n-gram is part of the model or of its targets."""
        return self.mixture.ngram or self.train.smoothing > 0

    @property
    def block_size(self) -> int:
        """Symbols of context of the whole model, once the order is settled."""
        network = self.model.block_size if self.mixture.networks else 0
        return max(network, self.mixture.order - 1 if self.mixture.ngram else 0)

    def as_tables(self) -> dict[str, Any]:
        """Nested plain values, as a TOML file would hold them."""
        return asdict(self)


@dataclass(frozen=True)
class SamplingConfig:
    """How a row of logits becomes a distribution to draw from, and when a string ends.

    The order is: what is allowed, temperature, top-k, top-p. Ties go to the lower id.

    Attributes:
        temperature: logits are divided by it; 0 is greedy.
        top_k: keep the k most probable symbols; None keeps all.
        top_p: keep the most probable symbols until their mass reaches p.
        prefix: every string starts with it.
        min_length: symbols before the end symbol may be drawn, prefix included.
        max_length: symbols at which a string is cut, prefix included.
        allow_unknown: the unknown symbol may be drawn, of a model that has one.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    prefix: str = ""
    min_length: int = 1
    max_length: int = 32
    allow_unknown: bool = False

    def __post_init__(self) -> None:
        _number("--temperature", self.temperature, 0.0)
        if self.top_k is not None:
            check_integer("--top-k", self.top_k, 1)
        _number("--top-p", self.top_p, 0.0, 1.0)
        if self.top_p == 0:
            raise UsageError("--top-p is 0", "it must be above 0 and at most 1")
        check_integer("--min-length", self.min_length, 0)
        check_integer("--max-length", self.max_length, 1, MAX_SIZE)


@dataclass(frozen=True)
class StreamConfig:
    """Which strings of a stream are wanted.

    Attributes:
        count: of strings; not looked at where `indices` is given.
        seed: which stream.
        start: the first index.
        indices: the number of indices to draw, whatever is kept of them, instead of a `count`.
        novel: leave out strings of the list that the model was made from.
        unique: leave out strings given before.
        cut: keep strings that reach the longest length without an end, cut there.
    """

    count: int = 20
    seed: int = 0
    start: int = 0
    indices: int | None = None
    novel: bool = False
    unique: bool = False
    cut: bool = False

    def __post_init__(self) -> None:
        check_integer("-n", self.count, 0, MAX_INDEX)
        check_integer("--seed", self.seed, 0, MAX_SEED)
        check_integer("--start-index", self.start, 0, MAX_INDEX)
        if self.indices is not None:
            check_integer("--indices", self.indices, 0, MAX_INDEX)
        wanted = self.count if self.indices is None else self.indices
        if self.start > MAX_INDEX - wanted:
            raise UsageError(f"--start-index is {self.start}", "indices end at 2^63 - 1")

    @property
    def patience(self) -> float:
        """Consecutive indices without another string after which too few can be found."""
        return max(PATIENCE, 10 * self.count) if self.indices is None else math.inf

    def wants(self, found: int, first: int) -> bool:
        """Whether, with `found` strings from the indices below `first`, another is to be drawn."""
        if self.indices is not None:
            return first < self.start + self.indices
        return found < self.count

    def at_most(self, found: int, first: int) -> int:
        """How many indices from `first` on may be drawn at once.

        Where nearly every string counts, no more than are missing.
        """
        if self.indices is not None:
            return self.start + self.indices - first
        left = MAX_INDEX - first
        return left if self.novel or self.unique else min(left, self.count - found)
