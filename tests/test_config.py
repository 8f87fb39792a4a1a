"""Settings, those of what is drawn too: every bound, unknown keys, what wins over what."""

import dataclasses
from fractions import Fraction
from typing import Any, get_args

import pytest

from nplm.checks import MAX_INDEX, MAX_SEED
from nplm.config import (
    DatasetConfig,
    MixtureConfig,
    ModelConfig,
    PresetName,
    RunConfig,
    TrainConfig,
)
from nplm.errors import UsageError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.presets import PRESETS, override, preset

NAN, INF = float("nan"), float("inf")
HUGE = 10**400

REFUSED: list[tuple[type, str, list[Any]]] = [
    (DatasetConfig, "split_by", ["word", "", None]),
    (DatasetConfig, "normalize", ["nfd", "NFC", None]),
    (DatasetConfig, "min_count", [-1, 1.0, HUGE]),
    (DatasetConfig, "seed", [-1, MAX_SEED + 1, 1.0, "1", True, None]),
    (ModelConfig, "block_size", [0, -1, 65, 3.0, "3", True]),
    (ModelConfig, "embedding_size", [0, -1, 1.5, "4", False]),
    (ModelConfig, "hidden_size", [0, -1, 1.5, "4", True, HUGE]),
    (ModelConfig, "layers", [0, 17, 1.0]),
    (ModelConfig, "activation", ["sigmoid", "Tanh", None]),
    (ModelConfig, "init", ["zero", 0]),
    (ModelConfig, "dropout", [-0.1, 0.96, 1, NAN, INF, "0", True, HUGE]),
    (ModelConfig, "layer_norm", [1, 0, "true", None]),
    (TrainConfig, "draw", ["context", None]),
    (TrainConfig, "steps", [-1, 1e3, "10", True, HUGE]),
    (TrainConfig, "batch_size", [0, -1, 2.0, "Full", "32", None, True, HUGE]),
    (TrainConfig, "optimizer", ["adam", "SGD"]),
    (TrainConfig, "learning_rate", [0, 0.0, -1e-3, NAN, INF, "0.1", True, None, HUGE]),
    (TrainConfig, "schedule", ["steps", "none"]),
    (TrainConfig, "warmup", [-0.1, 1.1, NAN, "0", False]),
    (TrainConfig, "weight_decay", [-1e-9, NAN, INF, "0", HUGE]),
    (TrainConfig, "smoothing", [-0.1, 1.01, NAN, INF, "0.4", True, None]),
    (TrainConfig, "eval_every", [-1, 0.5, "1", True, HUGE]),
    (TrainConfig, "seed", [-1, MAX_SEED + 1, 0.0, False]),
    (RunConfig, "preset", ["best-of-all", "", None]),
    (MixtureConfig, "networks", [-1, 0, 17, 1.0, "2", True, None]),
    (MixtureConfig, "ngram", [1, 0, "true", None]),
    (MixtureConfig, "order", [-1, 1, 66, 6.0, "6", True, None]),
    (
        MixtureConfig,
        "ngram_weight",
        [-0.1, 1.01, 1.5, 0.5, NAN, INF, "EM", "0.5", True, None, HUGE],
    ),
    (SamplingConfig, "temperature", [-0.1, NAN, INF, "1", True]),
    (SamplingConfig, "top_k", [0, -1, 1.0, "3", True]),
    (SamplingConfig, "top_p", [0, 0.0, -0.5, 1.01, NAN, "1", True]),
    (SamplingConfig, "min_length", [-1, 0.5, True]),
    (SamplingConfig, "max_length", [0, -1, 2.5, None]),
    (StreamConfig, "count", [-1, MAX_INDEX + 1, 1.0, "1", True, None]),
    (StreamConfig, "seed", [-1, MAX_SEED + 1, 1.0, None]),
    (StreamConfig, "start", [-1, MAX_INDEX + 1, MAX_INDEX - 19, True]),
    (StreamConfig, "indices", [-1, MAX_INDEX + 1, 2.0, False]),
]

