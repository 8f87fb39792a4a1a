"""The folder of a data set: written whole or not at all, read with distrust.

`dataset.json` describes three flat arrays of ids, one a split, in which every string is followed by
one boundary.
"""

from pathlib import Path

import numpy as np

from nplm.checks import MAX_SEED, SPLITS, Document, Level, Normalization
from nplm.config import SplitBy
from nplm.errors import DamagedError, DataError, ExistsError, NotFoundError
from nplm.occupied import already, refuse_foreign
from nplm.outputfolder import output_folder
from nplm.record import Record
from nplm.stored import read_json, shorten
from nplm.text.dataset import FORMAT, FORMAT_3, FORMAT_WITH_UNKNOWN, Dataset, digest_of, format_of
from nplm.text.npyfile import read_ids
from nplm.text.strings import Ids, Strings
from nplm.text.vocab import BOUNDARY, Vocab
from nplm.transaction import as_json, named

CURE = "build it again"
DESCRIPTION = "dataset.json"
FILES = (DESCRIPTION, *(f"{name}.npy" for name in SPLITS))


def refuse_folder(folder: Path, *, force: bool) -> None:
    """Raise ExistsError unless `save` may write `folder`.

    It must be new, or (with `force`) a data set and nothing else.
    """
    if folder.exists() and not force:
        raise already(folder)
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

    def refuse() -> None:
        refuse_folder(folder, force=force)

    refuse()
    with output_folder(folder, force=force, refuse=refuse) as scratch:
        for name, strings in dataset.splits.items():
            with scratch.file(f"{name}.npy") as file:
                np.save(file, strings.ids)
        facts = {
            "format": format_of(dataset.vocab, dataset.document, dataset.source["split_by"]),
            "level": dataset.vocab.level,
            "normalize": dataset.normalize,
            "symbols": list(dataset.vocab.symbols),
            "source": dataset.source,
            "sha256": dataset.sha256,
        }
        if dataset.vocab.unknown:
            facts["unknown"] = True
        if dataset.document != "line":
            facts["document"] = dataset.document
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
    digest = digest_of(dataset.vocab, dataset.normalize, dataset.splits, dataset.document)
    if digest != dataset.sha256:
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
    if facts.values.get("format") not in (FORMAT, FORMAT_WITH_UNKNOWN, FORMAT_3):
        raise DataError(
            f"{described}: format {shorten(repr(facts.values.get('format')))}, this nplm reads "
            f"{FORMAT} to {FORMAT_3}",
            "build it again",
        )
    vocab, form = read_vocab(facts), facts.choice("normalize", Normalization)
    document = read_document(facts)
    check_source(facts.table("source"))
    name, source = named(folder).name, facts.values["source"]
    if format_of(vocab, document, source["split_by"]) != facts.values["format"]:
        raise facts.wrong("level, unknown, document or split_by is not what the format says")
    splits = {name: Strings.of_ids(read_ids(folder / f"{name}.npy")) for name in SPLITS}
    return Dataset(name, vocab, form, splits, source, facts.digest("sha256"), document)


def read_vocab(facts: Record) -> Vocab:
    """The vocabulary that a file describes."""
    level = facts.choice("level", Level)
    unknown = "unknown" in facts.values and facts.switch("unknown")
    symbols = facts.symbols("symbols")
    try:
        return Vocab(symbols, unknown, level)
    except DataError as error:
        raise facts.wrong(f"symbols: {error}") from error


def read_document(facts: Record) -> Document:
    """What a string is, in a file that says so only where it is no line."""
    return facts.choice("document", Document) if "document" in facts.values else "line"


def check_source(source: Record) -> None:
    """Raise DamagedError unless what a data set says of its making can be typed again."""
    source.text("file")
    for key in ("lines", "blank_lines", "strings", "distinct_strings"):
        source.integer(key)
    if "path" in source.values:
        source.text("path")
    if source.value("split_by") == "file":
        files = source.table("files")
        for name in files.values:
            files.text(name)
        return
    source.choice("split_by", SplitBy)
    shares = source.items("split")
    if len(shares) != len(SPLITS) or not all(isinstance(s, str | float | int) for s in shares):
        raise source.wrong(f"split is {shares!r}, not three shares")
    source.switch("distinct")
    source.integer("seed", 0, MAX_SEED)


def _check_ids(path: Path, ids: Ids, vocab_size: int) -> None:
    """Raise DamagedError unless all ids are of the vocabulary and the last one ends a string."""
    if len(ids) and int(ids.max()) >= vocab_size:
        problem = f"{path} is damaged: it has the id {ids.max()}, the largest is {vocab_size - 1}"
        raise DamagedError(path, problem, CURE)
    if len(ids) and ids[-1] != BOUNDARY:
        raise DamagedError(path, f"{path} is damaged: its last string has no end", CURE)
