"""What a model says about itself: written into the ONNX file by export, read back here.

All values are strings under keys that start with `nplm.`; structured ones are JSON. Format 2, which
every export has, carries a hash of the whole file and says what format 1, which 0.1.0 wrote, leaves
to be known. Checking that hash needs the file: `runtime.onnxmodel` does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

from nplm.checks import MAX_BLOCK_SIZE, SPLITS, Document, Level, Normalization
from nplm.errors import ConstraintError, DamagedError, DataError
from nplm.record import Record
from nplm.runtime.checksum import BLANK
from nplm.runtime.novelty import NoveltyFilter
from nplm.stored import parse_text, shorten
from nplm.text.tokenizer import Tokenizer, make_tokenizer
from nplm.text.vocab import BOUNDARY, Vocab, normalize

FORMAT, FORMAT_2 = 1, 2
NOVELTY, SHA256 = "nplm.novelty", "nplm.sha256"
CURE = "export it again"
OWN = {  # keys of what the card holds, or checks, by itself
    *("format", "level", "boundary_id", "vocab", "block_size", "normalize", "longest"),
    *("dataset_sha256", "document", "unknown_id", "sha256"),
}


@dataclass(frozen=True)
class ModelCard:
    """The facts without which logits mean nothing.

    Attributes:
        vocab: symbols by id.
        block_size: T.
        normalize: how the training text was normalised; prefixes and scored text are too.
        longest: symbols in the longest training string.
        document: what a string was in the text: a line, or all of it.
        dataset_sha256: of the data set the model was trained on; None where the file keeps it back.
        novelty: knows the strings of the list; None where it was left out.
        extra: facts that no computation depends on: validation scores, the proof, versions.
        format: 1 of a file without a hash of itself, else 2.
    """

    vocab: Vocab
    block_size: int
    normalize: str
    longest: int
    dataset_sha256: str | None
    extra: dict[str, Any] = field(default_factory=dict)
    novelty: NoveltyFilter | None = None
    format: int = FORMAT_2
    document: Document = "line"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return make_tokenizer(self.vocab, self.normalize)

    @property
    def novelty_splits(self) -> list[str]:
        """The splits whose strings the filter knows; of a file that does not say, train alone."""
        described = self.extra.get("novelty_filter", {})
        return list(described.get("splits", ["train"]))

    def refuse_stream(self, what: str) -> None:
        """Raise ConstraintError where a model of a stream is asked for `what` has whole strings."""
        if self.document == "stream":
            raise ConstraintError(
                f"this model is of a stream, which has no whole strings: {what} needs them",
                "train one on a data set of lines",
            )

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, normalised as the training text was.

        Raises:
            DataError: a symbol is not in the vocabulary.
        """
        return self.vocab.encode(normalize(text, self.normalize))

    def facts(self) -> dict[str, Any]:
        """All values by name, as the sidecar file holds them."""
        return {
            "format": self.format,
            "level": self.vocab.level,
            "boundary_id": BOUNDARY,
            "vocab": list(self.vocab.symbols),
            "block_size": self.block_size,
            "normalize": self.normalize,
            "longest": self.longest,
            "dataset_sha256": self.dataset_sha256,
            **(
                {"document": self.document, "unknown_id": self.vocab.unknown_id}
                if self.format == FORMAT_2
                else {}
            ),
            **self.extra,
        }

    def to_metadata(self) -> dict[str, str]:
        """The metadata of an ONNX file: each value as JSON, and the filter."""
        metadata = {
            f"nplm.{key}": json.dumps(value, ensure_ascii=False, sort_keys=True)
            for key, value in self.facts().items()
        }
        if self.format == FORMAT_2:
            metadata[SHA256] = json.dumps(BLANK)
        return metadata | ({NOVELTY: self.novelty.to_text()} if self.novelty else {})

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> "ModelCard":
        """Read what `to_metadata` wrote; `where` names the file in messages.

        Raises:
            DataError: not a model of ours, or of another format.
            DamagedError: a value is broken.
        """
        if "nplm.format" not in metadata:
            raise DataError(
                f"{where} is an ONNX file, but not one that nplm exported",
                "make one: nplm export onnx",
            )
        values = Record(_parsed(metadata, where), where, CURE, table_of="nplm.")
        version = _check_kind(values)
        card = cls(
            _vocab(values),
            values.integer("block_size", 1, MAX_BLOCK_SIZE),
            values.choice("normalize", Normalization),
            values.integer("longest"),
            None if values.value("dataset_sha256") is None else values.digest("dataset_sha256"),
            {key: value for key, value in values.values.items() if key not in OWN},
            _novelty(metadata.get(NOVELTY), where),
            version,
            "line" if version == FORMAT else values.choice("document", Document),
        )
        _check_extra(Record(card.extra, where, CURE, table_of="nplm."))
        return card


def _parsed(metadata: Mapping[str, str], where: str) -> dict[str, Any]:
    """The values of our keys but the filter's."""
    values = {}
    for key, text in metadata.items():
        if key.startswith("nplm.") and key != NOVELTY:
            try:
                values[key.removeprefix("nplm.")] = parse_text(text)
            except ValueError as error:
                problem = f"{where} is damaged: {key} is not valid JSON: {error}"
                raise DamagedError(where, problem, CURE) from error
    return values


def _check_kind(values: Record) -> int:
    """The format; refuse what has to be known to read the other values, where it is another."""
    version = values.value("format")
    if version not in (FORMAT, FORMAT_2):
        raise DataError(
            f"{values.path} has format {shorten(repr(version))}, this nplm reads {FORMAT} and "
            f"{FORMAT_2}",
            "export it again with this version, or update nplm",
        )
    known: dict[str, tuple[object, ...]] = {"boundary_id": (BOUNDARY,), "level": get_args(Level)}
    if version == FORMAT_2:
        known["document"] = get_args(Document)
    for key, expected in known.items():
        value = values.value(key)
        if value not in expected:
            choices = " or ".join(map(repr, expected))
            problem = f"{values.path} has {key} {shorten(repr(value))}, not {choices}"
            raise DataError(problem, "update nplm")
    if version == FORMAT_2:
        values.digest("sha256")  # whether it is that of the file is checked with that in hand
    return int(version)


def _vocab(values: Record) -> Vocab:
    symbols = values.symbols("vocab")
    has_unknown = values.values.get("unknown_id") is not None
    if has_unknown:
        last = len(symbols) + 1
        values.integer("unknown_id", last, last)
    try:
        return Vocab(symbols, has_unknown, values.choice("level", Level))
    except DataError as error:
        raise values.wrong(f"vocab: {error}") from error


def _novelty(text: str | None, where: str) -> NoveltyFilter | None:
    if text is None:
        return None
    try:
        return NoveltyFilter.from_text(text)
    except ValueError as error:
        raise DamagedError(where, f"{where} is damaged: {NOVELTY}: {error}", CURE) from error


def _check_extra(extra: Record) -> None:
    """Raise DamagedError where a fact that is shown or asked for is of another type."""
    for key in ("name", "kind"):
        if key in extra.values:
            extra.text(key)
    if extra.values.get("weights_sha256") is not None:
        extra.digest("weights_sha256")
    if "novelty_filter" in extra.values:
        described = extra.table("novelty_filter")
        if "splits" in described.values and not set(map(str, described.items("splits"))) <= {
            *SPLITS
        }:
            raise described.wrong("splits are not those of a data set")
