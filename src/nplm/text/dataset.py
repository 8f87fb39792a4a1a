"""Text to splits to ids on disk, and back: `dataset.json` and one stream of ids per split.

A stream holds the ids of its strings, each followed by one boundary; it is memory-mapped on load.
Statistics of a data set are in `counts.info`.
"""

import codecs
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nplm.config import DatasetConfig
from nplm.errors import DamagedError, DataError, ExistsError, NotFoundError
from nplm.files import atomic_folder, read_json, refuse_existing, sha256, write_json
from nplm.text.textids import BulkCodec, as_lines, vocab_of
from nplm.text.vocab import BOUNDARY, Vocab, normalize, show_symbols

FORMAT = 1
SPLITS = ("train", "val", "test")
Stream = NDArray[np.unsignedinteger]


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
    """Split the bytes of a text file into strings: one a line, lines end at LF or CRLF only.

    A byte-order mark is dropped; blank lines are skipped and counted; all else is data.

    Raises:
        DataError: the text is not UTF-8 (names line and byte) or has no string in it.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise DataError(
            f"{name} is not UTF-8: line {line}, byte {byte} is 0x{content[error.start]:02x}",
            "convert it to UTF-8 first",
        ) from None
    lines = normalize(text, form).replace("\r\n", "\n").removesuffix("\n").split("\n")
    strings = [line for line in lines if line]
    if not strings:
        raise DataError(f"{name} has no strings in it", "give a text file with one string a line")
    return Source(name, strings, len(lines) - len(strings), path)


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
        chosen = items[start:end]
        if not by_line and not config.distinct:
            chosen = [string for string in chosen for _ in range(copies[string])]
        splits[name] = chosen
    return splits


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
    streams: dict[str, Stream]
    source: dict[str, Any]
    sha256: str

    @property
    def longest(self) -> int:
        return longest_string(self.streams["train"])

    def strings(self, split: str) -> int:
        return int(np.count_nonzero(self.streams[split] == BOUNDARY))

    def symbols(self, split: str) -> int:
        """Symbols to predict: all symbols and one end a string."""
        return len(self.streams[split])

    @cached_property
    def codec(self) -> BulkCodec:
        return BulkCodec(self.vocab)

    def all_splits(self) -> Stream:
        """The streams of train, val and test as one."""
        return np.concatenate([self.streams[split] for split in SPLITS])

    def lines(self, split: str) -> str:
        """The strings of a split as text, each followed by a line end."""
        return self.codec.decode(self.streams[split])


def longest_string(stream: Stream) -> int:
    """Symbols in the longest string of a stream, 0 for an empty one."""
    ends = np.flatnonzero(stream == BOUNDARY)
    return int(np.diff(ends, prepend=-1).max(initial=1) - 1)


def build(source: Source, config: DatasetConfig) -> Dataset:
    """Split, number and count the strings of a source. The vocabulary is that of all splits."""
    splits = split_strings(source.strings, config)
    texts = {name: as_lines(strings) for name, strings in splits.items()}
    vocab = vocab_of("".join(texts.values()))
    codec = BulkCodec(vocab)
    streams = {name: codec.encode(text) for name, text in texts.items()}
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
    if source.path:
        facts["path"] = source.path
    digest = _digest(vocab, config.normalize, streams)
    return Dataset(source.name, vocab, config.normalize, streams, facts, digest)


def reencode(dataset: Dataset, vocab: Vocab, form: str) -> Dataset:
    """The same strings with the ids and normalisation of another vocabulary.

    Raises:
        DataError: a string has symbols that are not in `vocab`; the message names them.
    """
    if dataset.vocab == vocab and dataset.normalize == form:
        return dataset
    codec = BulkCodec(vocab)
    texts = {name: normalize(dataset.lines(name), form) for name in SPLITS}
    streams = {name: codec.encode(text) for name, text in texts.items()}
    unknown = sorted(set("".join(texts.values())) - {*vocab.symbols, "\n"})
    if unknown:
        raise DataError(
            f"{dataset.name} has symbols the model never saw: {show_symbols(unknown)}",
            f"it knows {show_symbols(vocab.symbols)}",
        )
    return replace(dataset, vocab=vocab, normalize=form, streams=streams)


def refuse_folder(folder: Path, *, force: bool) -> None:
    """Raise ExistsError unless `save` may write `folder`: new, or (with `force`) a data set."""
    refuse_existing(folder, force=force)
    if folder.exists() and not (folder / "dataset.json").exists():
        raise ExistsError(
            folder, f"{folder} is not a data set, so it is not replaced", "choose another `folder`"
        )


def save(dataset: Dataset, folder: Path) -> None:
    """Write `dataset` to `folder`, replacing what was there as a whole."""
    with atomic_folder(folder) as scratch:
        for name, stream in dataset.streams.items():
            np.save(scratch / f"{name}.npy", stream)
        write_json(
            scratch / "dataset.json",
            {
                "format": FORMAT,
                "level": "character",
                "normalize": dataset.normalize,
                "symbols": list(dataset.vocab.symbols),
                "source": dataset.source,
                "sha256": dataset.sha256,
            },
        )


def load(folder: Path) -> Dataset:
    """Open a data set that `save` wrote and check its hash.

    Raises:
        NotFoundError: there is none.
        DamagedError: a file of it is damaged; the message names it.
        DataError: it is of another format.
    """
    described = folder / "dataset.json"
    if not described.exists():
        raise NotFoundError(
            folder, f"there is no data set in {folder}", "make one: nplm dataset build FILE"
        )
    facts = read_json(described)
    if facts.get("format") != FORMAT:
        raise DataError(
            f"{described}: format {facts.get('format')!r}, this nplm reads {FORMAT}",
            "build it again",
        )
    try:
        vocab, form = Vocab(tuple(facts["symbols"])), str(facts["normalize"])
        source, digest = dict(facts["source"]), str(facts["sha256"])
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(
            described, f"{described} is damaged: {error}", "build it again"
        ) from error
    streams = {name: _load_stream(folder / f"{name}.npy") for name in SPLITS}
    if _digest(vocab, form, streams) != digest:
        raise DamagedError(
            folder, f"{folder}: the content is not what dataset.json says", "build it again"
        )
    return Dataset(folder.name, vocab, form, streams, source, digest)


def _load_stream(path: Path) -> Stream:
    try:
        # An empty file cannot be mapped, so its few bytes are read.
        stream = np.load(path, mmap_mode="r" if path.stat().st_size > 128 else None)
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, TokenError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedError(
            path, f"cannot read {path}: {reason}", "build the data set again"
        ) from error
    if stream.dtype.kind != "u" or stream.ndim != 1:
        raise DamagedError(path, f"{path} is not a stream of ids", "build the data set again")
    return np.asarray(stream)


def _digest(vocab: Vocab, form: str, streams: dict[str, Stream]) -> str:
    parts: Iterable[bytes | memoryview] = (
        f"{FORMAT} character {form} {''.join(vocab.symbols)}".encode(),
        *(np.ascontiguousarray(streams[name]).view(np.uint8).data for name in SPLITS),
    )
    return sha256(*parts)
