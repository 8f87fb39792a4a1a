"""A data set: strings as ids in three splits, in memory and on disk.

On disk `dataset.json` describes three flat arrays of ids, one a split, in which every string is
followed by one boundary; they are memory-mapped on load. Statistics are in `counts.info`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nplm.checks import MAX_SEED
from nplm.config import DatasetConfig, Normalization, SplitBy
from nplm.errors import DamagedError, DataError, ExistsError, NotFoundError
from nplm.files import sha256
from nplm.occupied import refuse_existing, refuse_foreign
from nplm.outputfolder import output_folder
from nplm.record import Record
from nplm.stored import read_json, shorten
from nplm.text.npyfile import read_ids
from nplm.text.sources import SPLITS, Source, split_strings
from nplm.text.strings import Ids, Strings
from nplm.text.tokenizer import LEVEL, Tokenizer, vocab_of
from nplm.text.vocab import BOUNDARY, Vocab, normalize, show_symbols
from nplm.transaction import as_json

FORMAT, FORMAT_WITH_UNKNOWN = 1, 2
CURE = "build it again"
DESCRIPTION = "dataset.json"
FILES = (DESCRIPTION, *(f"{name}.npy" for name in SPLITS))


@dataclass(frozen=True)
class Dataset:
    """Strings as ids, in three splits.

    Attributes:
        sha256: identifies vocabulary, normalisation and all ids, in order.
        longest: symbols in the longest training string.
    """

    name: str
    vocab: Vocab
    normalize: str
    splits: dict[str, Strings]
    source: dict[str, Any]
    sha256: str

    @property
    def longest(self) -> int:
        return self.splits["train"].longest

    def strings(self, split: str) -> int:
        return len(self.splits[split])

    def symbols(self, split: str) -> int:
        """Symbols to predict: all symbols and one end a string."""
        return len(self.splits[split].ids)

    def unknown(self, split: str) -> int:
        """How many of the symbols are the unknown one."""
        unknown = self.vocab.unknown_id
        return 0 if unknown is None else int(np.count_nonzero(self.splits[split].ids == unknown))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self.vocab, self.normalize)

    def all_splits(self) -> Strings:
        """The strings of train, val and test."""
        return Strings.join([self.splits[split] for split in SPLITS])

    def texts(self, split: str) -> list[str]:
        """The strings of a split as text."""
        return self.tokenizer.decode(self.splits[split])


def build(source: Source, config: DatasetConfig) -> Dataset:
    """Split, number and count the strings of a source.

    The vocabulary is that of all splits, or what train shows `config.min_count` times.

    Raises:
        DataError: a share above 0 came out empty, or no symbol is that frequent.
    """
    texts = split_strings(source.strings, config)
    vocab = vocab_of(texts["train"] if config.min_count else source.strings, config.min_count)
    if not vocab.symbols:
        raise DataError(
            f"no symbol stands {config.min_count:,} times in the train split of {source.name}",
            "give a smaller `min_count`",
        )
    tokenizer = Tokenizer(vocab)  # the source is normalised
    splits = {name: tokenizer.encode(strings) for name, strings in texts.items()}
    facts = {
        "file": source.name,
        "lines": len(source.strings) + source.blank,
        "blank_lines": source.blank,
        "strings": len(source.strings),
        "distinct_strings": len(set(source.strings)),
        "split": list(config.split),
        "split_by": config.split_by,
        "distinct": config.distinct,
        "seed": config.seed,
    }
    if config.min_count:
        facts["min_count"] = config.min_count
    if source.path:
        facts["path"] = source.path
    digest = _digest(vocab, config.normalize, splits)
    return Dataset(source.name, vocab, config.normalize, splits, facts, digest)


def reencode(dataset: Dataset, vocab: Vocab, form: str) -> Dataset:
    """The same strings with the ids and normalisation of another vocabulary.

    Raises:
        DataError: a string has symbols that are not in `vocab`; the message names them.
    """
    if dataset.vocab == vocab and dataset.normalize == form:
        return dataset
    tokenizer = Tokenizer(vocab, form)
    splits = {name: tokenizer.encode(dataset.texts(name)) for name in SPLITS}
    lacks = any((strings.ids == tokenizer.unseen).any() for strings in splits.values())
    if lacks and not vocab.unknown:
        texts = (normalize(text, form) for name in SPLITS for text in dataset.texts(name))
        unknown = sorted({symbol for text in texts for symbol in text} - {*vocab.symbols})
        raise DataError(
            f"{dataset.name} has symbols the model never saw: {show_symbols(unknown)}",
            f"it knows {show_symbols(vocab.symbols)}",
        )
    return replace(dataset, vocab=vocab, normalize=form, splits=splits)


def refuse_folder(folder: Path, *, force: bool) -> None:
    """Raise ExistsError unless `save` may write `folder`.

    It must be new, or (with `force`) a data set and nothing else.
    """
    refuse_existing(folder, force=force)
    if not folder.exists():
        return
    if not (folder / DESCRIPTION).exists():
        raise ExistsError(
            folder, f"{folder} is not a data set, so it is not replaced", "choose another `out`"
        )
    refuse_foreign(folder, FILES, "data set")


def save(dataset: Dataset, folder: Path, *, force: bool = False) -> None:
    """Write `dataset` to `folder`, whole or not at all.

    Raises:
        ExistsError: as `refuse_folder`, also when another process made it meanwhile.
        PathError: it cannot be written; what was there is as it was.
    """
    refuse_folder(folder, force=force)
    with output_folder(folder, force=force) as scratch:
        for name, strings in dataset.splits.items():
            with scratch.file(f"{name}.npy") as file:
                np.save(file, strings.ids)
        facts = {
            "format": _format(dataset.vocab),
            "level": LEVEL,
            "normalize": dataset.normalize,
            "symbols": list(dataset.vocab.symbols),
            "source": dataset.source,
            "sha256": dataset.sha256,
        }
        if dataset.vocab.unknown:
            facts["unknown"] = True
        with scratch.file(DESCRIPTION) as file:
            file.write(as_json(facts))


def load(folder: Path) -> Dataset:
    """Open a data set that `save` wrote and check its hash.

    Raises:
        NotFoundError: there is none.
        DamagedError: a file of it is damaged; the message names it.
        DataError: it is of another format.
    """
    dataset = read(folder)
    if _digest(dataset.vocab, dataset.normalize, dataset.splits) != dataset.sha256:
        raise DamagedError(folder, f"{folder}: the content is not what dataset.json says", CURE)
    for name, strings in dataset.splits.items():
        _check_ids(folder / f"{name}.npy", strings.ids, len(dataset.vocab))
    return dataset


def read(folder: Path) -> Dataset:
    """As `load`, but what the arrays hold is not looked at more than to find the strings."""
    described = folder / DESCRIPTION
    try:
        facts = Record(read_json(described), described, CURE)
    except NotFoundError:
        raise NotFoundError(
            folder, f"there is no data set in {folder}", "make one: nplm dataset build FILE"
        ) from None
    if facts.values.get("format") not in (FORMAT, FORMAT_WITH_UNKNOWN):
        raise DataError(
            f"{described}: format {shorten(repr(facts.values.get('format')))}, this nplm reads "
            f"{FORMAT} and {FORMAT_WITH_UNKNOWN}",
            "build it again",
        )
    vocab, form = read_vocab(facts), facts.choice("normalize", Normalization)
    if vocab.unknown != (facts.values["format"] == FORMAT_WITH_UNKNOWN):
        raise facts.wrong("unknown is not what the format says")
    check_source(facts.table("source"))
    splits = {name: Strings.of_ids(read_ids(folder / f"{name}.npy")) for name in SPLITS}
    return Dataset(folder.name, vocab, form, splits, facts.values["source"], facts.digest("sha256"))


def read_vocab(facts: Record) -> Vocab:
    """The vocabulary that a file describes; it is at the only level there is."""
    if facts.value("level") != LEVEL:
        raise facts.wrong(f"level is {facts.value('level')!r}, not {LEVEL}")
    unknown = "unknown" in facts.values and facts.switch("unknown")
    symbols = facts.symbols("symbols")
    try:
        return Vocab(symbols, unknown)
    except DataError as error:
        raise facts.wrong(f"symbols: {error}") from error


def check_source(source: Record) -> None:
    """Raise DamagedError unless what a data set says of its making can be typed again."""
    source.text("file")
    for key in ("lines", "blank_lines", "strings", "distinct_strings"):
        source.integer(key)
    shares = source.items("split")
    if len(shares) != len(SPLITS) or not all(isinstance(s, str | float | int) for s in shares):
        raise source.wrong(f"split is {shares!r}, not three shares")
    source.choice("split_by", SplitBy)
    source.switch("distinct")
    source.integer("seed", 0, MAX_SEED)
    if "path" in source.values:
        source.text("path")


def _check_ids(path: Path, ids: Ids, vocab_size: int) -> None:
    """Raise DamagedError unless all ids are of the vocabulary and the last one ends a string."""
    if len(ids) and int(ids.max()) >= vocab_size:
        problem = f"{path} is damaged: it has the id {ids.max()}, the largest is {vocab_size - 1}"
        raise DamagedError(path, problem, CURE)
    if len(ids) and ids[-1] != BOUNDARY:
        raise DamagedError(path, f"{path} is damaged: its last string has no end", CURE)


def _format(vocab: Vocab) -> int:
    """The oldest format that can hold such a data set: older versions read what they can."""
    return FORMAT_WITH_UNKNOWN if vocab.unknown else FORMAT


def _digest(vocab: Vocab, form: str, splits: dict[str, Strings]) -> str:
    parts: Iterable[bytes | memoryview] = (
        f"{_format(vocab)} {LEVEL} {form} {''.join(vocab.symbols)}".encode(),
        *(np.ascontiguousarray(splits[name].ids).view(np.uint8).data for name in SPLITS),
    )
    return sha256(*parts)
