"""What happens while a model is trained. Needs no torch: a log of events is read without it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stepped:
    """Steps were taken, up to `step`. `losses` are the batches', in nats per symbol."""

    step: int
    losses: list[float]


@dataclass(frozen=True)
class Evaluated:
    """An exact evaluation; `val_nats_per_symbol` is None when there is no val split."""

    step: int
    train_seconds: float
    train_nats_per_symbol: float
    val_nats_per_symbol: float | None
    learning_rate: float


Event = Stepped | Evaluated
