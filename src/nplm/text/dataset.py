"""A data set: strings as ids in three splits.

Its folder is in `text.datafolder`, statistics are in `counts.info`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nplm.checks import SPLITS
from nplm.config import DatasetConfig
from nplm.errors import DataError
from nplm.files import sha256
from nplm.text.sources import Source, split_strings
from nplm.text.strings import Strings
from nplm.text.tokenizer import LEVEL, Tokenizer, vocab_of
from nplm.text.vocab import Vocab, normalize, show_symbols

FORMAT, FORMAT_WITH_UNKNOWN = 1, 2


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
    digest = digest_of(vocab, config.normalize, splits)
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


def format_of(vocab: Vocab) -> int:
    """The oldest format that can hold such a data set: older versions read what they can."""
    return FORMAT_WITH_UNKNOWN if vocab.unknown else FORMAT


def digest_of(vocab: Vocab, form: str, splits: dict[str, Strings]) -> str:
    """A SHA-256 of the vocabulary, the normalisation and all ids, in order."""
    parts: Iterable[bytes | memoryview] = (
        f"{format_of(vocab)} {LEVEL} {form} {''.join(vocab.symbols)}".encode(),
        *(np.ascontiguousarray(splits[name].ids).view(np.uint8).data for name in SPLITS),
    )
    return sha256(*parts)
