"""Two writers of every kind at once.

python tests/races.py [--times N] [--seed S] [COMMAND ...]

Two processes of a command write to one place, with other content, N times; every other time with
--force, over an output that exists. Without it one succeeds and the other ends with 3; with it at
least one succeeds. In either case the output is all of one of them, and nothing temporary is left.
Exit code 1 where anything is not so.
"""

import random
import sys
import time
from collections import Counter

from faults import remove
from workplace import COMMANDS, Command, Process, Workplace, digest, leftovers, options_of


def attack(place: Workplace, command: Command, delay: float, *, force: bool) -> tuple[int, str]:
    """Let two writers race once: how many succeeded, and what is wrong."""
    with place.copied() as folder:
        if not force:
            remove(folder / command.output)
        first = Process(folder, command.line(1, force=force))
        time.sleep(delay)
        second = Process(folder, command.line(2, force=force))
        ends = [first.wait(), second.wait()]
        found, left = digest(folder / command.output), leftovers(folder)
    winners = [k for k, ended in enumerate(ends, 1) if ended.code == 0]
    well = {ended.code for ended in ends} <= {0, 3} and len(winners) in ({1, 2} if force else {1})
    whole = found in [place.known[command.name][k] for k in winners]
    return len(winners), "" if well and whole and not left else f"{force=} {ends} {left}"


def main(arguments: list[str], place: Workplace | None = None) -> int:
    options = options_of(arguments, __doc__, "times", 50)
    place = place or Workplace(options.commands)
    delays, failures = random.Random(options.seed), 0
    print(f"{'command':9} {'times':>5} {'one':>5} {'both':>5}  succeeded", flush=True)
    for command in map(COMMANDS.__getitem__, options.commands):
        successes: Counter[int] = Counter()
        for k in range(options.count):
            delay = delays.choice((0.0, 0.0, 0.02, 0.1))
            winners, wrong = attack(place, command, delay, force=bool(k % 2))
            successes[winners] += 1
            if wrong:
                failures += 1
                print(f"  WRONG {command.name} {wrong}", flush=True)
        print(f"{command.name:9} {options.count:5} {successes[1]:5} {successes[2]:5}", flush=True)
    print(f"{failures} races left something that is not one whole output")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