ALLOWED: list[tuple[type, str, list[Any]]] = [
    (DatasetConfig, "split_by", ["string", "line"]),
    (DatasetConfig, "normalize", ["nfc", "none"]),
    (DatasetConfig, "seed", [0, MAX_SEED]),
    (ModelConfig, "block_size", [1, 64]),
    (ModelConfig, "layers", [1, 16]),
    (ModelConfig, "activation", ["tanh", "relu", "gelu"]),
    (ModelConfig, "dropout", [0, 0.0, 0.95]),
    (TrainConfig, "batch_size", [1, "full"]),
    (TrainConfig, "schedule", ["constant", "step", "linear", "cosine"]),
    (TrainConfig, "warmup", [0, 1, 1.0]),
    (TrainConfig, "learning_rate", [1e-9, 1]),
    (TrainConfig, "smoothing", [0, 0.0, 0.4, 1]),
    (TrainConfig, "seed", [0, MAX_SEED]),
    (MixtureConfig, "networks", [1, 16]),
    (MixtureConfig, "ngram", [True, False]),
    (MixtureConfig, "order", [0, 2, 65]),
    (MixtureConfig, "ngram_weight", ["em"]),
    (SamplingConfig, "temperature", [0, 0.0, 5]),
    (SamplingConfig, "top_k", [None, 1, 10**6]),
    (SamplingConfig, "top_p", [1, 1e-9]),
    (SamplingConfig, "min_length", [0]),
    (SamplingConfig, "max_length", [1]),
    (StreamConfig, "count", [0, MAX_INDEX]),
    (StreamConfig, "seed", [0, MAX_SEED]),
    (StreamConfig, "start", [0, MAX_INDEX - 20]),
    (StreamConfig, "indices", [None, 0, MAX_INDEX]),
]


def flat(cases: list[tuple[type, str, list[Any]]]) -> list[tuple[type, str, Any]]:
    return [(settings, key, value) for settings, key, values in cases for value in values]


@pytest.mark.parametrize(("settings", "key", "value"), flat(REFUSED))
def test_a_value_out_of_bounds_is_refused_by_name(settings: type, key: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        settings(**{key: value})
    assert caught.value.problem.startswith(f"`{key}` is ")
    assert caught.value.cure


@pytest.mark.parametrize(("settings", "key", "value"), flat(ALLOWED))
def test_the_bounds_themselves_are_allowed(settings: type, key: str, value: Any) -> None:
    assert getattr(settings(**{key: value}), key) == value


@pytest.mark.parametrize(
    "settings", [DatasetConfig, ModelConfig, TrainConfig, MixtureConfig, RunConfig]
)
def test_settings_are_frozen(settings: type) -> None:
    config = settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(config)[0].name, 1)


def test_a_full_batch_is_of_contexts() -> None:
    with pytest.raises(UsageError, match="`batch_size` is full, `draw` is positions"):
        TrainConfig(draw="positions", batch_size="full")


def test_a_position_has_nothing_to_smooth() -> None:
    with pytest.raises(UsageError, match=r"`smoothing` is 0\.4, `draw` is positions"):
        TrainConfig(draw="positions")
    assert TrainConfig(draw="positions", smoothing=0).smoothing == 0


def test_a_model_has_some_part() -> None:
    with pytest.raises(UsageError, match="`networks` is 0 and there is no n-gram"):
        MixtureConfig(networks=0)
    assert MixtureConfig(networks=0, ngram=True).networks == 0


def test_the_n_gram_has_a_weight_only_beside_networks() -> None:
    assert MixtureConfig(ngram=True, ngram_weight=0.5).ngram_weight == 0.5
    for alone in ({"networks": 0, "ngram": True}, {"networks": 2}):
        with pytest.raises(
            UsageError, match=r'`ngram_weight` is .* beside networks; .*`preset="best"`'
        ):
            MixtureConfig(**alone, ngram_weight=0.5)


