"""The model card survives the metadata of a file, and what is not one is refused."""

from dataclasses import replace

import pytest

from nplm.errors import DataError
from nplm.runtime.modelcard import ModelCard
from nplm.text.vocab import Vocab

CARD = ModelCard(Vocab(("a", "\t", '"', "é", "😀")), 3, "nfc", 15, "abc", {"val": {"symbols": 3}})

WITH_UNKNOWN = replace(CARD, vocab=replace(CARD.vocab, unknown=True))


@pytest.mark.parametrize("card", [CARD, WITH_UNKNOWN])
def test_round_trip(card: ModelCard) -> None:
    assert ModelCard.from_metadata(card.to_metadata(), "x.onnx") == card


def test_only_a_model_with_an_unknown_symbol_is_of_format_2() -> None:
    """So that older versions read every file that they can make sense of."""
    assert CARD.facts()["format"] == 1
    assert not {"unknown_id", "document"} & CARD.facts().keys()
    facts = WITH_UNKNOWN.facts()
    assert (facts["format"], facts["unknown_id"], facts["document"]) == (2, 6, "line")
    assert WITH_UNKNOWN.to_metadata()["nplm.sha256"] == f'"{"0" * 64}"'


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
        ({"nplm.level": '"word"'}, "has level 'word'"),
        ({"nplm.boundary_id": "1"}, "has boundary_id 1"),
        ({"nplm.document": '"stream"'}, "has document 'stream'"),
        ({"nplm.unknown_id": "5"}, "unknown_id is 5, the last id is 6"),
        ({"nplm.unknown_id": '"6"'}, "unknown_id is '6'"),
        ({"nplm.sha256": None}, "broken metadata: 'sha256'"),
    ],
)
def test_broken_metadata(change: dict[str, str | None], message: str) -> None:
    metadata = {k: v for k, v in (WITH_UNKNOWN.to_metadata() | change).items() if v is not None}
    with pytest.raises(DataError, match=message):
        ModelCard.from_metadata(metadata, "x.onnx")


def test_encode_normalises_as_the_training_text_was() -> None:
    assert CARD.encode("e\u0301") == [4]
    with pytest.raises(DataError, match="never saw"):
        CARD.encode("z")
