"""A data set: strings as ids in three splits.

Its folder is in `text.datafolder`, statistics are in `counts.info`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from nplm.checks import SPLITS, Document
from nplm.config import DatasetConfig
from nplm.errors import DataError
from nplm.files import sha256
from nplm.text.sources import Source, split_strings
from nplm.text.strings import Strings
from nplm.text.tokenizer import Tokenizer, make_tokenizer, vocab_of
from nplm.text.vocab import BOUNDARY, Vocab, normalize, show_symbols, symbols_of

# The third is of words, of streams, and of splits that came in files of their own.
FORMAT, FORMAT_WITH_UNKNOWN, FORMAT_3 = 1, 2, 3
OLD_SPLITS = ("string", "line")
PIECE = 10_000  # lines of a stream that are read at once


@dataclass(frozen=True)
class Dataset:
    """Strings as ids, in three splits.

    Attributes:
        sha256: identifies vocabulary, normalisation and all ids, in order.
        document: what a string is: a line, or a whole split whose contexts cross line ends.
        longest: symbols in the longest training string.
    """

    name: str
    vocab: Vocab
    normalize: str
    splits: dict[str, Strings]
    source: dict[str, Any]
    sha256: str
    document: Document = "line"

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

    def unseen(self, split: str) -> int:
        """How many of the symbols stand nowhere in train."""
        seen = np.zeros(len(self.vocab), np.bool_)
        seen[self.splits["train"].ids] = True
        return int(np.count_nonzero(~seen[self.splits[split].ids]))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return make_tokenizer(self.vocab, self.normalize)

    def all_splits(self) -> Strings:
        """The strings of train, val and test."""
        return Strings.join([self.splits[split] for split in SPLITS])

    def texts(self, split: str) -> list[str]:
        """The strings of a split as text."""
        return self.tokenizer.decode(self.splits[split])


def build(source: Source, config: DatasetConfig) -> Dataset:
    """Split, number and count the strings of a source.

    The vocabulary is that of all splits, or what `config.count_on` of them shows often enough.

    Raises:
        DataError: a share above 0 came out empty, or no symbol is that frequent.
    """
    texts = {
        name: _pieces(lines, config.document)
        for name, lines in (source.splits or split_strings(source.strings, config)).items()
    }
    counted = SPLITS if config.count_on == "all" or not config.has_unknown else ("train",)
    every = chain.from_iterable(texts[name] for name in counted)
    vocab = vocab_of(every, config.min_count, config.max_vocab, config.level)
    if not vocab.symbols:
        where = f"the train split of {source.name}" if counted == ("train",) else source.name
        raise DataError(
            f"no symbol stands {config.min_count:,} times in {where}",
            "give a smaller `min_count`",
        )
    tokenizer = make_tokenizer(vocab)  # the source is normalised
    splits = {name: _encode(tokenizer, pieces, config.document) for name, pieces in texts.items()}
    digest = digest_of(vocab, config.normalize, splits, config.document)
    facts = _facts(source, config)
    return Dataset(source.name, vocab, config.normalize, splits, facts, digest, config.document)


def _pieces(lines: Sequence[str], document: Document) -> Sequence[str]:
    """Lines as texts; of a stream, pieces of it, in which line ends are blanks."""
    if document == "line":
        return lines
    cuts = range(0, len(lines), PIECE)
    return [(" " if cut else "") + " ".join(lines[cut : cut + PIECE]) for cut in cuts]


def _encode(tokenizer: Tokenizer, texts: Sequence[str], document: Document) -> Strings:
    """The strings of a split; a stream is one, unless there is nothing in it."""
    if document == "line":
        return tokenizer.encode(texts)
    end = np.full(1 if texts else 0, BOUNDARY, tokenizer.dtype)
    return Strings.of_ids(np.concatenate([*(tokenizer.encode([t]).ids[:-1] for t in texts), end]))


def _facts(source: Source, config: DatasetConfig) -> dict[str, Any]:
    """Where a data set comes from, and how it was made."""
    facts: dict[str, Any] = {
        "file": source.name,
        "lines": len(source.strings) + source.blank,
        "blank_lines": source.blank,
        "strings": len(source.strings),
        "distinct_strings": len(set(source.strings)),
    }
    if source.splits:
        facts["split_by"] = "file"
        facts["files"] = source.paths or {}
    else:
        facts |= {
            "split": list(config.split),
            "split_by": config.split_by,
            "distinct": config.distinct,
            "seed": config.seed,
        }
    for name in ("min_count", "max_vocab"):
        if getattr(config, name):
            facts[name] = getattr(config, name)
    if config.count_on == "all":
        facts["count_on"] = "all"
    if source.path:
        facts["path"] = source.path
    return facts


def reencode(dataset: Dataset, vocab: Vocab, form: str) -> Dataset:
    """The same strings with the ids and normalisation of another vocabulary.

    Raises:
        DataError: a string has symbols that are not in `vocab`; the message names them.
    """
    if dataset.vocab == vocab and dataset.normalize == form:
        return dataset
    tokenizer = make_tokenizer(vocab, form)
    splits = {name: tokenizer.encode(dataset.texts(name)) for name in SPLITS}
    lacks = any((strings.ids == tokenizer.unseen).any() for strings in splits.values())
    if lacks and not vocab.unknown:
        texts = (normalize(text, form) for name in SPLITS for text in dataset.texts(name))
        symbols = {symbol for text in texts for symbol in symbols_of(text, vocab.level)}
        unknown = sorted(symbols - {*vocab.symbols})
        raise DataError(
            f"{dataset.name} has symbols the model never saw: {show_symbols(unknown)}",
            f"it knows {show_symbols(vocab.symbols)}",
        )
    return replace(dataset, vocab=vocab, normalize=form, splits=splits)


def format_of(vocab: Vocab, document: Document, split_by: str) -> int:
    """The oldest format that can hold such a data set: older versions read what they can."""
    if split_by not in OLD_SPLITS or _is_new(vocab, document):
        return FORMAT_3
    return FORMAT_WITH_UNKNOWN if vocab.unknown else FORMAT


def digest_of(vocab: Vocab, form: str, splits: dict[str, Strings], document: Document) -> str:
    """A SHA-256 of the vocabulary, the normalisation, what a string is and all ids, in order."""
    kind = f"{format_of(vocab, document, OLD_SPLITS[0])} {vocab.level} {form}"
    if _is_new(vocab, document):
        kind += f" {document}"
    parts: Iterable[bytes | memoryview] = (
        f"{kind} {vocab.separator.join(vocab.symbols)}".encode(),
        *(np.ascontiguousarray(splits[name].ids).view(np.uint8).data for name in SPLITS),
    )
    return sha256(*parts)


def _is_new(vocab: Vocab, document: Document) -> bool:
    """Whether it is of words or a stream, which format 2 cannot say."""
    return vocab.level == "word" or document == "stream"
