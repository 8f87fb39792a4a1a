"""Fuzzing: every reader with damaged files, the command line with odd lines; limits watch each.

    python tests/fuzz/run.py [TARGET ...] [--seconds S] [--cases N] [--seed SEED] [--first CASE]

Case i of a target is a function of (seed, target, i). Each target runs in a process of its own; one
that raises anything but its NplmErrors, takes 20 s or asks for another GB is a fault, exit 1. The
input of a fault is kept in .fuzz/, and what brings it back is printed.
"""

import argparse
import faulthandler
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

sys.path[:0] = [str(Path(__file__).parents[1])]

from fuzz.mutations import mutate
from fuzz.target import Target
from nplm.errors import NplmError
from nplm.extras import TRAIN_EXTRA

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / ".fuzz"
COMMAND_LINE = "command-line"
CASE_SECONDS = 20
MEMORY = 10**9  # bytes that a case may ask for beyond what the process has
LONGEST = 1000  # characters of a message
MOST_FAULTS = 20  # kinds of them, after which a target is given up


@dataclass
class Tally:
    """What came of a target's cases.

    Attributes:
        accepted: cases that were read, or commands that succeeded; the others were refused.
        faults: the first case of each kind and what happened.
        peak: bytes, the most that the process ever held.
        skipped: why it was not run, if so.
    """

    cases: int = 0
    accepted: int = 0
    faults: list[str] = field(default_factory=list)
    hangs: int = 0
    peak: int = 0
    skipped: str = ""

    def is_new(self, fault: str) -> bool:
        """Whether no fault of the same kind and place was seen before."""
        kind = fault.partition(": ")[0]
        return not any(kind in line for line in self.faults)


def targets() -> dict[str, Target]:
    """Those of every file beside this one, by name."""
    found: dict[str, Target] = {}
    for path in sorted(HERE.glob("*.py")):
        if path.stem == "run" or path.stem.startswith("test_"):
            continue
        for target in getattr(importlib.import_module(f"fuzz.{path.stem}"), "TARGETS", []):
            assert target.name not in found, target.name
            found[target.name] = target
    return found


def content_of(target: Target, others: list[bytes], seed: str, number: int) -> bytes:
    """The file of a case; case 0 is the valid one."""
    if not number:
        return target.valid
    return mutate(target.valid, others, Random(f"{seed}:{target.name}:{number}"))


def run_target(target: Target, others: list[bytes], options: argparse.Namespace) -> Tally:
    """Run cases in this process until time or cases are over. A hang ends it with a traceback."""
    tally = Tally()
    end = time.monotonic() + options.share
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "files" / target.filename
        if target.beside:
            shutil.copytree(target.beside, path.parent, ignore=shutil.ignore_patterns("trials"))
        path.parent.mkdir(exist_ok=True)
        skipped = _first(target, path)
        if skipped:
            return Tally(skipped=skipped)
        _limit_memory()
        for number in range(options.first, options.first + options.cases):
            if time.monotonic() > end or len(tally.faults) == MOST_FAULTS:
                break
            content = content_of(target, others, options.seed, number)
            options.current.write_text(json.dumps(number), encoding="utf-8")
            path.write_bytes(content)
            faulthandler.dump_traceback_later(CASE_SECONDS, exit=True)
            fault = _read(target, path, tally)
            faulthandler.cancel_dump_traceback_later()
            tally.cases += 1
            if fault and tally.is_new(fault):
                tally.faults.append(f"case {number}: {fault}")
                keep(target, number, content)
    tally.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return tally


def _first(target: Target, path: Path) -> str:
    """Read the valid file, which loads what a reader imports; why it cannot run here, if so."""
    path.write_bytes(target.valid)
    try:
        target.read(path)
    except ModuleNotFoundError as error:
        if error.name in TRAIN_EXTRA:
            return f"needs {error.name}"
        raise
    return ""


def _read(target: Target, path: Path, tally: Tally) -> str:
    """What is wrong with how the target reads the file; empty where nothing is."""
    try:
        target.read(path)
        tally.accepted += 1
    except NplmError as error:
        if error.exit_code not in target.codes:
            return f"{type(error).__name__}: {str(error)[:100]!a}"
        size = len(str(error))
        return "" if 0 < size <= LONGEST else f"a message of {size} characters"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        return f"{type(error).__name__} at {place}: {str(error)[:100]!a}"
    return ""


def _limit_memory() -> None:
    now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    bytes_now = now * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (bytes_now + MEMORY, bytes_now + MEMORY))


def keep(target: Target, number: int, content: bytes) -> None:
    KEPT.mkdir(exist_ok=True)
    (KEPT / f"{target.name}-{number}".replace(" ", "-")).write_bytes(content)


def work(name: str, options: argparse.Namespace) -> None:
    """The child: run one target and write its tally."""
    if name == COMMAND_LINE:
        from fuzz.commandline import run_lines

        tally = run_lines(options, Tally)
    else:
        every = targets()
        others = [target.valid for other, target in every.items() if other != name]
        tally = run_target(every[name], others, options)
    options.report.write_text(json.dumps(asdict(tally)), encoding="utf-8")


def start(name: str, options: argparse.Namespace) -> Tally:
    """Run a target in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        report, current = Path(folder) / "report", Path(folder) / "current"
        words = [name, "--share", options.share, "--cases", options.cases, "--seed"]
        words += [options.seed, "--first", options.first, "--report", report, "--current", current]
        done = subprocess.run(
            [sys.executable, __file__, *map(str, words)],
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode == 0:
            return Tally(**json.loads(report.read_text(encoding="utf-8")))
        hung = b"Timeout" in done.stderr
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-8:]
        what = "hang" if hung else f"ended with {done.returncode}"
        number = int(current.read_text(encoding="utf-8")) if current.exists() else -1
        fault = f"case {number}: {what}\n    " + "\n    ".join(last)
        if number >= 0 and name != COMMAND_LINE:
            every = targets()
            others = [target.valid for other, target in every.items() if other != name]
            keep(every[name], number, content_of(every[name], others, options.seed, number))
        return Tally(max(0, number - options.first + 1), faults=[fault], hangs=int(hung))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=600, help="of all targets together")
    parser.add_argument("--share", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--cases", type=int, default=10**9, help="of each target, at most")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--current", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.report:
        return work(options.targets[0], options)
    names = options.targets or [*targets(), COMMAND_LINE]
    options.share = options.seconds / len(names)
    print(f"seed {options.seed}, {len(names)} targets, {options.share:.0f} s each")
    faults = 0
    for name in names:
        tally = start(name, options)
        faults += len(tally.faults)
        if tally.skipped:
            print(f"{name:24} skipped: {tally.skipped}", flush=True)
            continue
        print(
            f"{name:24} {tally.cases:7} cases {tally.accepted:7} accepted "
            f"{len(tally.faults) - tally.hangs:2} tracebacks {tally.hangs:2} hangs "
            f"{tally.peak / 1e6:6.0f} MB",
            flush=True,
        )
        for fault in tally.faults:
            print(f"  {fault}")
    if faults:
        print(
            f"again: python tests/fuzz/run.py TARGET --seed {options.seed} --first CASE --cases 1"
        )
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
