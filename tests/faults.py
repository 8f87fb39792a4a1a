"""Fault injection at the file layer: every call that writes fails in turn, or the process dies.

python tests/faults.py [--points N] [--seed S] [COMMAND ...]

Of each command that writes: how many calls change the disk (points), and at each of them, once with
an error of the disk and once with SIGKILL, over an output that exists and over a free name: is what
was there whole, or all of the new one; does the command then go on, or begin anew, and end with the
same output; is nothing temporary left. With --points, N faults of each command, drawn by the seed.
Exit code 1 where anything is not so.
"""

import errno
import os
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from nplm import renames
from workplace import (
    COMMANDS,
    Command,
    Workplace,
    digest,
    goes_on,
    leftovers,
    options_of,
    run,
    state,
)

Chosen = Callable[[list[tuple[int, bool]]], list[tuple[int, bool]]]
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
CALLS = ("fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir")


class Layer:
    """Counts the calls that change the disk below the folder, and lets the n-th fail."""

    def __init__(self, fail_at: int, kill: bool, count: Path | None = None) -> None:
        self.calls, self.fail_at, self.kill, self.count = 0, fail_at, kill, count

    def install(self) -> None:
        for name in CALLS:
            setattr(os, name, self.counted(getattr(os, name)))
        renames._renamed = self.counted(renames._renamed)
        os.open = self.opening(os.open)
        os.fdopen = self.wrapped(os.fdopen)
        layer, opened = self, Path.open

        def open_path(self: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
            file = opened(self, mode, *rest, **options)
            return File(file, layer) if "a" in mode else file

        Path.open = open_path  # type: ignore[method-assign, assignment]

    def point(self) -> bool:
        """Whether this call is to fail."""
        self.calls += 1
        if self.count:
            self.count.write_bytes(str(self.calls).encode())
        return self.calls == self.fail_at

    def fail(self) -> None:
        if self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        number = ERRORS[self.calls % len(ERRORS)]
        raise OSError(number, os.strerror(number))

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        here = os.getcwd()  # noqa: PTH109

        def counting(*arguments: Any, **options: Any) -> Any:
            ours = all(
                isinstance(a, int) or not Path(a).is_absolute() or str(a).startswith(here)
                for a in arguments[:2]
            )
            if ours and self.point():
                self.fail()
            return call(*arguments, **options)

        return counting

    def opening(self, call: Callable[..., int]) -> Callable[..., int]:
        creating = self.counted(call)

        def opening(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            return (creating if flags & os.O_CREAT else call)(path, flags, *rest, **options)

        return opening

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: File(call(*arguments, **options), self)


class File:
    """A file whose writes are points, too: one that fails has written half."""

    def __init__(self, file: Any, layer: Layer) -> None:
        self._file, self._layer = file, layer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: bytes) -> int:
        if self._layer.point():
            self._file.write(content[: len(content) // 2])
            self._file.flush()
            self._layer.fail()
        return int(self._file.write(content))


def points_of(place: Workplace, command: Command, *, free: bool) -> int:
    """How many calls of a command change the disk."""
    with place.copied() as folder:
        if free:
            remove(folder / command.output)
        count = place.folder / "count"
        ended = run(folder, command.line(2), lambda: Layer(0, kill=False, count=count).install())
        assert ended.code == 0, ended
    return int(count.read_bytes())


def try_point(
    place: Workplace, command: Command, *, point: int, kill: bool, free: bool
) -> tuple[str, list[str]]:
    """What stands at the output after a fault at one point, and what is wrong with that."""
    wrong, known = [], place.known[command.name]
    with place.copied() as folder:
        output = folder / command.output
        if free:
            remove(output)
        ended = run(folder, command.line(2), lambda: Layer(point, kill).install())
        found = state(output, known)
        if free and found == "half" and command.name in {"train", "sweep"}:
            found = "begun"  # which is what a run is at any moment: it can be gone on with
        if found in {"half", "old" if free else "none"} or (found == "alone" and not kill):
            wrong.append(f"{found} after it")
        expected = {-signal.SIGKILL} if kill else {0, 3}
        lines = [line for line in ended.said.splitlines() if line.startswith("nplm: ")]
        if ended.code == 0 and found != "new":
            wrong.append(f"it said that all was well: {found}")
        if ended.code not in expected or len(lines) != (ended.code == 3) or "Trace" in ended.said:
            wrong.append(f"it ended with {ended.code}: {ended.said[-2000:]}")
        going_on = (free or point % 2) and found != "new"
        again = run(folder, goes_on(folder, command, 2, found) if going_on else command.line(2))
        if again.code or digest(output) != known[2]:
            wrong.append(f"next run: {again.code}, {state(output, known)}, {again.said[-2000:]}")
        if left := leftovers(folder):
            wrong.append(f"left after the next run: {left}")
    return found, wrong


def remove(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    else:
        output.unlink()
        Path(f"{output}.json").unlink(missing_ok=True)


def attack(place: Workplace, command: Command, *, free: bool, chosen: Chosen) -> int:
    """Print a line about a command, and what went wrong; how often anything did."""
    points = points_of(place, command, free=free)
    faults = chosen([(point, kill) for point in range(1, points + 1) for kill in (False, True)])
    states: Counter[str] = Counter()
    failures = 0
    for point, kill in faults:
        found, wrong = try_point(place, command, point=point, kill=kill, free=free)
        states[found] += 1
        failures += bool(wrong)
        for line in wrong:
            print(f"  WRONG {command.name} {free=} {point=} {kill=}: {line}")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(states.items()))
    where = "free" if free else "exists"
    print(f"{command.name:9} {where:7} {points:6} {len(faults):6}  {kinds}", flush=True)
    return failures


def main(arguments: list[str], place: Workplace | None = None) -> int:
    options = options_of(arguments, __doc__, "points", None)
    draw = random.Random(options.seed)

    def chosen(faults: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
        return draw.sample(faults, min(options.count or len(faults), len(faults)))

    place = place or Workplace(options.commands)
    print(f"{'command':9} {'output':7} {'points':>6} {'faults':>6}  what stood there", flush=True)
    failures = sum(
        attack(place, COMMANDS[name], free=free, chosen=chosen)
        for name in options.commands
        for free in (False, True)
    )
    print(f"{failures} faults left something that is not whole")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
