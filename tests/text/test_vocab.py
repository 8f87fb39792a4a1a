"""Symbols and ids: round trips, the boundary that is no character, messages for unknown symbols."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import DataError
from nplm.text.tokenizer import vocab_of
from nplm.text.vocab import BOUNDARY, Vocab, normalize, show_symbols

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))


def test_ids_by_hand() -> None:
    vocab = vocab_of(["ba", "cab"])
    assert vocab.symbols == ("a", "b", "c")
    assert len(vocab) == 4
    assert vocab.encode("cab") == [3, 1, 2]
    assert vocab.decode([3, 1, 2]) == "cab"


def test_the_unknown_symbol_has_the_last_id() -> None:
    vocab = Vocab(("a", "b"), unknown=True)
    assert (len(vocab), vocab.unknown_id, Vocab(("a", "b")).unknown_id) == (4, 3, None)
    assert vocab.decode([1, 3, 2]) == "a\ufffdb"
    assert vocab.spellings == ("a", "b", "\ufffd")
    with pytest.raises(DataError, match="never saw: c"):
        vocab.encode("c")


@given(st.lists(TEXT))
def test_decode_undoes_encode(strings: list[str]) -> None:
    vocab = vocab_of(strings)
    assert [vocab.decode(vocab.encode(s)) for s in strings] == strings


@given(st.lists(TEXT))
def test_symbols_are_all_code_points_in_order(strings: list[str]) -> None:
    assert list(vocab_of(strings).symbols) == sorted(set("".join(strings)))


@given(TEXT)
def test_no_character_has_the_id_of_the_boundary(text: str) -> None:
    ids = vocab_of([text]).encode(text)
    assert BOUNDARY not in ids
    assert set(ids) == set(range(1, len(set(text)) + 1))


def test_a_full_stop_in_the_data_has_an_id_of_its_own() -> None:
    vocab = vocab_of(["a.b"])
    assert vocab.encode(".") == [1]
    assert vocab.decode([1]) == "."


def test_the_empty_vocabulary_has_the_boundary_alone() -> None:
    vocab = vocab_of([])
    assert len(vocab) == 1
    assert vocab.encode("") == []
    assert vocab.decode([]) == ""


def test_one_symbol() -> None:
    vocab = vocab_of(["aaa"])
    assert len(vocab) == 2
    assert vocab.encode("aa") == [1, 1]


def test_order_is_the_callers() -> None:
    vocab = Vocab(("z", "a"))
    assert vocab.encode("az") == [2, 1]
    assert vocab != Vocab(("a", "z"))
    assert vocab == Vocab(("z", "a"))


@pytest.mark.parametrize("symbol", ["", "ab", "\n", "e\u0301", "\r\n"])
def test_what_is_not_one_code_point_is_refused(symbol: str) -> None:
    with pytest.raises(DataError, match="cannot be a symbol"):
        Vocab(("x", symbol))


def test_a_symbol_twice_is_refused() -> None:
    with pytest.raises(DataError, match="twice"):
        Vocab(("a", "b", "a"))


def test_unknown_symbols_are_named_once_each_in_order_with_what_is_known() -> None:
    with pytest.raises(DataError) as caught:
        vocab_of(["abc"]).encode("azyxbwvuz")
    assert caught.value.problem == "'azyxbwvuz' has symbols the model never saw: uvwxyz"
    assert caught.value.cure == "it knows abc"


def test_the_line_end_is_never_known() -> None:
    with pytest.raises(DataError, match="never saw"):
        vocab_of(["a"]).encode("a\n")


@pytest.mark.parametrize("ids", [[0], [1, 0], [0, 2]])
def test_the_boundary_cannot_be_decoded(ids: list[int]) -> None:
    with pytest.raises(ValueError, match="boundary"):
        Vocab(("a", "b")).decode(ids)


def test_decode_takes_any_iterable_once() -> None:
    assert Vocab(("a", "b")).decode(iter([2, 1])) == "ba"


def test_symbols_with_a_blank_among_them_are_all_quoted() -> None:
    assert show_symbols(["a", " "]) == "'a' ' '"
    assert show_symbols(["a", "é"]) == "aé"
    assert show_symbols([]) == ""


def test_a_long_list_of_symbols_is_cut_and_counted() -> None:
    assert show_symbols(["a"] * 41) == "a" * 40 + " … (41 in all)"
    assert show_symbols(["a"] * 40) == "a" * 40
    assert show_symbols(["a", "b", "c"], limit=2) == "ab … (3 in all)"


def test_normalize_by_hand() -> None:
    assert normalize("e\u0301", "nfc") == "é"
    assert normalize("e\u0301", "none") == "e\u0301"


@given(st.text())
def test_normalize_is_nfc_or_nothing(text: str) -> None:
    assert normalize(text, "nfc") == unicodedata.normalize("NFC", text)
    assert normalize(text, "none") == text


def test_normalize_leaves_compatibility_characters_alone() -> None:
    assert normalize("ﬁ²", "nfc") == "ﬁ²"
