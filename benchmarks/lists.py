"""The presets `ngram`, `default` and `best` on other lists: small, not in Latin script, long.

python benchmarks/lists.py [--seeds 1]

The lists: names of territories in English (CLDR, by way of Babel); names of languages,
territories and currencies in Chinese; sentences of the Brown corpus.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from babel import Locale

from curve import best_val
from places import ROOT, SHARED
from processes import Side
from sections import print_table, section, spread

SENTENCES = 5000
PRESETS = ("ngram", "default", "best")


def cldr(locale: str, *tables: str) -> list[str]:
    """Distinct names in some tables of a locale; territories by letters, not by numbers."""
    names = Locale(locale)
    return sorted(
        {name for table in tables for key, name in getattr(names, table).items() if key.isalpha()}
    )


def lists() -> Iterator[tuple[str, list[str]]]:
    yield "names of territories, English (CLDR)", cldr("en", "territories")
    yield (
        "names of territories, languages, currencies, Chinese (CLDR)",
        cldr("zh", "territories", "languages", "currencies"),
    )
    brown = SHARED / "brown" / "valid.txt"
    if brown.exists():
        lines = brown.read_text("utf-8").splitlines()[:SENTENCES]
        yield f"sentences of the Brown corpus, up to {max(map(len, lines))} symbols", lines


def rows(side: Side, seeds: int) -> Iterator[list[str]]:
    """A row for each list: its sizes, then val and seconds of each preset."""
    for name, strings in lists():
        text, data = side.folder / "list.txt", side.folder / "data"
        text.write_text("".join(f"{string}\n" for string in strings), encoding="utf-8")
        side.nplm("dataset", "build", str(text), "--out", str(data), "--force")
        info = json.loads(side.nplm("dataset", "info", str(data), "--json").printed)
        cells = [name, f"{info['strings']:,}", f"{info['vocab']:,}"]
        for preset in PRESETS:
            count = 1 if preset == "ngram" else seeds
            runs = [side.train(data, preset, seed) for seed in range(count)]
            val = spread([best_val(run.curve) for run in runs])
            cells.append(f"{val} in {spread([run.usage.seconds for run in runs], 1)} s")
        yield cells


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    with section("Other lists", "python benchmarks/lists.py"):
        print("Split by string; val in nats per symbol, in so many seconds of the whole command.\n")
        with tempfile.TemporaryDirectory() as scratch:
            side = Side(ROOT / "src", Path(scratch))
            header = ["", "strings", "symbols", *(f"`{preset}`" for preset in PRESETS)]
            print_table(header, rows(side, asked.seeds))


if __name__ == "__main__":
    main()
