"""The progress bar of `nplm train`, on a terminal that is a string."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

pytestmark = pytest.mark.training


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    from nplm.cli import train

    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, highlight=False)
    monkeypatch.setattr(train, "stderr", lambda: console)
    return written


@pytest.mark.parametrize("first", [0, 40])
def test_there_is_no_loss_before_there_is_one(terminal: io.StringIO, first: int) -> None:
    from nplm.api.progressbar import SHOW_EVERY
    from nplm.cli.train import _show
    from nplm.runs.run import RunEvent, Started
    from nplm.training.events import Stepped

    def events() -> Iterator[RunEvent]:
        yield Started(first, first + SHOW_EVERY, 100, 10, 1.0, "cpu", 0, 0)
        yield Stepped(first + SHOW_EVERY, [2.5] * SHOW_EVERY)

    _show(events(), progress=True)
    bars = re.findall(r"loss (\S+)", terminal.getvalue())
    assert bars[0] == "-"
    assert bars[-1] == "2.500"
    assert set(bars) == {"-", "2.500"}
