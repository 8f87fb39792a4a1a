"""What Python hands in as data: a text file, strings, the folder of a data set, or a Dataset."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nplm.checks import MAX_TEXT_MB, SPLITS, Level, check_above_zero, check_path, check_switch
from nplm.config import DatasetConfig
from nplm.errors import DataError, UsageError
from nplm.text import datafolder, dataset
from nplm.text.dataset import Dataset
from nplm.text.lines import file_blocks
from nplm.text.sources import IN_MEMORY, MAX_MB, Source, is_blank, join_sources, read_source
from nplm.text.vocab import normalize
from nplm.transaction import named


def build_dataset(
    strings: str | Path | Iterable[str] | Mapping[str, str | Path | Iterable[str]],
    config: DatasetConfig,
    out: str | Path | None,
    *,
    force: bool,
    max_mb: float = MAX_TEXT_MB,
) -> Dataset:
    """Build a data set and, where there is an `out`, save it there; see `nplm.build`."""
    check_switch("force", force)
    check_above_zero("max_mb", max_mb, MAX_MB)
    if out is None:
        return dataset.build(_source(strings, config, max_mb), config)
    folder = named(check_path("out", out))
    datafolder.refuse_folder(folder, force=force)
    source = _source(strings, config, max_mb)
    datafolder.save(dataset.build(source, config), folder, force=force)
    return datafolder.load(folder)


def _source(
    strings: str | Path | Iterable[str] | Mapping[str, str | Path | Iterable[str]],
    config: DatasetConfig,
    max_mb: float,
) -> Source:
    """One source, or those of the splits."""
    form, level = config.normalize, config.level
    if not isinstance(strings, Mapping):
        return source_of(strings, form, max_mb, level)
    if "train" not in strings or strings.keys() - {*SPLITS}:
        problem = f"`strings` has the splits {', '.join(map(repr, strings)) or 'of nothing'}"
        raise UsageError(problem, 'give "train", and "val" and "test" or one of them')
    splits = {n: source_of(strings[n], form, max_mb, level) for n in SPLITS if n in strings}
    return join_sources(splits)


def shares_of(split: Sequence[float | str]) -> tuple[str, str, str]:
    """Three shares as text; UsageError where there are not three."""
    shares = tuple(map(str, split)) if isinstance(split, Sequence) else ()
    if len(shares) != 3:
        raise UsageError(f"`split` is {split!r}", "give three shares, as (0.8, 0.1, 0.1)")
    return shares[0], shares[1], shares[2]


def source_of(
    strings: str | Path | Iterable[str],
    form: str,
    max_mb: float = MAX_TEXT_MB,
    level: Level = "character",
) -> Source:
    """The strings of a text file or of an iterable, in a Unicode form; empty ones are left out.

    Raises:
        DataError: the file cannot be read or is not UTF-8, a string has a line end in it, or there
            are no strings.
        TypeError: an item is not a string.
    """
    if isinstance(strings, str | Path):
        path = check_path("strings", strings)
        return read_source(file_blocks(path), path.name, form, str(path), max_mb, level)
    items = list(strings)
    for place, item in enumerate(items):
        if not isinstance(item, str):
            raise TypeError(f"item {place} is {item!r}, not a string")
        if "\n" in item:
            raise DataError(f"string {place} has a line end in it: {item!r}", "split it there")
    texts = [normalize(item, form) for item in items if not is_blank(item, level)]
    if not texts:
        raise DataError("there are no strings", "give at least one that is not empty")
    return Source(IN_MEMORY, texts, len(items) - len(texts))


def open_data(data: Dataset | str | Path | Iterable[str]) -> tuple[Dataset, Path | None]:
    """A data set, and the folder that it is in; None where it is in memory alone.

    Raises:
        DataError: there is no data set in the folder, or none can be made of the strings.
    """
    if isinstance(data, Dataset):
        return data, None
    if isinstance(data, str | Path):
        path = check_path("data", data)
        if os.path.isfile(path):  # noqa: PTH113 - raises nothing
            raise DataError(f"{data} is a file", "build a data set of it first: nplm.build(...)")
        return datafolder.load(path), path
    return build_dataset(data, DatasetConfig(), None, force=False), None
