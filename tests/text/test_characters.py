"""Many strings at once, against the vocabulary symbol by symbol."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.text.characters import CharacterTokenizer, code_points
from nplm.text.tokenizer import vocab_of
from nplm.text.vocab import Vocab, normalize

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n")
STRINGS = st.lists(st.text(CHARACTERS))
FEW = st.lists(st.text("ab.\r\x00 é🦀\u2028", max_size=4))


@given(st.text(CHARACTERS | st.just("\n")))
def test_code_points_are_those_of_ord(text: str) -> None:
    points = code_points(text)
    assert points.dtype == np.uint32
    assert points.tolist() == [ord(symbol) for symbol in text]


@given(STRINGS | FEW)
def test_the_vocabulary_is_the_naive_one(strings: list[str]) -> None:
    assert vocab_of(strings) == Vocab(tuple(sorted(set("".join(strings)))))


@given(FEW, st.integers(1, 4))
def test_rare_symbols_are_one_unknown_symbol(strings: list[str], min_count: int) -> None:
    vocab = vocab_of(strings, min_count)
    counts = Counter("".join(strings))
    frequent = sorted(symbol for symbol, count in counts.items() if count >= min_count)
    assert vocab == Vocab(tuple(frequent), unknown=True)
    tokenizer = CharacterTokenizer(vocab)
    encoded = tokenizer.encode([*strings, "\U0001f984\n\ud800"])
    assert tokenizer.unseen == vocab.unknown_id
    assert encoded.ids[-4:].tolist() == [*[tokenizer.unseen] * 3, 0]
    masked = ["".join(s if s in frequent else "\ufffd" for s in text) for text in strings]
    assert tokenizer.decode(encoded)[:-1] == masked
    assert tokenizer.lines(encoded).decode().split("\n")[: len(masked)] == masked


def test_how_the_unknown_symbol_is_written_is_no_symbol_beside_it() -> None:
    """A text may hold U+FFFD: then it is one of the unknown ones, whatever its count."""
    texts = ["a\ufffdb"] * 9
    assert vocab_of(texts).symbols == ("a", "b", "\ufffd")
    tokenizer = CharacterTokenizer(vocab_of(texts, 3))
    encoded = tokenizer.encode(texts[:1])
    assert encoded.ids.tolist() == [1, 3, 2, 0]
    assert tokenizer.encode(tokenizer.decode(encoded)).ids.tolist() == [1, 3, 2, 0]


def test_the_vocabulary_of_nothing_is_empty() -> None:
    assert vocab_of([]) == vocab_of(["", ""]) == Vocab(())


@given(STRINGS | FEW)
def test_ids_are_those_of_the_vocabulary_and_an_end_for_each_string(strings: list[str]) -> None:
    vocab = vocab_of(strings)
    encoded = CharacterTokenizer(vocab).encode(strings)
    assert [ids.tolist() for ids in encoded] == [[*vocab.encode(text), 0] for text in strings]


@given(STRINGS | FEW)
def test_decode_undoes_encode(strings: list[str]) -> None:
    tokenizer = CharacterTokenizer(vocab_of(strings))
    encoded = tokenizer.encode(strings)
    assert tokenizer.decode(encoded) == strings
    assert tokenizer.lines(encoded) == "".join(f"{text}\n" for text in strings).encode()


@given(
    st.lists(st.text(st.sampled_from("ab\n\r\ud800\u2028é\x00\U0010ffff"), max_size=4)),
    st.sets(st.sampled_from("ab\ud7ff\U0010ffff")),
)
def test_strings_with_anything_in_them(strings: list[str], known: set[str]) -> None:
    """A line end ends no string here, and is as unseen as a surrogate."""
    vocab = Vocab(tuple(sorted(known)))
    tokenizer = CharacterTokenizer(vocab)
    ids = {symbol: k for k, symbol in enumerate(vocab.symbols, start=1)}
    expected = [[*(ids.get(symbol, len(vocab)) for symbol in text), 0] for text in strings]
    assert tokenizer.unseen == len(vocab)
    assert [ids.tolist() for ids in tokenizer.encode(strings)] == expected


@pytest.mark.parametrize("symbol", ["\x00", "\r", "b", "\u2028", "\uffff", "\U0010ffff"])
def test_symbols_beside_below_and_beyond_the_table_are_unseen(symbol: str) -> None:
    assert CharacterTokenizer(Vocab(("a",))).encode([f"a{symbol}"]).ids.tolist() == [1, 2, 0]


def test_texts_are_normalised() -> None:
    vocab, texts = Vocab(("a", "é")), ["ae\u0301", "a", "\ud800e\u0301"]
    assert CharacterTokenizer(vocab, "nfc").encode(texts).ids.tolist() == [1, 2, 0, 1, 0, 3, 2, 0]
    assert CharacterTokenizer(vocab).encode(texts).ids.tolist() == [1, 3, 3, 0, 1, 0, 3, 3, 3, 0]
    assert normalize(texts[0], "nfc") == "aé"


@pytest.mark.parametrize("symbols", [253, 254, 255, 256, 65533, 65534, 65535])
def test_ids_fit_their_type_where_it_widens(symbols: int) -> None:
    # From 0x10000 on: no line end and no surrogates among them.
    vocab = Vocab(tuple(chr(0x10000 + k) for k in range(symbols)))
    tokenizer, text = CharacterTokenizer(vocab), "".join(vocab.symbols)
    encoded = tokenizer.encode([f"{text}a", text])
    assert encoded.ids.dtype == (
        np.uint8 if symbols < 255 else np.uint16 if symbols < 65535 else np.uint32
    )
    known = [*range(1, symbols + 1)]
    assert encoded.ids.tolist() == [*known, symbols + 1, 0, *known, 0]
    assert tokenizer.decode(encoded.keep(np.array([False, True]))) == [text]


def test_lines_of_ascii_symbols() -> None:
    tokenizer = CharacterTokenizer(vocab_of(["az\x7f"]))
    assert tokenizer.lines(tokenizer.encode(["za", "", "\x7f"])) == b"za\n\n\x7f\n"
