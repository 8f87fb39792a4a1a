"""How well scores tell a list's strings from made-up ones; whether a p-value means what it says.

python benchmarks/detection.py [--list FILE] [--models FOLDER]

Trains `default` and `ngram` on a list (by default that of identifiers beside the names list, else
the names list). The genuine strings are those of its test split; against them stand random strings
of the same lengths: letters and digits, letters, and consonants and vowels in turn. A detector
raises an alarm on strings that are more surprising than some level.
"""

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import nplm
from nplm.runtime.model import Model
from nplm.text import datafolder
from places import ROOT, SHARED, names_file
from processes import Side
from sections import print_table, section

LETTERS, DIGITS, VOWELS = "abcdefghijklmnopqrstuvwxyz", "0123456789", "aeiou"
CONSONANTS = "".join(letter for letter in LETTERS if letter not in VOWELS)
FALSE_ALARMS = 0.01
SAMPLE = 1_000_000  # so many that every length of the list has its thousand
FRESH, FRESH_SEED = 20_000, 1  # strings of the model's own; the sample has seed 0
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """A way to score strings: the higher the more surprising.

    Attributes:
        score: strings -> (n,).
    """

    name: str
    score: Callable[[list[str]], Values]


def per_symbol(model: Model, strings: list[str]) -> Values:
    scored = model.score_arrays(strings)
    return scored.nats / scored.symbols


def surprise(model: Model, strings: list[str]) -> Values:
    """One minus the p-value; of a string that has none as of the least surprising."""
    return 1 - np.nan_to_num(model.rank(strings, sample=SAMPLE).p_value, nan=1.0)


def made_up(lengths: list[int]) -> Iterator[tuple[str, list[str]]]:
    """Random strings of these lengths, of three kinds."""
    for name, alphabet in (("a-z0-9", LETTERS + DIGITS), ("a-z", LETTERS)):
        draw = random.Random(0)
        yield name, ["".join(draw.choices(alphabet, k=length)) for length in lengths]
    draw = random.Random(0)
    yield (
        "consonants and vowels in turn",
        [
            "".join(draw.choice((CONSONANTS, VOWELS)[place % 2]) for place in range(length))
            for length in lengths
        ],
    )


def area(genuine: Values, odd: Values) -> float:
    """Under the ROC curve: the share of pairs in which the odd one is higher, ties half."""
    ordered = np.sort(genuine)
    lower = np.searchsorted(ordered, odd, side="left")
    equal = np.searchsorted(ordered, odd, side="right") - lower
    return float((lower + equal / 2).mean() / len(genuine))


def detected(genuine: Values, odd: Values) -> float:
    """The share of odd strings above a level that at most 1 % of the genuine ones are above."""
    allowed = int(FALSE_ALARMS * len(genuine))
    return float((odd > np.sort(genuine)[len(genuine) - 1 - allowed]).mean())


def distance(p_values: Values) -> float:
    """The Kolmogorov-Smirnov distance of (n,) values from the uniform distribution."""
    ordered, n = np.sort(p_values), len(p_values)
    above, below = np.arange(1, n + 1) / n - ordered, ordered - np.arange(n) / n
    return float(max(above.max(), below.max()))


def with_p_value(model: Model, strings: list[str]) -> list[str]:
    p_values = model.rank(strings, sample=SAMPLE).p_value.tolist()
    return [string for string, p in zip(strings, p_values, strict=True) if p >= 0]


def rows(detectors: list[Detector], genuine: list[str], label: str = "") -> Iterator[list[str]]:
    """A row for each kind of made-up strings, with two cells a detector."""
    scores = [detector.score(genuine) for detector in detectors]
    for name, odd in made_up([len(string) for string in genuine]):
        cells = [name + label]
        for own, detector in zip(scores, detectors, strict=True):
            others = detector.score(odd)
            cells.append(f"{area(own, others):.4f}, {detected(own, others):.1%}")
        yield cells


def print_calibration(model: Model, genuine: list[str]) -> None:
    drawn = model.sample_arrays(indices=FRESH, seed=FRESH_SEED, min_length=0, cut=True)
    fresh = [string.text for batch in drawn for string in batch.strings()]
    for name, strings in (("of the model's own", fresh), ("of the test split", genuine)):
        p_values = model.rank(strings, sample=SAMPLE).p_value
        known = p_values[~np.isnan(p_values)]
        shares = ", ".join(f"{(known < level).mean():.2%} below {level}" for level in (0.01, 0.05))
        print(
            f"- {len(strings):,} strings {name}, {len(known):,} of them with a p-value: {shares}; "
            f"{distance(known):.4f} from uniform (Kolmogorov-Smirnov)"
        )


def trained(side: Side, list_file: Path, folder: Path) -> tuple[Path, Model, Model]:
    """The data set, `default` and `ngram`; what is in the folder is not made again."""
    data = folder / "data"
    if not data.exists():
        side.nplm("dataset", "build", str(list_file), "--out", str(data))
    models: list[Model] = []
    for preset in ("default", "ngram"):
        run, file = folder / preset, folder / f"{preset}.onnx"
        if not file.exists():
            if not run.exists():
                side.train(data, preset, 0, str(run))
            side.export(run, data, file)
        models.append(nplm.load(file))
    network, ngram = models
    return data, network, ngram


def main() -> None:
    parser = argparse.ArgumentParser()
    identifiers = SHARED / "identifiers.txt"
    default = identifiers if identifiers.exists() else names_file()
    parser.add_argument("--list", type=Path, default=default)
    parser.add_argument("--models", type=Path)
    asked = parser.parse_args()
    with (
        section("Made-up strings", "python benchmarks/detection.py"),
        tempfile.TemporaryDirectory() as scratch,
    ):
        folder = (asked.models or Path(scratch) / "models").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        side = Side(ROOT / "src", Path(scratch))
        data, network, ngram = trained(side, asked.list, folder)
        genuine = datafolder.load(data).texts("test")
        known = with_p_value(network, genuine)
        print(
            f"`{asked.list.name}`, split by string; the {len(genuine):,} strings of test against "
            f"as many random ones of the same lengths. Area under the ROC curve (ties half), and "
            f"the share detected where {FALSE_ALARMS:.0%} of test raise an alarm. The p-value is "
            f"among {SAMPLE:,} strings of `default`; where it is not known no alarm is raised: the "
            f"last rows are of the {len(known):,} strings of which it is.\n"
        )
        detectors = [
            Detector("`default`, p-value", lambda strings: surprise(network, strings)),
            Detector("`default`, nats per symbol", lambda strings: per_symbol(network, strings)),
            Detector("`ngram`, nats per symbol", lambda strings: per_symbol(ngram, strings)),
        ]
        both = chain(rows(detectors, genuine), rows(detectors, known, ", p-value known"))
        print_table(["", *(each.name for each in detectors)], both)
        print()
        print_calibration(network, genuine)


if __name__ == "__main__":
    main()
