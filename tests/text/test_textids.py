"""The bulk codec against the vocabulary it is a faster form of."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nplm.text.textids import BulkCodec, as_lines, code_points, vocab_of
from nplm.text.vocab import Vocab

CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\n")
STRINGS = st.lists(st.text(CHARACTERS))
FEW = st.lists(st.text("ab.\r\x00 é🦀\u2028", max_size=4))


@given(st.text(CHARACTERS | st.just("\n")))
def test_code_points_are_those_of_ord(text: str) -> None:
    points = code_points(text)
    assert points.dtype == np.uint32
    assert points.tolist() == [ord(symbol) for symbol in text]


def test_lines_by_hand() -> None:
    assert as_lines(["ab", "", "c"]) == "ab\n\nc\n"
    assert as_lines([]) == ""


@given(STRINGS)
@example([""])
def test_every_string_is_followed_by_a_line_end(strings: list[str]) -> None:
    assert as_lines(strings) == "".join(f"{string}\n" for string in strings)


@given(STRINGS | FEW)
def test_the_vocabulary_is_the_naive_one(strings: list[str]) -> None:
    text = "".join(f"{string}\n" for string in strings)
    assert vocab_of(text) == Vocab.of(strings)


def test_the_vocabulary_of_nothing_is_empty() -> None:
    assert vocab_of("") == vocab_of("\n\n") == Vocab(())


@given(STRINGS | FEW)
def test_the_stream_is_ids_and_a_boundary_for_each_string(strings: list[str]) -> None:
    vocab = Vocab.of(strings)
    stream = BulkCodec(vocab).encode("".join(f"{string}\n" for string in strings))
    assert stream.tolist() == [k for string in strings for k in [*vocab.encode(string), 0]]


@given(STRINGS | FEW)
def test_decode_undoes_encode(strings: list[str]) -> None:
    lines = "".join(f"{string}\n" for string in strings)
    codec = BulkCodec(vocab_of(lines))
    assert codec.decode(codec.encode(lines)) == lines


@given(st.text("abcé\n"), st.sets(st.sampled_from("abcé")))
def test_unknown_symbols_get_the_id_past_the_last(text: str, known: set[str]) -> None:
    vocab = Vocab(tuple(sorted(known)))
    ids = {"\n": 0} | {symbol: vocab.encode(symbol)[0] for symbol in known}
    codec = BulkCodec(vocab)
    assert codec.unknown == len(vocab)
    assert codec.encode(text).tolist() == [ids.get(symbol, len(vocab)) for symbol in text]


@pytest.mark.parametrize("symbol", ["\x00", "\r", "b", "\u2028", "\uffff", "\U0010ffff"])
def test_symbols_beside_below_and_beyond_the_table_are_unknown(symbol: str) -> None:
    codec = BulkCodec(Vocab(("a",)))
    assert codec.encode(f"a{symbol}\n").tolist() == [1, 2, 0]


def test_the_highest_code_point_can_be_a_symbol() -> None:
    codec = BulkCodec(Vocab(("\U0010ffff",)))
    assert codec.encode("\U0010ffff\U0010fffe\n").tolist() == [1, 2, 0]


def test_the_empty_vocabulary_knows_the_line_end_alone() -> None:
    codec = BulkCodec(Vocab(()))
    assert codec.encode("").tolist() == []
    assert codec.encode("\na\n").tolist() == [0, 1, 0]
    assert codec.decode(np.zeros(2, np.uint8)) == "\n\n"


def test_ids_follow_the_order_of_the_vocabulary() -> None:
    assert BulkCodec(Vocab(("z", "a"))).encode("az\n").tolist() == [2, 1, 0]


@pytest.mark.parametrize("symbols", [253, 254, 255, 256, 65533, 65534, 65535])
def test_ids_fit_their_type_where_it_widens(symbols: int) -> None:
    # From 0x10000 on: no line end and no surrogates among them.
    vocab = Vocab(tuple(chr(0x10000 + k) for k in range(symbols)))
    codec = BulkCodec(vocab)
    lines = "".join(vocab.symbols) + "a\n"
    stream = codec.encode(lines)
    assert stream.dtype == (
        np.uint8 if symbols < 255 else np.uint16 if symbols < 65535 else np.uint32
    )
    assert stream.tolist() == [*range(1, symbols + 1), symbols + 1, 0]
    assert codec.decode(stream[:-2]) == lines[:-2]


@given(STRINGS)
def test_bytes_are_the_text_in_utf_8(strings: list[str]) -> None:
    codec = BulkCodec(vocab_of(as_lines(strings)))
    stream = codec.encode(as_lines(strings))
    assert codec.decode_bytes(stream) == codec.decode(stream).encode("utf-8")


def test_bytes_of_ascii_symbols() -> None:
    codec = BulkCodec(vocab_of("az\x7f\n"))
    assert codec.decode_bytes(codec.encode("za\n\n\x7f\n")) == b"za\n\n\x7f\n"


@given(
    st.lists(st.text(st.sampled_from("ab\n\r\ud800\u2028é"), max_size=4)),
    st.sets(st.sampled_from("ab\ud7ff")),
)
def test_strings_with_anything_in_them(strings: list[str], known: set[str]) -> None:
    """A line end ends no string here: only where one ends there is a boundary."""
    vocab = Vocab(tuple(sorted(known)))
    codec = BulkCodec(vocab)
    ids = {symbol: k for k, symbol in enumerate(vocab.symbols, start=1)}
    expected = [k for s in strings for k in [*(ids.get(c, codec.unknown) for c in s), 0]]
    assert codec.encode_strings(strings).tolist() == expected