@pytest.mark.parametrize(
    ("mixture", "smoothing", "steps", "uses_ngram", "block_size"),
    [
        (MixtureConfig(), 0.0, 50, False, 6),
        (MixtureConfig(order=9), 0.4, 50, True, 6),  # in the targets: the network sees no further
        (MixtureConfig(networks=0, ngram=True, order=4), 0.4, 0, True, 3),
        (MixtureConfig(networks=2, ngram=True, order=4), 0.0, 50, True, 6),
        (MixtureConfig(networks=2, ngram=True, order=9), 0.0, 50, True, 8),
        (MixtureConfig(networks=2), 0.0, 50, False, 6),
    ],
)
def test_what_the_parts_come_to(
    mixture: MixtureConfig, smoothing: float, steps: int, uses_ngram: bool, block_size: int
) -> None:
    train = TrainConfig(steps=50, smoothing=smoothing)
    config = RunConfig("default", ModelConfig(block_size=6), train, mixture)
    assert (config.steps, config.uses_ngram) == (steps, uses_ngram)
    assert config.block_size == block_size


@pytest.mark.parametrize(
    "split",
    [
        ("0.8", "0.1", "0.2"),
        ("0.8", "0.1", "0.05"),
        ("1.2", "-0.1", "-0.1"),
        ("0.8", "0.1"),
        ("0.7", "0.1", "0.1", "0.1"),
        ("a", "b", "c"),
        ("nan", "0", "0"),
        ("inf", "0", "0"),
        ("1/0", "0", "0"),
        ("", "", ""),
        (),
    ],
)
def test_shares_that_are_not_three_parts_of_one_are_refused(split: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"`split` is .*three"):
        DatasetConfig(split=split)  # type: ignore[arg-type]


def test_train_must_get_something() -> None:
    with pytest.raises(UsageError, match="gives train nothing"):
        DatasetConfig(split=("0", "0.5", "0.5"))


def test_shares_are_exact() -> None:
    assert DatasetConfig(split=("0.7", "0.2", "0.1")).shares == (
        Fraction(7, 10),
        Fraction(1, 5),
        Fraction(1, 10),
    )


def test_shares_may_be_numbers_and_zero() -> None:
    assert DatasetConfig(split=(1, 0, 0)).shares == (1, 0, 0)  # type: ignore[arg-type]
    assert DatasetConfig(split=("1", "0", "0")).shares == (1, 0, 0)


def test_numbers_that_do_not_add_up_are_a_usage_error_too() -> None:
    with pytest.raises(UsageError, match=r"`split` is 0\.5,0\.5,0\.5"):
        DatasetConfig(split=(0.5, 0.5, 0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "eval_every", "interval"),
    [(4000, 0, 400), (19, 0, 1), (1, 0, 1), (4000, 10, 10), (10, 99, 99), (59, 0, 5)],
)
def test_the_interval_between_evaluations(steps: int, eval_every: int, interval: int) -> None:
    assert TrainConfig(steps=steps, eval_every=eval_every).eval_interval == interval


@pytest.mark.parametrize("steps", [1, 15, 1000])
def test_evaluations_are_as_far_apart_as_asked_for(steps: int) -> None:
    config = TrainConfig(steps=steps, eval_every=10)
    assert evaluations(config) == [*range(10, steps, 10), steps]


def test_evaluations_that_widen_are_dense_where_the_loss_falls() -> None:
    config = TrainConfig(steps=1000, eval_every=10, eval_widen=True)
    expected = [*range(10, 160, 10), *range(160, 320, 20), *range(320, 640, 40)]
    assert evaluations(config) == [*expected, *range(640, 1000, 80), 1000]


@pytest.mark.parametrize("widen", [False, True])
@pytest.mark.parametrize("patience", [0, 1, 3, 100])
def test_training_is_over_when_val_was_not_lower_for_too_long(patience: int, widen: bool) -> None:
    """Against the list of evaluations, at every step; before the first there is no best one."""
    config = TrainConfig(steps=100, eval_every=3, patience=patience, eval_widen=widen)
    points = evaluations(config)
    for best_step in (0, *points):
        for step in range(best_step, 101):
            waited = sum(best_step < point <= step for point in points)
            too_long = bool(patience and best_step) and waited >= patience
            assert config.is_over(step, best_step) == (step == 100 or too_long)


def evaluations(config: TrainConfig) -> list[int]:
    steps, step = [], 0
    while step < config.steps:
        step = config.next_evaluation(step)
        steps.append(step)
    return steps


