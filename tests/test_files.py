"""What is read: what cannot be is named, with its cure."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import NotFoundError, PathError
from nplm.files import read_bytes, sha256


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.json: No such file.*; make it"):
        read_bytes(tmp_path / "gone.json", "make it")


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="cannot read"):
        read_bytes(tmp_path)


@given(st.lists(st.binary(max_size=5)))
def test_sha256_is_that_of_the_parts_with_their_lengths(parts: list[bytes]) -> None:
    naive = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    assert sha256(*parts) == hashlib.sha256(naive).hexdigest()
    assert sha256(*map(memoryview, parts)) == sha256(*parts)


def test_sha256_tells_where_a_part_ends() -> None:
    assert sha256(b"ab", b"c") != sha256(b"a", b"bc") != sha256(b"abc")
