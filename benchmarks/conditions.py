"""Strings of a pattern against strings without one, and the most probable against drawn ones.

python benchmarks/conditions.py [--names 200000] [--top 1000000] [--models FOLDER]
    [--only classic default]

Warm: a pattern's states are worked out and its contexts walked once before it is timed, medians of
three. What is decided late has new contexts in every walk, and fewer strings.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from models import Models
from places import ROOT
from processes import Side, Usage
from sections import print_table, section

EARLY = ["mar.*", ".a.e.", "[aeilmnor]*"]
LATE = [".*lyn", ".*zz.*", "q.*x", ".{12}"]
FEW = 1_000  # strings of what is decided late, where the states do not fit
PRESETS = ["classic", "default"]


def rates(file: Path, names: int) -> list[list[str]]:
    """A row for each pattern, as the header has it."""
    from nplm.generation import Condition, SamplingConfig, StreamConfig
    from nplm.runtime.automatoncache import AutomatonCache
    from nplm.runtime.generate import default_max_length, generate_batches
    from nplm.runtime.onnxmodel import open_model

    model = open_model(file)
    cache, longest = AutomatonCache(model, model.card), default_max_length(model.card)

    def walk(sampling: SamplingConfig, count: int, seed: int) -> tuple[float, int, float]:
        started, attempts, bound = time.perf_counter(), 0, 1.0
        for batch in generate_batches(cache, sampling, StreamConfig(count, seed)):
            attempts, bound = attempts + batch.attempts, batch.bound
        return count / (time.perf_counter() - started), attempts, bound

    free = SamplingConfig(max_length=longest)
    walk(free, names, 0)
    plain = median(walk(free, names, seed)[0] for seed in (1, 2, 3))
    rows = [["none", "", "", f"{plain:,.0f}", "1.000", ""]]
    for pattern in [*EARLY, *LATE]:
        sampling = SamplingConfig(max_length=longest, condition=Condition(pattern))
        started = time.perf_counter()
        with cache.turn:
            cache.of(sampling)
        seconds = time.perf_counter() - started
        few = walk(sampling, FEW, 0)
        count = names if pattern in EARLY or few[0] > 20_000 else FEW
        walk(sampling, count, 0)
        timed = [walk(sampling, count, seed) for seed in (1, 2, 3)]
        rate, (_, attempts, bound) = median(each[0] for each in timed), timed[0]
        accepted = count / attempts
        cells = [f"{bound * accepted:.2g}", f"{seconds:.2f}", f"{rate:,.0f}", f"{rate / plain:.3f}"]
        rows.append([f"`{pattern}`", *cells, f"{accepted:.3f}"])
    return rows


def whole_processes(models: Models, preset: str, count: int) -> list[list[str]]:
    """`nplm generate` and `nplm top` of so many strings, medians of three."""
    file = str(models.file(preset))
    usages: dict[str, list[Usage]] = {"generate": [], "top": []}
    for _ in range(3):
        for command, each in usages.items():
            words = [command, file, "-n", str(count), "--out", "strings.txt", "--force"]
            each.append(models.side.nplm(*words))
    least = median(usage.seconds for usage in usages["generate"])
    return [
        [
            f"`nplm {command} -n {count}`",
            f"{(seconds := median(usage.seconds for usage in each)):.2f}",
            f"{seconds / least:.2f}",
            f"{median(usage.peak_mb for usage in each):.0f}",
        ]
        for command, each in usages.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", type=int, default=200_000)
    parser.add_argument("--top", type=int, default=1_000_000)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--only", nargs="+", choices=PRESETS, default=PRESETS)
    asked = parser.parse_args()
    with (
        section("Patterns and the most probable strings", "python benchmarks/conditions.py"),
        tempfile.TemporaryDirectory() as scratch,
    ):
        models = Models.of(asked.models, Side(ROOT / "src", Path(scratch)))
        whole = {preset: whole_processes(models, preset, asked.top) for preset in asked.only}
        for preset in asked.only:
            print(f"\n`{preset}`:\n")
            print_table(["", "seconds", "ratio", "peak memory, MB"], whole[preset])
            print()
            header = ["pattern", "share of all", "seconds before", "strings/s, warm", "ratio"]
            print_table([*header, "acceptance"], rates(models.file(preset), asked.names))


if __name__ == "__main__":
    main()
