"""The strings of a text file, and how they are divided into train, val and test."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nplm.checks import MAX_TEXT_MB, SPLITS, Level, check_above_zero
from nplm.config import DatasetConfig
from nplm.errors import DataError
from nplm.text.lines import iter_lines
from nplm.text.vocab import normalize

IN_MEMORY = "strings"  # the name of a source that was no file
MAX_MB = 1e6  # that may be asked for


@dataclass(frozen=True)
class Source:
    """Strings as they were read.

    Attributes:
        blank: lines that were skipped because they were empty.
        path: of the file, as it was given; empty where that is not known.
        splits: the strings of each split, where they came in files of their own.
        paths: of these files, as `path`, by split.
    """

    name: str
    strings: list[str]
    blank: int
    path: str = ""
    splits: dict[str, list[str]] | None = None
    paths: dict[str, str] | None = None


def read_source(
    content: bytes | Iterable[bytes],
    name: str,
    form: str = "nfc",
    path: str = "",
    max_mb: float = MAX_TEXT_MB,
    level: Level = "character",
) -> Source:
    """The strings of a text, one a line; blank lines are skipped and counted; all else is data.

    Args:
        content: the text, or the blocks of it.
        level: at word level a line of white space is blank too.
        max_mb: megabytes that it may have.

    Raises:
        DataError: the text is not UTF-8 (names line and byte), has no string in it, a line that is
            too long, or more bytes than it may.
    """
    check_above_zero("max_mb", max_mb, MAX_MB)
    blocks = [content] if isinstance(content, bytes) else content
    strings: list[str] = []
    blank = 0
    for lines in iter_lines(_bounded(blocks, name, max_mb), name):
        found = [normalize(text, form) for text in lines.texts if not is_blank(text, level)]
        strings += found
        blank += len(lines.texts) - len(found)
    if not strings:
        problem = f"{path or name} has no strings in it"
        raise DataError(problem, "give a text file with one string a line")
    return Source(name, strings, blank, path)


def is_blank(text: str, level: Level) -> bool:
    """Whether there is no symbol in it."""
    return not text or (level == "word" and text.isspace())


def join_sources(sources: Mapping[str, Source]) -> Source:
    """One source of the files of each split; there is at least that of train."""
    train = sources["train"]
    return Source(
        train.name,
        [string for source in sources.values() for string in source.strings],
        sum(source.blank for source in sources.values()),
        train.path,
        {name: sources[name].strings if name in sources else [] for name in SPLITS},
        {name: source.path for name, source in sources.items()},
    )


def _bounded(blocks: Iterable[bytes], name: str, max_mb: float) -> Iterator[bytes]:
    """The blocks, as long as they are no more than `max_mb` megabytes."""
    size = 0
    for block in blocks:
        size += len(block)
        if size > max_mb * 1e6:
            raise DataError(
                f"{name} has more than {max_mb:,g} megabytes of text",
                "build a data set of it with a larger `max_mb`, if memory is twenty times that",
            )
        yield block


def split_strings(strings: list[str], config: DatasetConfig) -> dict[str, list[str]]:
    """Shuffle and cut the strings into train, val and test.

    By "string" the distinct strings in order of first appearance are shuffled and cut by their
    number, and every copy follows its string; by "line" the lines are; by "order" nothing is
    shuffled.

    Raises:
        DataError: a share above 0 came out empty.
    """
    copies = Counter(strings)
    by_line = config.split_by != "string" and not config.distinct
    items = list(strings) if by_line else list(copies)
    if config.split_by != "order":
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
