"""Settings of data sets and runs: frozen, validated, with their defaults. Unknown keys are refused.

A run's settings are a preset (`nplm.presets`), overridden by a configuration file, overridden by
flags. Settings of what is drawn from a model are in `nplm.generation`.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from nplm.checks import (
    MAX_BLOCK_SIZE,
    MAX_NETWORKS,
    MAX_PARAMETERS,
    MAX_SEED,
    MAX_SIZE,
    Document,
    Level,
    Normalization,
    check_above_zero,
    check_choice,
    check_integer,
    check_number,
    check_switch,
)
from nplm.errors import UsageError

if TYPE_CHECKING:
    from fractions import Fraction

SplitBy = Literal["string", "line", "order"]
CountOn = Literal["train", "all"]
PresetName = Literal["default", "notebook", "classic", "ngram", "best"]
Activation = Literal["tanh", "relu", "gelu"]
Init = Literal["scaled", "normal"]
Draw = Literal["contexts", "positions"]
Optimizer = Literal["sgd", "adamw"]
DENSE_EVALUATIONS = 16  # before they widen
EARLY_EVALUATIONS = (8, 4, 2)  # parts of the first interval
MIN_BETA2 = 0.1  # at 0 a step is as long as its rate, wherever the gradient is small
MAX_EXPONENT = 300  # of a share
LEAST_VOCAB = 3
Schedule = Literal["constant", "step", "linear", "cosine"]
Masks = Literal["state", "step"]


@dataclass(frozen=True)
class DatasetConfig:
    """How strings are normalised and split.

    Attributes:
        split: shares of train, val and test as decimal strings or numbers; they add up to 1.
        split_by: "string" keeps all copies of a string in one split; "line" splits the lines;
            "order" takes the first lines for train and the last for test.
        distinct: drop the copies first.
        normalize: to Unicode form NFC, or not at all.
        seed: of the shuffle, `random.Random(seed)`.
        min_count: symbols seen less often become one unknown symbol; 0: none do.
        max_vocab: ids that there may be, the boundary and the unknown symbol among them: the rarer
            symbols become the unknown one; 0: any number.
        count_on: which splits say how often a symbol is seen.
        level: what a symbol is: a character, or a word between white space.
        document: what a string is: a line, or the whole split, whose contexts cross line ends.
    """

    split: tuple[str, str, str] = ("0.8", "0.1", "0.1")
    split_by: SplitBy = "string"
    distinct: bool = False
    normalize: Normalization = "nfc"
    seed: int = 0
    min_count: int = 0
    max_vocab: int = 0
    count_on: CountOn = "train"
    level: Level = "character"
    document: Document = "line"

    def __post_init__(self) -> None:
        check_integer("min_count", self.min_count, 0)
        check_integer("max_vocab", self.max_vocab, 0)
        if 0 < self.max_vocab < LEAST_VOCAB:
            raise UsageError(
                f"`max_vocab` is {self.max_vocab}",
                f"it must be at least {LEAST_VOCAB}: the boundary, the unknown symbol and one more",
            )
        check_choice("count_on", self.count_on, CountOn)
        check_choice("level", self.level, Level)
        check_choice("document", self.document, Document)
        check_switch("distinct", self.distinct)
        check_choice("split_by", self.split_by, SplitBy)
        check_choice("normalize", self.normalize, Normalization)
        check_integer("seed", self.seed, 0, MAX_SEED)
        if self.document == "stream" and (self.split_by != "order" or self.distinct):
            raise UsageError(
                "a stream is cut in the order of its lines",
                'give `split_by="order"`, and not `distinct`',
            )
        if any(share < 0 for share in self.shares) or sum(self.shares) != 1:
            raise UsageError(
                f"`split` is {','.join(map(str, self.split))}",
                "give three shares from 0 up that add up to 1",
            )
        if self.shares[0] == 0:
            raise UsageError("`split` gives train nothing", "its share must be above 0")

    @property
    def has_unknown(self) -> bool:
        """Whether rare symbols become the unknown one."""
        return bool(self.min_count or self.max_vocab)

    @property
    def shares(self) -> "tuple[Fraction, Fraction, Fraction]":
        """The shares, exact: 0.7 + 0.2 is 0.9 here."""
        try:
            train, val, test = map(_share, self.split)
        except (ArithmeticError, TypeError, ValueError):
            raise UsageError(
                f"`split` is {','.join(map(str, self.split))}",
                "give three numbers, as in 0.8,0.1,0.1",
            ) from None
        return train, val, test


def usual_split(document: Document) -> SplitBy:
    """How strings are split where nothing is said."""
    return "order" if document == "stream" else "string"


def _share(text: "str | float") -> "Fraction":
    """An exact number; a decimal one that is absurdly large or small is refused, not computed."""
    from decimal import Decimal  # no other command needs these
    from fractions import Fraction

    if isinstance(text, str) and "/" in text:
        return Fraction(text)
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
        raise ValueError(text)
    return Fraction(number)


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
    activation: Activation = "gelu"
    layer_norm: bool = True
    dropout: float = 0.1
    init: Init = "scaled"

    def __post_init__(self) -> None:
        check_integer("block_size", self.block_size, 1, MAX_BLOCK_SIZE)
        check_integer("embedding_size", self.embedding_size, 1, MAX_SIZE)
        check_integer("hidden_size", self.hidden_size, 1, MAX_SIZE)
        check_integer("layers", self.layers, 1, 16)
        check_choice("activation", self.activation, Activation)
        check_choice("init", self.init, Init)
        check_number("dropout", self.dropout, 0.0, 0.95)
        check_switch("layer_norm", self.layer_norm)

    def parameters(self, vocab_size: int) -> int:
        """Numbers to learn in one network."""
        inputs, hidden = self.block_size * self.embedding_size, self.hidden_size
        per_layer = 3 * hidden if self.layer_norm else hidden  # a bias, and a scale and a shift
        weights = (inputs + (self.layers - 1) * hidden) * hidden + self.layers * per_layer
        return vocab_size * self.embedding_size + weights + (hidden + 1) * vocab_size


@dataclass(frozen=True)
class TrainConfig:
    """How the network is trained.

    Attributes:
        draw: what a row of a batch is: "positions" (one sampled position and its symbol, as in the
            lesson) or "contexts" (a distinct context and its whole distribution of next symbols).
        steps: 0: as many as the size of the list asks for (`runs.steps`), settled before the first.
        batch_size: draws per step, or "full" for all contexts weighted by their counts.
        schedule: of the learning rate; "step" divides it by ten at half time.
        warmup: share of the steps over which the rate rises from zero.
        beta2: of AdamW, the share that its mean of squared gradients keeps at each step.
        smoothing: a, where the network trains on (1 - a) p(.|c) + a p_ngram(.|c); the n-gram is of
            order `MixtureConfig.order`, but sees no more than the network does.
        eval_every: steps between exact evaluations; 0 means a tenth of the steps.
        eval_widen: from the 16th of them on, the steps between double whenever those taken have
            doubled: evaluations are as dense as the loss falls fast.
        patience: evaluations in a row without a lower val after which training ends early; 0: it
            never does. Above 0 there are three evaluations before the first regular one, which are
            not counted: a small list may be learnt best then.
        masks: of dropout, on the CPU: "step" (a function of seed and step) or "state" (torch's
            random state, as in 0.1.0: several times slower); on a GPU always the latter.
    """

    draw: Draw = "contexts"
    steps: int = 3000
    batch_size: int | Literal["full"] = 512
    optimizer: Optimizer = "adamw"
    learning_rate: float = 0.005
    schedule: Schedule = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.5
    smoothing: float = 0.4
    eval_every: int = 0
    seed: int = 0
    # 0.1.0 does not know what follows: these values mean what it did.
    eval_widen: bool = False
    patience: int = 0
    beta2: float = 0.999
    masks: Masks = "state"

    def __post_init__(self) -> None:
        check_choice("draw", self.draw, Draw)
        check_integer("steps", self.steps, 0)
        if isinstance(self.batch_size, str) and self.batch_size != "full":
            raise UsageError(f"`batch_size` is {self.batch_size!r}", "give a whole number or full")
        if self.batch_size != "full":
            check_integer("batch_size", self.batch_size, 1, MAX_SIZE)
        elif self.draw == "positions":
            raise UsageError(
                "`batch_size` is full, `draw` is positions", "a full batch is of contexts"
            )
        check_choice("optimizer", self.optimizer, Optimizer)
        check_above_zero("learning_rate", self.learning_rate, 1e38)  # float32 ends there
        check_choice("schedule", self.schedule, Schedule)
        check_number("warmup", self.warmup, 0.0, 1.0)
        check_number("weight_decay", self.weight_decay, 0.0)
        check_number("smoothing", self.smoothing, 0.0, 1.0)
        if self.smoothing and self.draw == "positions":
            raise UsageError(
                f"`smoothing` is {self.smoothing:g}, `draw` is positions",
                "a position has one symbol to learn; give 0, or draw contexts",
            )
        check_integer("eval_every", self.eval_every, 0)
        check_switch("eval_widen", self.eval_widen)
        check_integer("patience", self.patience, 0)
        check_number("beta2", self.beta2, MIN_BETA2, 0.99999)
        check_choice("masks", self.masks, Masks)
        check_integer("seed", self.seed, 0, MAX_SEED)

    @property
    def eval_interval(self) -> int:
        """Steps between evaluations, at least 1."""
        return self.eval_every or max(1, self.steps // 10)

    def next_evaluation(self, step: int) -> int:
        """The first step after `step` to evaluate at."""
        interval = self.eval_interval
        early = (interval // part for part in EARLY_EVALUATIONS if self.patience)
        regular = self._regular_evaluation(step)
        return next((at for at in early if step < at < regular), regular)

    def _regular_evaluation(self, step: int) -> int:
        interval = self.eval_interval
        if self.eval_widen:
            interval <<= (step // (DENSE_EVALUATIONS * interval)).bit_length()
        return min((step // interval + 1) * interval, self.steps)

    def is_over(self, step: int, best_step: int) -> bool:
        """Whether training ends at `step`: it is the last, or val was not lower for too long.

        Args:
            best_step: that of the lowest val; 0 before there is one.
        """
        at, waited = best_step, 0
        while at < step and waited < self.patience:
            at, waited = self._regular_evaluation(at), waited + 1
        too_long = 0 < waited == self.patience and best_step > 0 and at <= step
        return step >= self.steps or too_long


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
    ngram_weight: float | Literal["em"] = "em"

    def __post_init__(self) -> None:
        check_switch("ngram", self.ngram)
        check_integer("networks", self.networks, 0, MAX_NETWORKS)
        if not self.networks and not self.ngram:
            raise UsageError("`networks` is 0 and there is no n-gram", "give at least 1")
        check_integer("order", self.order, 0, MAX_BLOCK_SIZE + 1)
        if self.order == 1:
            raise UsageError("`order` is 1", "give at least 2: one symbol of context")
        if self.ngram_weight != "em":
            check_number("ngram_weight", self.ngram_weight, 0.0, 1.0)
            if not self.ngram or not self.networks:
                raise UsageError(
                    "`ngram_weight` is the n-gram's share beside networks",
                    'give it with `preset="best"`',
                )


@dataclass(frozen=True)
class RunConfig:
    """All settings of one training run."""

    preset: PresetName = "default"
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    mixture: MixtureConfig = field(default_factory=MixtureConfig)

    def __post_init__(self) -> None:
        check_choice("preset", self.preset, PresetName)
        self.refuse_size(1)

    def refuse_size(self, vocab_size: int) -> None:
        """Raise UsageError where networks over so many symbols are larger than memory may be."""
        parameters = self.mixture.networks * self.model.parameters(vocab_size)
        if parameters > MAX_PARAMETERS:
            sizes = f"`embedding_size={self.model.embedding_size}` and `hidden_size"
            raise UsageError(
                f"`networks={self.mixture.networks}` of {sizes}={self.model.hidden_size}` have "
                f"{parameters:,} parameters or more",
                f"they may have {MAX_PARAMETERS:,}",
            )

    @property
    def steps(self) -> int:
        """Training steps at most; an n-gram alone takes none."""
        return self.train.steps if self.mixture.networks else 0

    def is_over(self, step: int, best_step: int) -> bool:
        """As `TrainConfig.is_over`; without networks there is nothing to train."""
        return not self.mixture.networks or self.train.is_over(step, best_step)

    @property
    def uses_ngram(self) -> bool:
        """Whether an n-gram is part of the model or of its targets."""
        return self.mixture.ngram or self.train.smoothing > 0

    @property
    def unused(self) -> dict[str, str]:
        """Settings that change nothing beside the others, each with the reason."""
        unused: dict[str, str] = {}
        if not self.uses_ngram:
            unused["order"] = "there is no n-gram"
        if not self.mixture.networks:
            parts = fields(ModelConfig) + fields(TrainConfig)
            unused |= dict.fromkeys((item.name for item in parts), "there are no networks")
            return unused
        if self.train.optimizer == "sgd":
            unused["beta2"] = "the optimizer is sgd"
        if not self.model.dropout:
            unused["masks"] = "there is no dropout"
        return unused

    @property
    def block_size(self) -> int:
        """Symbols of context of the whole model, once the order is settled."""
        network = self.model.block_size if self.mixture.networks else 0
        return max(network, self.mixture.order - 1 if self.mixture.ngram else 0)

    def as_tables(self) -> dict[str, Any]:
        """Nested plain values, as a TOML file would hold them."""
        return asdict(self)
