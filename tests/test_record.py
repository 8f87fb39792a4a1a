"""Values of a file by key: of their type and within bounds, or an error that names both."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nplm.checks import Normalization
from nplm.config import TrainConfig
from nplm.errors import DamagedError
from nplm.record import Record

HASH = "0123456789abcdef" * 4


def record(**values: Any) -> Record:
    return Record(values, Path("f.json"), "make it again")


def test_values_are_taken_as_they_are() -> None:
    values = record(
        i=2**63 - 1,
        x=-2.5,
        n=None,
        s=False,
        c="none",
        t="é\n",
        d=HASH,
        l=[1, "a"],
        v=["b", "a"],
        inner={"seed": 7, "steps": 9},
    )
    assert values.integer("i") == 2**63 - 1
    assert (values.number("x"), values.number_or_none("x"), values.number_or_none("n")) == (
        *(-2.5, -2.5),
        None,
    )
    assert values.number("i") == float(2**63 - 1)
    assert values.switch("s") is False
    assert values.choice("c", Normalization) == "none"
    assert (values.text("t"), values.digest("d"), values.items("l")) == ("é\n", HASH, [1, "a"])
    assert values.symbols("v") == ("b", "a")
    assert values.table("inner").integer("seed", 7, 7) == 7
    assert values.settings("inner", TrainConfig) == TrainConfig(seed=7, steps=9)


@pytest.mark.parametrize(
    ("take", "wrong", "message"),
    [
        (lambda r: r.integer("k"), [True, 1.0, "1", None, [1]], "k is .*: give a whole number"),
        (lambda r: r.integer("k", 2, 3), [1, 4], "k is [14]: it must be between 2 and 3"),
        (
            lambda r: r.number("k"),
            [True, "1", None, float("nan")],
            "k is .*: give a (finite )?number",
        ),
        (lambda r: r.number("k", 0.0), [-0.1], "k is -0.1: it must be at least 0"),
        (lambda r: r.number_or_none("k"), ["", []], "k is .*: give a (finite )?number"),
        (lambda r: r.switch("k"), [0, 1, "true", None], "k is .*: give true or false"),
        (lambda r: r.choice("k", Normalization), ["nfd", 1, ["nfc"]], "k is .*: choose nfc, none"),
        (lambda r: r.text("k"), [1, None, ["a"], "a\0b"], "k is .*, not a text"),
        (
            lambda r: r.digest("k"),
            [HASH[1:], HASH + "0", HASH.upper(), HASH[1:] + "\n", 1],
            "k is .*, not 64 hexadecimal digits",
        ),
        (lambda r: r.items("k"), ["ab", {}, None], "k is .*, not a list"),
        (lambda r: r.symbols("k"), [[], ["a", 1], [["a"]]], "k is not a list of symbols"),
        (lambda r: r.table("k"), [[], "x", None], "k is .*, not a table"),
        (lambda r: r.settings("k", TrainConfig), [{"step": 1}], r"k\.step is no setting"),
        (
            lambda r: r.settings("k", TrainConfig),
            [{"steps": -1}],
            r"k\.steps is -1: it must be at l",
        ),
    ],
)
def test_what_is_wrong_is_named(
    take: Callable[[Record], object], wrong: list[Any], message: str
) -> None:
    for value in wrong:
        with pytest.raises(DamagedError, match=rf"^f\.json is damaged: {message}") as caught:
            take(record(k=value))
        assert (caught.value.path, caught.value.cure) == (Path("f.json"), "make it again")
        assert "`" not in str(caught.value)
    with pytest.raises(DamagedError, match=r"^f\.json is damaged: k is missing; make it again$"):
        take(record())


def test_a_place_in_the_file_is_named() -> None:
    with pytest.raises(DamagedError, match=r"^f, line 3, is damaged: a\.b\.c is missing; cure"):
        Record.of({"a": {"b": {}}}, "f", "cure", ", line 3,").table("a").table("b").integer("c")
    with pytest.raises(DamagedError, match=r"^f, line 3, is damaged: it is not an object"):
        Record.of([], "f", "cure", ", line 3,")


def test_a_long_value_does_not_make_a_long_line() -> None:
    with pytest.raises(DamagedError, match=re.escape("k is 'xxx")) as caught:
        record(k="x" * 10**6).integer("k")
    assert len(str(caught.value)) < 300
