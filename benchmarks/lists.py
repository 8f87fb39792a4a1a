"""The presets `ngram`, `default` and `best` on other lists: small, not in Latin script, long.

python benchmarks/lists.py [--seeds 1]

The lists: names of territories in English (CLDR, by way of Babel); names of languages,
territories and currencies in Chinese; sentences of the Brown corpus.
"""

import argparse
from collections.abc import Iterator
from statistics import median

import torch
from babel import Locale

from common import best, ours, spread
from nplm.checks import SPLITS
from nplm.config import DatasetConfig
from nplm.presets import PRESETS
from nplm.text import dataset
from nplm.text.dataset import Dataset
from nplm.text.sources import Source
from places import SHARED

SENTENCES = 5000


def cldr(locale: str, *tables: str) -> list[str]:
    """Distinct names in some tables of a locale; territories by letters, not by numbers."""
    found = Locale(locale)
    return sorted(
        {name for table in tables for key, name in getattr(found, table).items() if key.isalpha()}
    )


def lists() -> Iterator[tuple[str, list[str]]]:
    yield "territories, English", cldr("en", "territories")
    yield (
        "territories, languages, currencies, Chinese",
        cldr("zh", "territories", "languages", "currencies"),
    )
    brown = SHARED / "brown" / "valid.txt"
    if brown.exists():
        yield "sentences, Brown corpus", brown.read_text("utf-8").splitlines()[:SENTENCES]


def compare(name: str, data: Dataset, seeds: int) -> None:
    """One line: the list, and val and time of each preset."""
    strings = sum(data.strings(split) for split in SPLITS)
    print(f"{name}: {strings:,} strings, {len(data.vocab)} symbols, longest {data.longest}")
    for preset in ("ngram", "default", "best"):
        runs = [
            ours(data, preset, seed)
            for seed in range(seeds if PRESETS[preset].mixture.networks else 1)
        ]
        seconds = median(run[-1].train_seconds for run in runs)
        print(f"  {preset}: val {spread([best(run) for run in runs])}, {seconds:.1f} train_seconds")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name, strings in lists():
        source = Source(name, strings, blank=0)
        compare(name, dataset.build(source, DatasetConfig()), asked.seeds)


if __name__ == "__main__":
    main()
