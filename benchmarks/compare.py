"""Two versions side by side: a commit and the working tree.

python benchmarks/compare.py COMMIT [--rounds 5] [--only NAME ...] [--all] [--models FOLDER]

Each figure is of a whole process, started anew, of one side and then of the other; which is first
changes from round to round, and round r trains with seed r. The commit is checked out in a
temporary folder; leave the working tree as it is meanwhile. What is called are commands of the
first public version, and `nplm.load`.
Without --only or --all what takes longest is left out: see `measurements.LONG`.
"""

import argparse
import compileall
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comparison import collect, header, rows
from measurements import LONG, MEASUREMENTS, Bench
from models import Models
from places import ROOT
from processes import Side
from sections import commit, git, machine, print_table


@contextmanager
def checked_out(name: str) -> Iterator[Path]:
    """A folder with the files of a commit, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="nplm-compare-") as scratch:
        folder = Path(scratch) / "commit"
        base = ["git", "-C", str(ROOT), "worktree"]
        try:
            subprocess.run(
                [*base, "add", "--quiet", "--detach", str(folder), name],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            yield folder
        finally:
            subprocess.run([*base, "remove", "--force", str(folder)], check=False)


def prepare(side: Side) -> None:
    """Compile its modules, and make sure that its processes run them."""
    side.folder.mkdir(parents=True)
    compileall.compile_dir(side.source, quiet=1)
    printed = side.python("-c", "import nplm; print(nplm.__file__)").printed
    if Path(printed.strip()).parent != side.source / "nplm":
        sys.exit(f"a process of {side.source} imports {printed.strip()}")


def measure(bench: Bench, names: list[str], rounds: int) -> Iterator[list[str]]:
    """The rows of some measurements; what each took goes to stderr."""
    for name in names:
        started = time.perf_counter()
        results = collect(MEASUREMENTS[name](bench, turn) for turn in range(rounds))
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
        yield from rows(f"`{name}`", results)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME", default=[])
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(LONG)}")
    parser.add_argument("--models", type=Path, help="keep what both sides are given, or use it")
    parser.add_argument("--names", type=int, default=1_000_000, help="of the cold measurements")
    parser.add_argument("--unique", type=int, default=5_000_000, help="strings of `unique`")
    return parser.parse_args(arguments)


def chosen(asked: argparse.Namespace) -> list[str]:
    return asked.only or [name for name in MEASUREMENTS if asked.all or name not in LONG]


def main(arguments: list[str] | None = None) -> None:
    asked = parse(arguments)
    name = git("rev-parse", "--short", f"{asked.commit}^{{commit}}")
    if not name:
        sys.exit(f"there is no commit {asked.commit}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    print(f"## Against {name} (`{command(arguments)}`)\n")
    print(f"{commit()}, against {name}. {machine()}.", end=" ")
    print(f"Medians of rounds, of which there were {asked.rounds}.\n", flush=True)
    with checked_out(name) as tree, tempfile.TemporaryDirectory() as scratch:
        before = Side(tree / "src", Path(scratch) / "before")
        after = Side(ROOT / "src", Path(scratch) / "after")
        for side in (before, after):
            prepare(side)
        bench = Bench((before, after), Models.of(asked.models, before), asked.names, asked.unique)
        print_table(header(name), measure(bench, chosen(asked), asked.rounds))


def command(arguments: list[str] | None) -> str:
    words = sys.argv[1:] if arguments is None else arguments
    return " ".join(["python benchmarks/compare.py", *words])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
