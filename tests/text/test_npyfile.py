"""Arrays of ids as numpy writes them are read, and nothing else that numpy would take."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from nplm.errors import DamagedError, PathError
from nplm.text.npyfile import read_ids

HEADER = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }"


def written(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    npy.write_array(file, array, version)
    return file.getvalue()


def with_header(header: str, content: bytes = b"\1\2\0") -> bytes:
    """A file of format 1.0 with this header and content."""
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.sampled_from(["u1", "<u2", "<u4"]),
    st.lists(st.integers(0, 255), max_size=300),
    st.sampled_from([None, (1, 0), (2, 0)]),
)
def test_what_numpy_writes_is_read(
    tmp_path: Path, dtype: str, ids: list[int], version: tuple[int, int] | None
) -> None:
    array = np.array(ids, dtype)
    (tmp_path / "f.npy").write_bytes(written(array, version))
    again = read_ids(tmp_path / "f.npy")
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, np.load(tmp_path / "f.npy"))
    assert not again.flags.writeable


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("arr_0.npy", written(np.zeros(3, np.uint8)))
    return file.getvalue()


OTHERS = {
    "signed": written(np.zeros(3, np.int64)),
    "eight bytes": written(np.zeros(3, np.uint64)),
    "floats": written(np.zeros(3)),
    "big-endian": written(np.zeros(3, ">u2")),
    "truth values": written(np.zeros(3, np.bool_)),
    "two dimensions": written(np.zeros((2, 2), np.uint8)),
    "no dimension": written(np.array(0, np.uint8)),
    "fields": written(np.zeros(3, [("a", "u1")])),
    "format 3": written(np.zeros(3, np.uint8), (3, 0)),
    "a zip": zipped(),
    "a pickle": b"\x80\x04N.",
    "Fortran's order": with_header(HEADER.replace("False", "True")),
    "a sum": with_header(HEADER.replace("(3,)", "(1+2,)")),
    "a negative length": with_header(HEADER.replace("3", "-3")),
    "a long length": with_header(HEADER.replace("3", "3" * 5000)),
    "deep nesting": with_header("(" * 3000 + ")" * 3000),
    "a later version": b"\x93NUMPY\2\1" + with_header(HEADER)[8:],
    "half a header": with_header(HEADER)[:40],
    "a header of four gigabytes": b"\x93NUMPY\2\0" + b"\xff" * 4 + HEADER.encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_an_array_of_ids_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "f.npy").write_bytes(OTHERS[name])
    with pytest.raises(DamagedError, match=r"f\.npy is not an array of ids; build the data set"):
        read_ids(tmp_path / "f.npy")


@pytest.mark.parametrize("count", [0, 2, 4, 10**14])
def test_an_array_is_as_long_as_it_says(tmp_path: Path, count: int) -> None:
    assert with_header(HEADER)[:64] == written(np.zeros(3, np.uint8))[:64]
    (tmp_path / "f.npy").write_bytes(with_header(HEADER.replace("3", str(count))))
    with pytest.raises(DamagedError, match=rf"not the {count:,} ids that it declares"):
        read_ids(tmp_path / "f.npy")


def test_no_array_at_all(tmp_path: Path) -> None:
    with pytest.raises(PathError, match=r"cannot read .*f\.npy"):
        read_ids(tmp_path / "f.npy")
