"""A short, seeded pass of damage to model files; `make fuzz` is the long one."""

import time
import tracemalloc
from pathlib import Path

import pytest

import wire
from fuzz.model import MIXTURE, SIGNED, TARGETS, attack
from nplm.errors import DataError
from nplm.runtime.onnxguard import MAX_NODES
from nplm.runtime.onnxmodel import open_bytes


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_files_to_damage_are_valid(target: object, tmp_path: Path) -> None:
    path = tmp_path / target.filename
    path.write_bytes(target.valid)
    assert target.read(path).shape[0] == 16


@pytest.mark.parametrize("valid", [SIGNED, MIXTURE.read_bytes()], ids=["signed", "format 1"])
def test_damage_is_refused_or_harmless(valid: bytes) -> None:
    """And the damage is of many kinds, not one that the first look finds."""
    outcomes = attack(valid, seed=0, cases=300)
    assert outcomes.total() == 300
    assert 0 < outcomes["opened"] < 150
    assert len(outcomes) > 60


def hostile_files() -> dict[str, bytes]:
    """Small to write, large to read for a reader that trusts them."""
    deep = b""
    for _ in range(10_000):
        deep = wire.field(7, deep)
    many = wire.graph(nodes=wire.NODES * (MAX_NODES // 2), constants=wire.CONSTANTS * 20_000)
    attributes = wire.node("Add", ["rows"] * 32, "o", wire.field(5, wire.field(3, 1)) * 8)
    return {
        "nested": wire.model(deep),
        "many constants": wire.model(many),
        "full nodes": wire.model(wire.graph(nodes=[attributes] * (MAX_NODES // 8))),
        "many entries": wire.field(14, b"") * 500_000,
        "long varints": b"\x80" * 1_000_000,
        "long length": b"\x3a" + wire.varint(2**63),
    }


@pytest.mark.parametrize("name", hostile_files())
def test_time_and_memory_are_bounded(name: str) -> None:
    content = hostile_files()[name]
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(DataError):
        open_bytes(content, "x.onnx")
    seconds = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 10
    assert peak < 200_000_000