def test_the_notebook_preset_is_the_notebooks_last_model() -> None:
    config = preset("notebook")
    model, train = config.model, config.train
    assert (model.block_size, model.embedding_size, model.hidden_size) == (3, 10, 200)
    assert (model.layers, model.activation, model.init) == (1, "tanh", "normal")
    assert (model.layer_norm, model.dropout) == (False, 0.0)
    assert (train.draw, train.optimizer, train.batch_size) == ("positions", "sgd", 32)
    assert (train.steps, train.learning_rate, train.schedule) == (20_000, 0.1, "step")
    assert (train.weight_decay, train.warmup) == (0.0, 0.0)


def test_every_preset_is_among_the_names() -> None:
    assert tuple(PRESETS) == get_args(PresetName)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_knows_its_name(name: str) -> None:
    assert preset(name).preset == name


def test_settings_that_0_1_0_does_not_know_mean_what_it_did() -> None:
    """As the defaults, which stand for what a file of it does not name."""
    train = RunConfig().train
    assert (train.steps, train.beta2, train.masks) == (3000, 0.999, "state")
    assert (train.eval_widen, train.patience) == (False, 0)


def test_the_presets_of_the_n_gram() -> None:
    alone, best = preset("ngram"), preset("best")
    assert (alone.steps, alone.mixture) == (0, MixtureConfig(networks=0, ngram=True))
    assert best.mixture == MixtureConfig(networks=2, ngram=True)
    assert (best.train.smoothing, preset("default").train.smoothing) == (0, 0.5)
    for name in ("classic", "notebook"):
        assert not preset(name).uses_ngram


def test_an_unknown_preset_suggests_the_near_one() -> None:
    with pytest.raises(UsageError, match="no preset 'notebok'; choose notebook"):
        preset("notebok")


def test_a_preset_that_is_near_nothing_gets_the_whole_list() -> None:
    with pytest.raises(UsageError) as caught:
        preset("zzz")
    assert caught.value.cure == f"choose {', '.join(PRESETS)}"


def test_flat_and_nested_keys_mean_the_same() -> None:
    flat_keys = {"hidden_size": 7, "steps": 9, "order": 4}
    nested = {"model": {"hidden_size": 7}, "train": {"steps": 9}, "mixture": {"order": 4}}
    assert override(RunConfig(), flat_keys, "") == override(RunConfig(), nested, "")


def test_override_changes_what_it_names_and_nothing_else() -> None:
    before = preset("notebook")
    after = override(before, {"hidden_size": 7}, "")
    assert after == dataclasses.replace(
        before, model=dataclasses.replace(before.model, hidden_size=7)
    )
    assert before == preset("notebook")


@pytest.mark.parametrize("nothing", [{}, {"model": {}}, {"model": {}, "train": {}}])
def test_no_values_change_nothing(nothing: dict[str, Any]) -> None:
    assert override(preset("notebook"), nothing, "") == preset("notebook")


def test_flags_win_over_the_file_and_the_file_over_the_preset() -> None:
    file = {"model": {"hidden_size": 50}, "train": {"steps": 500, "seed": 5}}
    config = override(override(preset("notebook"), file, "f.toml"), {"steps": 7}, "")
    assert (config.train.steps, config.train.seed) == (7, 5)
    assert (config.model.hidden_size, config.model.embedding_size) == (50, 10)
    assert config.train.optimizer == "sgd"


@pytest.mark.parametrize(
    ("values", "problem", "cure"),
    [
        ({"hiden_size": 1}, "f.toml: unknown setting 'hiden_size'", "hidden_size"),
        ({"lerning_rate": 1}, "f.toml: unknown setting 'lerning_rate'", "learning_rate"),
        ({"model": {"blocksize": 1}}, "f.toml: unknown setting 'model.blocksize'", "block_size"),
        ({"train": {"step": 1}}, "f.toml: unknown setting 'train.step'", "steps"),
        ({"mixture": {"oder": 1}}, "f.toml: unknown setting 'mixture.oder'", "order"),
    ],
)
def test_an_unknown_key_suggests_the_near_one(
    values: dict[str, Any], problem: str, cure: str
) -> None:
    with pytest.raises(UsageError) as caught:
        override(RunConfig(), values, "f.toml")
    assert caught.value.problem == problem
    assert caught.value.cure == f"did you mean {cure}?"


