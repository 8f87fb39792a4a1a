"""The strings of a text file, and how they are divided into train, val and test."""

import random
from collections import Counter
from dataclasses import dataclass

from nplm.config import DatasetConfig
from nplm.errors import DataError
from nplm.text.lines import iter_lines
from nplm.text.vocab import normalize

SPLITS = ("train", "val", "test")
IN_MEMORY = "strings"  # the name of a source that was no file


@dataclass(frozen=True)
class Source:
    """Strings as they were read.

    Attributes:
        blank: lines that were skipped because they were empty.
        path: of the file, as it was given; empty where that is not known.
    """

    name: str
    strings: list[str]
    blank: int
    path: str = ""


def read_source(content: bytes, name: str, form: str = "nfc", path: str = "") -> Source:
    """The strings of a text, one a line; blank lines are skipped and counted; all else is data.

    Raises:
        DataError: the text is not UTF-8 (names line and byte) or has no string in it.
    """
    texts = [text for lines in iter_lines([content], name) for text in lines.texts]
    strings = [normalize(text, form) for text in texts if text]
    if not strings:
        raise DataError(f"{name} has no strings in it", "give a text file with one string a line")
    return Source(name, strings, len(texts) - len(strings), path)


def split_strings(strings: list[str], config: DatasetConfig) -> dict[str, list[str]]:
    """Shuffle and cut the strings into train, val and test.

    By "string" the distinct strings in order of first appearance are shuffled and cut by their
    number, and every copy follows its string; by "line" the lines are.

    Raises:
        DataError: a share above 0 came out empty.
    """
    copies = Counter(strings)
    by_line = config.split_by == "line" and not config.distinct
    items = list(strings) if by_line else list(copies)
    random.Random(config.seed).shuffle(items)
    train, val, _ = config.shares
    cuts = [0, int(train * len(items)), int((train + val) * len(items)), len(items)]
    splits = {}
    for name, share, start, end in zip(SPLITS, config.shares, cuts[:-1], cuts[1:], strict=True):
        if share > 0 and start == end:
            raise DataError(
                f"the {name} split would be empty: {float(share):g} of {len(items)} strings",
                "give more strings, or 0 for that share, as in `split=(1, 0, 0)`",
            )
        part = items[start:end]
        if not by_line and not config.distinct:
            part = [string for string in part for _ in range(copies[string])]
        splits[name] = part
    return splits
