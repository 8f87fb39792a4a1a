"""A file that carries its own hash: any other byte in it is noticed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.runtime.checksum import BLANK, checksum_matches, insert_checksum

BEFORE, AFTER = b"a graph, " + BLANK.encode() + b" among its weights", b", 0000"
PLACE = (len(BEFORE), len(BEFORE) + 66)
FILE = BEFORE + b'"' + BLANK.encode() + b'"' + AFTER
SIGNED = insert_checksum(FILE, PLACE)


def test_the_hash_stands_where_the_zeros_stood() -> None:
    """Whatever else looks like it."""
    assert BEFORE + b'"' + hashlib.sha256(FILE).hexdigest().encode() + b'"' + AFTER == SIGNED
    assert checksum_matches(SIGNED, PLACE)


@given(st.integers(0, 8 * len(SIGNED) - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    content = bytearray(SIGNED)
    content[bit // 8] ^= 1 << bit % 8
    assert not checksum_matches(bytes(content), PLACE)


@pytest.mark.parametrize("end", [0, 1, PLACE[1] - 1, len(SIGNED)])
def test_a_hash_of_another_length_is_none(end: int) -> None:
    assert not checksum_matches(SIGNED, (PLACE[0], max(end, PLACE[0])))
    assert not checksum_matches(FILE, PLACE)
