"""What the benchmarks print: Markdown that can stand in docs/benchmarks.md as it is."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from statistics import mean

from places import ROOT


@contextmanager
def section(text: str, command: str) -> Iterator[None]:
    """A section under its head: what it is, the command that prints it, and where that was.

    How long it took goes to stderr.
    """
    print(f"## {text} (`{command}`)\n")
    print(f"{commit()}. {machine()}.\n", flush=True)
    started = time.perf_counter()
    yield
    print(f"{command}: {time.perf_counter() - started:.0f} s", file=sys.stderr)


def print_table(header: list[str], rows: Iterable[list[str]]) -> None:
    """A table, each row as soon as it is there."""
    for cells in chain([header, ["---"] * len(header)], rows):
        print(f"| {' | '.join(cells)} |", flush=True)


def spread(values: list[float], digits: int = 4) -> str:
    """`mean (lowest to highest)`, or the only value."""
    low, high = min(values), max(values)
    middle = f"{mean(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({low:.{digits}f} to {high:.{digits}f})"


def machine() -> str:
    """The processor, and the versions of what computes."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime"))
    cores = f"{os.cpu_count()} cores"
    return f"{processor()}, {cores}, Python {platform.python_version()}, {libraries}, one thread"


def processor() -> str:
    """Its model, as Linux names it."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def commit() -> str:
    """What the working tree holds, in words."""
    name = git("rev-parse", "--short", "HEAD")
    if not name:
        return "No git repository"
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"Commit {name}" + (", with changes" if changed else "")


def git(*words: str) -> str:
    """What git prints; nothing where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
