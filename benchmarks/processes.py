"""Whole processes of some version of `nplm`, timed from outside.

Only the standard library is imported here, and by whoever wants peaks of memory: until a process
has become another program it holds what its parent holds, and that counts.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from curve import Evaluation, read_curve

MAIN = "from nplm.cli.main import main; main()"
UNITS = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss in a megabyte


@dataclass(frozen=True)
class Usage:
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: user and system time.
        peak_mb: the most memory it held (resident).
        printed: what it wrote to stdout.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    printed: str


@dataclass(frozen=True)
class Training:
    """A run's `nplm train`, and the evaluations it logged."""

    usage: Usage
    curve: list[Evaluation]

    @property
    def train_seconds(self) -> float:
        return self.curve[-1].train_seconds


@dataclass(frozen=True)
class Side:
    """The sources of a version, and the folder its processes run in."""

    source: Path
    folder: Path

    def python(self, *words: str) -> Usage:
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.source),
            "OMP_NUM_THREADS": "1",
            "NO_COLOR": "1",
        }
        return timed([sys.executable, *words], self.folder, environment)

    def nplm(self, *words: str) -> Usage:
        return self.python("-c", MAIN, *words)

    def build(self, text: Path, out: Path, split_by: str) -> Usage:
        """Make a data set, split with the lesson's seed."""
        split = ["--split-by", split_by, "--seed", "314"]
        return self.nplm("dataset", "build", str(text), *split, "--out", str(out))

    def train(self, data: Path, preset: str, seed: int, out: str = "run") -> Training:
        """Train a run, in the place of one that may be there."""
        options = ["--preset", preset, "--seed", str(seed), "--device", "cpu"]
        usage = self.nplm("train", str(data), *options, "--out", out, "--force")
        text = (self.folder / out / "metrics.jsonl").read_text("utf-8")
        return Training(usage, read_curve(text))

    def export(self, run: Path, data: Path, file: Path) -> Usage:
        """Export a run, in the place of a file that may be there."""
        places = [str(run), "--data", str(data), "--out", str(file)]
        return self.nplm("export", "onnx", *places, "--force")

    def test_nats(self, run: str) -> float:
        """Nats per symbol of the test split: to be reported, never to choose by."""
        printed = self.nplm("eval", run, "--split", "test", "--json").printed
        return float(json.loads(printed)["nats_per_symbol"])


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> Usage:
    """Run a command.

    Raises:
        SystemExit: it failed; the message has the end of what it wrote to stderr.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=errors)
        try:
            _, status, resources = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C: nothing that was started here goes on
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            last = errors.read()[-2000:]
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{last}")
        cpu = resources.ru_utime + resources.ru_stime
        return Usage(seconds, cpu, resources.ru_maxrss / UNITS, out.read())
