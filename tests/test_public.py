"""docs/api.md lists what is public from Python, with the signatures that there are."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path

import pytest

import nplm

pytestmark = pytest.mark.training  # Proof is of export
DOC = Path(__file__).parents[1] / "docs" / "api.md"


class Words:
    """An annotation, shown as it is read: without quotes and without modules."""

    def __init__(self, annotation: object) -> None:
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        short = re.sub(r"\b(?:[A-Za-z_]\w*\.)+", "", text).replace('"', "")
        self.text = re.sub(r"ndarray\[.*?, dtype\[(\w+)\]\]", r"NDArray[\1]", short)

    def __repr__(self) -> str:
        return self.text


def signature(function: object) -> str:
    """`(count: int = 20) -> Iterator[Generated]`, without self."""
    found = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [
        each.replace(annotation=Words(each.annotation))
        for each in found.parameters.values()
        if each.name != "self"
    ]
    return str(
        found.replace(parameters=parameters, return_annotation=Words(found.return_annotation))
    )


def members(kind: type) -> Iterator[str]:
    """Fields, properties and methods of a class, one a line."""
    if is_dataclass(kind):
        yield from (f"{item.name}: {Words(item.type)}" for item in fields(kind))
    for name, member in vars(kind).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property | cached_property):
            read = member.fget if isinstance(member, property) else member.func
            yield f"{name}: {Words(inspect.signature(read).return_annotation)}"
        elif callable(member):
            yield f"{name}{signature(member)}"


def listed() -> dict[str, list[str]]:
    """The headings of the page, each with the lines of code below it."""
    sections = re.split(r"^## ", DOC.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {
        section.partition("\n")[0]: re.findall(r"^- `([^`]+)`: \S", section, re.MULTILINE)
        for section in sections
    }


def test_the_page_lists_all_that_is_public() -> None:
    from nplm.api.openrun import Run
    from nplm.counts.evaluate import Nats
    from nplm.export.arpa import ArpaProof
    from nplm.export.proof import Proof
    from nplm.runs.run import Saved, Started
    from nplm.runtime.model import Model
    from nplm.runtime.rank import RankedBatch
    from nplm.runtime.score import Scored, ScoredBatch
    from nplm.runtime.suggest import Completion, NextSymbol, Suggestions
    from nplm.runtime.walk import Generated, GeneratedBatch
    from nplm.text.dataset import Dataset
    from nplm.training.events import Evaluated, Stepped

    kinds = (
        Dataset,
        Run,
        Nats,
        Proof,
        ArpaProof,
        Model,
        Generated,
        GeneratedBatch,
        Scored,
        ScoredBatch,
    )
    kinds += (RankedBatch, Suggestions, NextSymbol, Completion, Started, Stepped, Evaluated, Saved)
    functions = [name for name in nplm.__all__ if inspect.isfunction(getattr(nplm, name))]
    expected = {"nplm": [f"{name}{signature(getattr(nplm, name))}" for name in functions]}
    expected |= {kind.__name__: [*members(kind)] for kind in kinds}
    found = listed()
    assert found.keys() == expected.keys()
    for heading, lines in expected.items():
        assert sorted(found[heading]) == sorted(lines)


def test_all_that_is_public_is_documented() -> None:
    from nplm.api.openrun import Run
    from nplm.runtime.model import Model

    functions = [
        getattr(nplm, name) for name in nplm.__all__ if inspect.isfunction(getattr(nplm, name))
    ]
    methods = [m for kind in (Run, Model) for n, m in vars(kind).items() if not n.startswith("_")]
    assert [each for each in (*functions, *methods) if not inspect.getdoc(each)] == []
