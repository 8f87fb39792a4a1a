"""The model card survives the metadata of a file, and what is not one is refused."""

import pytest

from nplm.errors import DataError
from nplm.runtime.modelcard import ModelCard
from nplm.text.vocab import Vocab

CARD = ModelCard(Vocab(("a", "\t", '"', "é", "😀")), 3, "nfc", 15, "abc", {"val": {"symbols": 3}})


def test_round_trip() -> None:
    assert ModelCard.from_metadata(CARD.to_metadata(), "x.onnx") == CARD


def test_other_keys_are_ignored() -> None:
    metadata = CARD.to_metadata() | {"author": "somebody"}
    assert ModelCard.from_metadata(metadata, "x.onnx") == CARD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nplm.format": None}, "not one that nplm exported"),
        ({"nplm.format": "99"}, "has format 99"),
        ({"nplm.vocab": None}, "broken metadata"),
        ({"nplm.vocab": "{"}, "broken metadata"),
        ({"nplm.block_size": '"x"'}, "broken metadata"),
    ],
)
def test_broken_metadata(change: dict[str, str | None], message: str) -> None:
    metadata = {k: v for k, v in (CARD.to_metadata() | change).items() if v is not None}
    with pytest.raises(DataError, match=message):
        ModelCard.from_metadata(metadata, "x.onnx")


def test_encode_normalises_as_the_training_text_was() -> None:
    assert CARD.encode("e\u0301") == [4]
    with pytest.raises(DataError, match="never saw"):
        CARD.encode("z")
