"""Tokens between white space, against the naive way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import DataError
from nplm.text.tokenizer import make_tokenizer, vocab_of
from nplm.text.vocab import Vocab, show_symbols
from nplm.text.words import WordTokenizer

TOKENS = st.sampled_from(["a", "b", "the", "The", ".", "é", "🦀", "<unk>", "\ufffd", "x.y"])
BLANKS = st.sampled_from([" ", "  ", "\t", "\u2028", "\x1c", "\u00a0"])
TEXTS = st.lists(
    st.lists(st.tuples(TOKENS, BLANKS), max_size=6).map(lambda p: "".join(t + b for t, b in p)),
    max_size=6,
)


def words(*symbols: str, unknown: bool = False) -> Vocab:
    return Vocab(symbols, unknown, "word")


@given(TEXTS)
def test_the_vocabulary_is_the_naive_one(texts: list[str]) -> None:
    tokens = sorted({token for text in texts for token in text.split()})
    assert vocab_of(texts, level="word") == words(*tokens)


@given(TEXTS, st.integers(1, 3))
def test_rare_words_are_one_unknown_symbol(texts: list[str], min_count: int) -> None:
    """Its spelling in a text is never one of the words, however frequent."""
    counts = Counter(token for text in texts for token in text.split())
    frequent = {t for t, count in counts.items() if count >= min_count and t != "\ufffd"}
    vocab = vocab_of(texts, min_count, level="word")
    assert vocab == words(*sorted(frequent), unknown=True)
    tokenizer = make_tokenizer(vocab)
    encoded = tokenizer.encode([*texts, "never\ud800 seen"])
    assert encoded.ids[-3:].tolist() == [tokenizer.unseen, tokenizer.unseen, 0]
    shown = [" ".join(t if t in frequent else "\ufffd" for t in s.split()) for s in texts]
    assert tokenizer.decode(encoded)[:-1] == shown
    assert tokenizer.encode(shown).ids.tolist() == encoded.ids[:-3].tolist()


@given(TEXTS)
def test_ids_are_those_of_the_vocabulary(texts: list[str]) -> None:
    vocab = vocab_of(texts, level="word")
    encoded = WordTokenizer(vocab).encode(texts)
    assert [ids.tolist() for ids in encoded] == [[*vocab.encode(text), 0] for text in texts]
    assert [vocab.decode(ids[:-1].tolist()) for ids in encoded] == [
        " ".join(text.split()) for text in texts
    ]
    lines = WordTokenizer(vocab).lines(encoded).decode("utf-8")
    assert lines == "".join(" ".join(text.split()) + "\n" for text in texts)


def test_as_many_words_as_may_be() -> None:
    texts = ["b a c a b d", "a"]
    assert vocab_of(texts, max_vocab=4, level="word").symbols == ("a", "b")
    assert vocab_of(texts, max_vocab=5, level="word").symbols == ("a", "b", "c")  # d as often
    assert vocab_of(texts, 2, 9, level="word").symbols == ("a", "b")
    assert len(vocab_of(texts, max_vocab=5, level="word")) == 5
    assert vocab_of(["abcaa"], max_vocab=3).symbols == ("a",)  # of characters too


def test_forms_of_a_word_are_one_where_texts_are_normalised() -> None:
    tokenizer = WordTokenizer(words("é"), "nfc")
    assert tokenizer.encode(["e\u0301 é"]).ids.tolist() == [1, 1, 0]
    assert WordTokenizer(words("é")).encode(["e\u0301 é"]).ids.tolist() == [2, 1, 0]


@pytest.mark.parametrize("symbol", ["", "a b", " a", "a\n", "\ud800", "a\u00a0b"])
def test_what_is_no_word(symbol: str) -> None:
    with pytest.raises(DataError, match="cannot be a symbol"):
        words(symbol)


def test_words_in_messages() -> None:
    assert show_symbols(["the", "a"]) == "the a"
    assert show_symbols(["t", "a"]) == "ta"
    with pytest.raises(DataError, match="never saw: dog; it knows the cat"):
        words("the", "cat").encode("the dog")
