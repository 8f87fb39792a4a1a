"""The model card survives the metadata of a file, and what is not one is refused."""

from dataclasses import replace

import pytest

from nplm.errors import DataError
from nplm.runtime.modelcard import ModelCard
from nplm.text.vocab import Vocab

CARD = ModelCard(
    Vocab(("a", "\t", '"', "é", "😀")), 3, "nfc", 15, "ab" * 32, {"val": {"symbols": 3}}
)

WITH_UNKNOWN = replace(CARD, vocab=replace(CARD.vocab, unknown=True))


PRIVATE = replace(CARD, dataset_sha256=None)
OLD = replace(CARD, format=1)


@pytest.mark.parametrize("card", [CARD, WITH_UNKNOWN, PRIVATE, OLD])
def test_round_trip(card: ModelCard) -> None:
    assert ModelCard.from_metadata(card.to_metadata(), "x.onnx") == card


def test_what_format_2_says_more() -> None:
    facts = WITH_UNKNOWN.facts()
    assert (facts["format"], facts["unknown_id"], facts["document"]) == (2, 6, "line")
    assert CARD.facts()["unknown_id"] is None
    assert CARD.to_metadata()["nplm.sha256"] == f'"{"0" * 64}"'
    assert not {"unknown_id", "document", "sha256"} & OLD.facts().keys()
    assert "nplm.sha256" not in OLD.to_metadata()


def test_other_keys_are_ignored() -> None:
    metadata = CARD.to_metadata() | {"author": "somebody"}
    assert ModelCard.from_metadata(metadata, "x.onnx") == CARD


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nplm.format": None}, "not one that nplm exported"),
        ({"nplm.format": "99"}, "has format 99"),
        ({"nplm.vocab": None}, r"^x\.onnx is damaged: nplm\.vocab is missing"),
        ({"nplm.vocab": "{"}, "nplm.vocab is not valid JSON"),
        ({"nplm.block_size": '"x"'}, "nplm.block_size is 'x': give a whole number"),
        ({"nplm.level": '"syllable"'}, "has level 'syllable', not 'character' or 'word'"),
        ({"nplm.boundary_id": "1"}, "has boundary_id 1"),
        ({"nplm.document": '"page"'}, "has document 'page', not 'line' or 'stream'"),
        ({"nplm.unknown_id": "5"}, "unknown_id is 5: it must be between 6 and 6"),
        ({"nplm.unknown_id": '"6"'}, "unknown_id is '6'"),
        ({"nplm.sha256": None}, "nplm.sha256 is missing"),
        ({"nplm.format": "[]"}, r"has format \[\]"),
        ({"nplm.block_size": "65"}, "nplm.block_size is 65: it must be between 1 and 64"),
        ({"nplm.block_size": "3.0"}, "nplm.block_size is 3.0: give a whole number"),
        ({"nplm.longest": "-1"}, "nplm.longest is -1"),
        ({"nplm.longest": "1" + "0" * 400}, "nplm.longest is not valid JSON: .*64 bits"),
        ({"nplm.longest": "1" * 5000}, "nplm.longest is not valid JSON"),
        ({"nplm.longest": "[" * 100_000}, "nplm.longest is not valid JSON: .*nested"),
        ({"nplm.normalize": '"nfd"'}, "nplm.normalize is 'nfd': choose nfc, none"),
        ({"nplm.dataset_sha256": '"abc"'}, "nplm.dataset_sha256 is 'abc'"),
        ({"nplm.vocab": '["a", "a", "b", "c", "d"]'}, "nplm.vocab: .*same symbol twice"),
        ({"nplm.vocab": "[]"}, "nplm.vocab is not a list of symbols"),
        ({"nplm.vocab": '["ab", "a", "b", "c", "d"]'}, "nplm.vocab: 'ab' cannot be a symbol"),
        ({"nplm.val": '{"symbols": NaN}'}, "nplm.val is not valid JSON: NaN"),
        ({"nplm.kind": "3"}, "nplm.kind is 3, not a text"),
        ({"nplm.novelty_filter": "[]"}, "nplm.novelty_filter is"),
        ({"nplm.novelty_filter": '{"splits": [[]]}'}, "nplm.novelty_filter.splits"),
        ({"nplm.novelty": "AAE="}, "nplm.novelty: "),
        ({"nplm.novelty": "AgAAAAEAAAA="}, "nplm.novelty: its hashes do not ascend"),
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
