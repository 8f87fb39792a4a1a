"""Every command line of docs/asking.md runs, on another model and its own list."""

import re
import shlex
import shutil
from pathlib import Path

from cli.conftest import Nplm

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "asking.md").read_text(encoding="utf-8")


def test_commands_run(nplm: "Nplm", home: Path) -> None:
    shutil.copy(ROOT / "tests" / "golden" / "signed.onnx", home / "names.onnx")
    (home / "four.txt").write_text("emma\nkatherine\njaxzqy\nqqq\n", encoding="utf-8")
    commands = re.findall(r"^ +\$ nplm (.*)$", TEXT, re.MULTILINE)
    assert len(commands) > 3
    for command in commands:
        printed = nplm.ok(*shlex.split(command)).out.decode().splitlines()
        shown = TEXT.split(f"$ nplm {command}\n")[1].split("\n\n")[0].splitlines()
        if "threshold" not in command:  # whom it lets through is the model's word
            assert len(printed) == len([line for line in shown if "of attempts" not in line])
