"""A file that carries its own hash: any other byte in it is noticed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import DataError
from nplm.runtime.checksum import BLANK, insert_checksum, verify_checksum

BLANK_FILE = b"a graph" + BLANK.encode() + b"weights, 0000"
SIGNED = insert_checksum(BLANK_FILE)
DIGEST = hashlib.sha256(BLANK_FILE).hexdigest()


def test_the_hash_stands_where_the_zeros_stood() -> None:
    assert b"a graph" + DIGEST.encode() + b"weights, 0000" == SIGNED
    verify_checksum(SIGNED, DIGEST, "x.onnx")


@given(st.integers(0, 8 * len(SIGNED) - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    content = bytearray(SIGNED)
    content[bit // 8] ^= 1 << bit % 8
    flipped = bytes(content)
    digest = flipped[7:71].decode("latin-1")
    with pytest.raises(DataError, match=r"^x\.onnx is damaged"):
        verify_checksum(flipped, digest, "x.onnx")


def test_a_hash_that_does_not_stand_in_the_file() -> None:
    with pytest.raises(DataError, match="damaged"):
        verify_checksum(BLANK_FILE, DIGEST, "x.onnx")
