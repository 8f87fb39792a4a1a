"""What a model says about itself: written into the ONNX file by export, read back here.

All values are strings under keys that start with `nplm.`; structured ones are JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nplm.errors import DamagedError, DataError
from nplm.runtime.novelty import NoveltyFilter
from nplm.text.vocab import BOUNDARY, Vocab, normalize

FORMAT = 1
LEVEL = "character"
NOVELTY = "nplm.novelty"


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

    def facts(self) -> dict[str, Any]:
        """All values by name, as the sidecar file holds them."""
        return {
            "format": FORMAT,
            "level": LEVEL,
            "boundary_id": BOUNDARY,
            "vocab": list(self.vocab.symbols),
            "block_size": self.block_size,
            "normalize": self.normalize,
            "longest": self.longest,
            "dataset_sha256": self.dataset_sha256,
            **self.extra,
        }

    def to_metadata(self) -> dict[str, str]:
        """The metadata of an ONNX file: each value as JSON, and the filter."""
        metadata = {
            f"nplm.{key}": json.dumps(value, ensure_ascii=False, sort_keys=True)
            for key, value in self.facts().items()
        }
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
            if values.pop("format") != FORMAT:
                raise DataError(
                    f"{where} has format {metadata['nplm.format']}, this nplm reads {FORMAT}",
                    "export it again with this version, or update nplm",
                )
            values.pop("level"), values.pop("boundary_id")
            return cls(
                Vocab(tuple(values.pop("vocab"))),
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
