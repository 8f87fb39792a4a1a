"""Commands that write, killed at random moments.

python tests/kills.py [--kills N] [--seed S] [COMMAND ...]

Of N kills 60 % are SIGKILL, 20 % SIGTERM, 10 % SIGHUP and 10 % SIGINT, each over an output that
exists, at a moment drawn from the time that the command takes. A process that could catch its
signal must have said so in one line, ended with its code and left nothing temporary. The output
must be the whole old one or the whole new one, going on (or the same command again) must end with
the new one, and nothing temporary may be left. Exit code 1 where anything is not so.
"""

import random
import signal
import sys
import time
from collections import Counter

from workplace import (
    COMMANDS,
    Command,
    Ended,
    Process,
    Workplace,
    digest,
    goes_on,
    leftovers,
    options_of,
    run,
    state,
    temporaries,
)

SIGNALS = (
    *[signal.SIGKILL] * 6,
    *[signal.SIGTERM] * 2,
    signal.SIGHUP,
    signal.SIGINT,
)


def attack(
    place: Workplace, command: Command, number: signal.Signals, moment: float, *, going_on: bool
) -> tuple[Counter[str], list[object]]:
    """Kill a command once: the columns to count it in, and what is wrong."""
    known = place.known[command.name]
    with place.copied() as folder:
        process = Process(folder, command.line(2))
        time.sleep(moment * place.seconds[command.name])
        process.kill(number)
        ended = process.wait()
        found, cut = state(folder / command.output, known), temporaries(folder)
        tally = Counter([number.name, found, *(["left"] if cut else [])])
        words = command.line(2)
        if going_on and found != "new":
            words = goes_on(folder, command, 2, found)
        again = run(folder, words)
        whole = again.code == 0 and digest(folder / command.output) == known[2]
        left = leftovers(folder)
    good = found in {"old", "new", "alone"} and whole and not left and ends_well(ended, number, cut)
    return tally, [] if good else [command.name, number.name, found, ended, cut, again, left]


def ends_well(ended: Ended, number: int, cut: list[str]) -> bool:
    """Whether a process ended as it should: `cut` are the temporaries that it left."""
    if number == signal.SIGKILL:
        return ended.code in {-number, 0}
    lines = [line for line in ended.said.splitlines() if line.startswith("nplm: ")]
    if ended.code == 128 + number and lines:
        return len(lines) == 1 and "Trace" not in ended.said and not cut
    # It was done, or had not begun.
    return not cut and not lines and (ended.code == 0 or not ended.said)


def main(arguments: list[str], place: Workplace | None = None) -> int:
    options = options_of(arguments, __doc__, "kills", 500)
    place = place or Workplace(options.commands)
    moments, failures = random.Random(options.seed), 0
    numbers = [SIGNALS[k % len(SIGNALS)] for k in range(options.count)]
    moments.shuffle(numbers)
    tallies: dict[str, Counter[str]] = {name: Counter() for name in options.commands}
    for kill, number in enumerate(numbers):
        command = COMMANDS[options.commands[kill % len(options.commands)]]
        going_on = bool(moments.getrandbits(1))
        tally, wrong = attack(place, command, number, moments.random(), going_on=going_on)
        tallies[command.name] += tally
        if wrong:
            failures += 1
            print("  WRONG", *wrong, flush=True)
    columns = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "old", "new", "alone", "half", "left")
    print(f"{'command':9} " + " ".join(f"{column:>7}" for column in columns))
    for name, tally in [*tallies.items(), ("all", sum(tallies.values(), Counter[str]()))]:
        print(f"{name:9} " + " ".join(f"{tally[column]:7}" for column in columns))
    print(f"{failures} kills left something that is not whole")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
