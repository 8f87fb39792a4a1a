"""A part of `make faults`, `make kills` and `make races`, drawn by a seed."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ATTACKS = """
import faults, kills, races, workplace
commands = ["build", "train", "generate"]
place = workplace.Workplace(commands)
sys.exit(
    faults.main(["--points", "2", "--seed", "1", *commands], place)
    | kills.main(["--kills", "10", "--seed", "1", *commands], place)
    | races.main(["--times", "1", *commands], place)
)
"""


@pytest.mark.training
def test_outputs_stay_whole_when_calls_fail_processes_die_and_writers_race() -> None:
    """In one process, whose imports the commands share; each of them is a fork."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}){ATTACKS}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    faults = [line.split() for line in lines if " exists " in line or " free " in line]
    assert [(row[0], row[1]) for row in faults] == [
        (command, output)
        for command in ("build", "train", "generate")
        for output in ("exists", "free")
    ]
    assert all(int(row[2]) >= 8 for row in faults), faults  # so many calls there were to fail
    (kills,) = (line.split() for line in lines if line.startswith("all "))
    assert sum(map(int, kills[1:5])) == 10