@pytest.mark.parametrize(
    "values",
    [
        {"zzzz": 1},
        {"model": {"steps": 1}},
        {"train": {"hidden_size": 1}},
        {"mixture": {"smoothing": 0}},
        {"dataset": {"seed": 1}},
        {"steps": 3, "zzzz": 1},
    ],
)
def test_a_key_in_the_wrong_place_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="unknown setting"):
        override(RunConfig(), values, "f.toml")


@pytest.mark.parametrize("values", [{"model": 3}, {"train": []}])
def test_a_value_in_the_place_of_a_table_is_refused(values: dict[str, Any]) -> None:
    (table,) = values
    with pytest.raises(UsageError, match=rf"^f\.toml: {table} is .*; give a table: \[{table}\]$"):
        override(RunConfig(), values, "f.toml")


def test_a_bad_value_is_named_with_its_file() -> None:
    with pytest.raises(UsageError, match=r"^f\.toml: steps is -1; it must be at least 0$"):
        override(RunConfig(), {"steps": -1}, "f.toml")


def test_a_key_of_a_file_is_no_argument() -> None:
    with pytest.raises(UsageError) as caught:
        override(RunConfig(), {"ngram_weight": 0.5}, "f.toml")
    assert caught.value.problem.startswith("f.toml: ngram_weight is the ")
    assert caught.value.cure == 'give it with `preset="best"`'


def test_a_bad_flag_is_named_without_a_file() -> None:
    with pytest.raises(UsageError, match=r"^`steps` is -1; it must be at least 0$"):
        override(RunConfig(), {"steps": -1}, "")


@pytest.mark.parametrize("name", PRESETS)
def test_the_tables_of_a_run_give_the_run_back(name: str) -> None:
    tables = preset(name).as_tables()
    assert tables.pop("preset") == name
    assert override(RunConfig(name), tables, "config.toml") == preset(name)


@pytest.mark.parametrize(
    "share", ["1e9999999", "1e-9999999", "0e9999999", "1e9_999_999", "nan", "inf", "1e9999999/3"]
)
def test_a_share_that_could_not_be_computed(share: str) -> None:
    with pytest.raises(UsageError, match="three numbers"):
        DatasetConfig(split=(share, "0", "0"))


def test_shares_as_they_may_be_written() -> None:
    assert DatasetConfig(split=(" 1/3", "1/3 ", "1/3")).shares == (Fraction(1, 3),) * 3
    assert DatasetConfig(split=("1e-1", "+.9", "0e0")).shares == (
        Fraction(1, 10),
        Fraction(9, 10),
        0,
    )


def test_numbers_of_hundreds_of_digits_are_not_written_out() -> None:
    with pytest.raises(UsageError, match=r"^`steps` is a number of 400 digits or more; it must"):
        TrainConfig(steps=HUGE)
    with pytest.raises(UsageError, match=r"^`weight_decay` is a number of 5000 digits or more"):
        TrainConfig(weight_decay=-(10**5000))


def test_networks_that_are_larger_than_memory() -> None:
    """The least that they could have is refused here; what they have, once symbols are known."""
    with pytest.raises(UsageError, match=r"`networks=1` of `embedding_size=1048576`.*parameters"):
        override(preset("default"), {"embedding_size": 1 << 20, "hidden_size": 1 << 20}, "")
    config = override(preset("default"), {"hidden_size": 1 << 14}, "")
    config.refuse_size(1000)
    with pytest.raises(UsageError, match=r"[0-9,]+ parameters or more"):
        config.refuse_size(100_000)
    sixteen = override(preset("default"), {"hidden_size": 1 << 12, "networks": 16}, "")
    with pytest.raises(UsageError, match="`networks=16`"):
        sixteen.refuse_size(20_000)
    override(preset("ngram"), {"embedding_size": 1 << 20, "hidden_size": 1 << 20}, "")
