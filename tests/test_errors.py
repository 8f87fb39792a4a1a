"""The exception tree: exit codes, messages, and the picture of it in the docstring."""

import re

import pytest

from nplm import errors
from nplm.errors import DataError, MissingExtraError, NplmError

CODES = {
    "NplmError": 1,
    "UsageError": 2,
    "DataError": 3,
    "MissingExtraError": 4,
    "DeviceError": 5,
    "VerificationError": 6,
    "ConstraintError": 7,
    "DivergedError": 8,
    "InterruptedRunError": 130,
}


def test_exit_codes_are_those_of_the_design() -> None:
    classes = [NplmError, *NplmError.__subclasses__()]
    assert {c.__name__: c.exit_code for c in classes if c.__module__ == errors.__name__} == CODES


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn = re.findall(r"(\w+Error) +(\d+)", errors.__doc__ or "")
    assert {name: int(code) for name, code in drawn} == CODES


@pytest.mark.parametrize("name", CODES)
def test_one_except_catches_every_error(name: str) -> None:
    assert issubclass(getattr(errors, name), NplmError)


def test_the_message_is_problem_and_cure_on_one_line() -> None:
    error = DataError("x.txt is empty", "give another file")
    assert str(error) == "x.txt is empty; give another file"
    assert (error.problem, error.cure) == ("x.txt is empty", "give another file")


def test_a_message_without_cure_is_the_problem_alone() -> None:
    assert str(DataError("x.txt is empty")) == "x.txt is empty"


def test_a_missing_extra_comes_with_the_exact_pip_line() -> None:
    error = MissingExtraError("training")
    assert error.problem.startswith("training ")
    assert error.cure == 'run: pip install "nplm-toolkit[train]"'
