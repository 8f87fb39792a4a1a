"""A list with one line so long that twice its length is more than any string may have."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nplm.checks import MAX_SIZE

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread")]
LONG = 600_000


@pytest.fixture
def long_list(tmp_path: Path) -> Path:
    """Enough short lines beside it that a model which has hardly learnt ends its strings soon."""
    short = [f"{k:x}" for k in range(200_000)]
    path = tmp_path / "long.txt"
    path.write_text("\n".join([*short[:100_000], "0" * LONG, *short[100_000:]]), "utf-8")
    return path


def test_from_a_list_to_strings(nplm: "Nplm", long_list: Path) -> None:
    assert 2 * LONG > MAX_SIZE
    nplm.ok("dataset", "build", str(long_list), "--split", "1,0,0", "--out", "data/long")
    done = nplm.train("data/long", "--steps", "4", "--eval-every", "2", "--smoothing", "0")
    assert done.code == 0, done.err
    assert len([line for line in done.err.splitlines() if line.startswith("  ")]) == 10
    run = "checkpoints/long"
    assert nplm.ok("eval", run, "--split", "train", "--json").json["strings"] == 200_001
    assert "1,000 strings equal" in nplm.ok("export", "onnx", run, "--out", "long.onnx").err
    strings = nplm.ok("generate", "long.onnx").lines
    assert len(strings) == 20
    assert nplm.ok("generate", run, "--runtime", "torch").lines == strings
    refused = nplm("generate", "long.onnx", "--max-length", str(MAX_SIZE + 1))
    assert refused.code == 2  # asked for is still refused
