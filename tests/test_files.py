"""What is read: what cannot be is named, with its cure."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import DataError, NotFoundError, PathError
from nplm.files import read_up_to, sha256


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.toml: No such file.*; check the path"):
        read_up_to(tmp_path / "gone.toml", 9)


def test_a_folder_cannot_be_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="cannot read"):
        read_up_to(tmp_path, 9)


def test_no_more_is_read_than_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"123456789")
    assert read_up_to(tmp_path / "f", 9) == b"123456789"
    for path, limit in ((tmp_path / "f", 8), (Path("/dev/zero"), 1000)):
        with pytest.raises(DataError, match=f"{path} has more than {limit:,} bytes"):
            read_up_to(path, limit)


@given(st.lists(st.binary(max_size=5)))
def test_sha256_is_that_of_the_parts_with_their_lengths(parts: list[bytes]) -> None:
    naive = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    assert sha256(*parts) == hashlib.sha256(naive).hexdigest()
    assert sha256(*map(memoryview, parts)) == sha256(*parts)


def test_sha256_tells_where_a_part_ends() -> None:
    assert sha256(b"ab", b"c") != sha256(b"a", b"bc") != sha256(b"abc")
