"""What a model says about itself: written into the ONNX file by export, read back here.

All values are strings under keys that start with `nplm.`; structured ones are JSON. A model with an
unknown symbol is of format 2, which older versions refuse instead of misreading; others stay of
format 1. Format 2 carries a hash of the whole file, and says what format 1 leaves to be known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nplm.errors import DamagedError, DataError
from nplm.runtime.checksum import BLANK
from nplm.runtime.novelty import NoveltyFilter
from nplm.text.tokenizer import LEVEL, Tokenizer
from nplm.text.vocab import BOUNDARY, Vocab, normalize

FORMAT, FORMAT_2 = 1, 2
NOVELTY, SHA256 = "nplm.novelty", "nplm.sha256"
DOCUMENT = "line"  # what a string was in the text


@dataclass(frozen=True)
class ModelCard:
    """The facts without which logits mean nothing.

    Attributes:
        vocab: symbols by id.
        block_size: T.
        normalize: how the training text was normalised; prefixes and scored text are too.
        longest: symbols in the longest training string.
        dataset_sha256: of the data set the model was trained on.
        novelty: knows the strings of the list; None where it was left out.
        extra: facts that no computation depends on: validation scores, the proof, versions.
    """

    vocab: Vocab
    block_size: int
    normalize: str
    longest: int
    dataset_sha256: str
    extra: dict[str, Any] = field(default_factory=dict)
    novelty: NoveltyFilter | None = None

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer(self.vocab, self.normalize)

    @property
    def novelty_splits(self) -> list[str]:
        """The splits whose strings the filter knows; of a file that does not say, train alone."""
        described = self.extra.get("novelty_filter", {})
        return list(described.get("splits", ["train"]))

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, normalised as the training text was.

        Raises:
            DataError: a symbol is not in the vocabulary.
        """
        return self.vocab.encode(normalize(text, self.normalize))

    @property
    def format(self) -> int:
        """The oldest format that can say all this."""
        return FORMAT_2 if self.vocab.unknown else FORMAT

    @property
    def has_checksum(self) -> bool:
        """Whether the file carries a hash of itself."""
        return self.format == FORMAT_2

    def facts(self) -> dict[str, Any]:
        """All values by name, as the sidecar file holds them."""
        return {
            "format": self.format,
            "level": LEVEL,
            "boundary_id": BOUNDARY,
            "vocab": list(self.vocab.symbols),
            "block_size": self.block_size,
            "normalize": self.normalize,
            "longest": self.longest,
            "dataset_sha256": self.dataset_sha256,
            **(
                {"document": DOCUMENT, "unknown_id": self.vocab.unknown_id}
                if self.has_checksum
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
        if self.has_checksum:
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
        try:
            values = {
                key.removeprefix("nplm."): json.loads(text)
                for key, text in metadata.items()
                if key.startswith("nplm.") and key != NOVELTY
            }
            _check_kind(values, where)
            return cls(
                _vocab(values),
                int(values.pop("block_size")),
                str(values.pop("normalize")),
                int(values.pop("longest")),
                str(values.pop("dataset_sha256")),
                values,
                NoveltyFilter.from_text(metadata[NOVELTY]) if NOVELTY in metadata else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(
                where, f"{where}: broken metadata: {error}", "export it again"
            ) from error


def _check_kind(values: dict[str, Any], where: str) -> None:
    """Take out of the values what has to be known to read the others; refuse what is not."""
    kinds = {FORMAT: {"level": LEVEL}, FORMAT_2: {"level": LEVEL, "document": DOCUMENT}}
    version = values.pop("format")
    if version not in kinds:
        raise DataError(
            f"{where} has format {version!r}, this nplm reads {FORMAT} and {FORMAT_2}",
            "export it again with this version, or update nplm",
        )
    for key, expected in {**kinds[version], "boundary_id": BOUNDARY}.items():
        value = values.pop(key)
        if value != expected:
            raise DataError(f"{where} has {key} {value!r}, not {expected!r}", "update nplm")
    if version == FORMAT_2:
        values.pop("sha256")  # checked with the file in hand


def _vocab(values: dict[str, Any]) -> Vocab:
    unknown = values.pop("unknown_id", None)
    vocab = Vocab(tuple(values.pop("vocab")), unknown is not None)
    if vocab.unknown_id != unknown:
        raise ValueError(f"unknown_id is {unknown!r}, the last id is {len(vocab) - 1}")
    return vocab
