"""The exception tree: exit codes, messages, and the picture of it in the docstring."""

import ast
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import nplm
from nplm import errors
from nplm.errors import (
    DamagedError,
    DataError,
    InUseError,
    MissingExtraError,
    NotFoundError,
    NplmError,
    PathError,
)
from nplm.text import datafolder

CODES = {
    "NplmError": 1,
    "UsageError": 2,
    "DataError": 3,
    "PathError": 3,
    "NotFoundError": 3,
    "ExistsError": 3,
    "DamagedError": 3,
    "InUseError": 3,
    "MissingExtraError": 4,
    "DeviceError": 5,
    "VerificationError": 6,
    "ConstraintError": 7,
    "DivergedError": 8,
    "InterruptedRunError": 130,
}

OPTION = re.compile(r"(?<![\w-])--?[a-z]")


def test_exit_codes_are_those_of_the_design() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    errors_of_ours = [kind for kind in classes if issubclass(kind, NplmError)]
    assert {kind.__name__: kind.exit_code for kind in errors_of_ours} == CODES


@pytest.mark.parametrize("name", ["NotFoundError", "ExistsError", "DamagedError", "InUseError"])
def test_what_happened_to_a_path_is_an_error_of_data_with_that_path(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, PathError)
    assert issubclass(kind, DataError)
    error = kind("a/b", "a/b is so", "do this")
    assert (error.path, str(error)) == (Path("a/b"), "a/b is so; do this")


@pytest.mark.parametrize(
    "error", [DataError("bad", "mend it"), InUseError("a", "held", "wait"), MissingExtraError("x")]
)
def test_an_error_comes_back_from_another_process_as_it_was(error: NplmError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), vars(back), str(back)) == (type(error), vars(error), str(error))


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


def test_what_happened_to_files_of_ours(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"a text")
    with pytest.raises(NotFoundError) as gone:
        nplm.load(tmp_path / "gone.onnx")
    with pytest.raises(DamagedError) as damaged:
        nplm.load(tmp_path / "no.onnx")
    with pytest.raises(NotFoundError) as no_data:
        datafolder.load(tmp_path)
    paths = [caught.value.path.name for caught in (gone, damaged, no_data)]
    assert paths == ["gone.onnx", "no.onnx", tmp_path.name]


def texts_of(node: ast.AST) -> list[str]:
    """The strings of the messages that a piece of source makes."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
        parts: Iterable[ast.AST] = ast.walk(node)
    elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"problem", "cure"}:
        parts = ast.walk(node.value)
    else:
        return []
    return [str(part.value) for part in parts if isinstance(part, ast.Constant)]


def test_no_message_of_the_library_names_an_option() -> None:
    """But for those of a command line, `nplm ...`; the edge makes options of arguments."""
    source = Path(nplm.__file__).parent
    texts = [
        text
        for path in source.rglob("*.py")
        if path.parent.name != "cli"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for text in texts_of(node)
    ]
    assert len(texts) > 100
    wrong = [text for text in texts if OPTION.search(re.sub(r"nplm [^;]*", "", text))]
    assert wrong == []


@pytest.mark.training
def test_what_happened_to_runs(tmp_path: Path) -> None:
    from nplm.runs.checkpoint import locked
    from nplm.runs.facts import read_facts

    with pytest.raises(NotFoundError) as gone:
        read_facts(tmp_path)
    with locked(tmp_path), pytest.raises(InUseError) as held, locked(tmp_path):
        pass
    assert gone.value.path == held.value.path == tmp_path
