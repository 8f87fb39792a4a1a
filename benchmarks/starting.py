"""What a command takes that does next to nothing, against importing torch.

python benchmarks/starting.py [--rounds 7] [--models FOLDER]

Each round starts every process once. Shares are of the round's own `import torch`.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from models import Models
from places import ROOT
from processes import Side, Usage
from sections import print_table, section


def measure(models: Models) -> dict[str, Usage]:
    """One round."""
    side, file = models.side, models.file("classic")
    return {
        '`python -c "import torch"`': side.python("-c", "import torch"),
        "`nplm generate MODEL -n 20`, `classic`": side.nplm("generate", str(file), "-n", "20"),
        "`nplm --help`": side.nplm("--help"),
    }


def rows(rounds: list[dict[str, Usage]]) -> list[list[str]]:
    """A row for each command: medians of its seconds, its share, its peak of memory."""
    torch = next(iter(rounds[0]))
    return [
        [
            command,
            f"{median(usages[command].seconds for usages in rounds):.2f}",
            f"{median(u[command].seconds / u[torch].seconds for u in rounds):.2f}",
            f"{median(usages[command].peak_mb for usages in rounds):.0f}",
        ]
        for command in rounds[0]
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models", type=Path)
    asked = parser.parse_args()
    with section("Starting", "python benchmarks/starting.py"):
        print(f"Whole processes, medians of {asked.rounds} rounds.\n", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            models = Models.of(asked.models, Side(ROOT / "src", Path(scratch)))
            measure(models)  # modules are compiled, files are in memory
            rounds = [measure(models) for _ in range(asked.rounds)]
        header = ["", "seconds", "of `import torch`", "peak memory, MB"]
        print_table(header, rows(rounds))


if __name__ == "__main__":
    main()
