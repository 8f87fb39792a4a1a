"""What is stored is read from regular files of a bounded size, and refused unless it is plain."""

import json
import os
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nplm.errors import DamagedError, NotFoundError, PathError
from nplm.stored import (
    MAX_DEPTH,
    MAX_DOCUMENT,
    MAX_LINE,
    MAX_PARTS,
    MAX_SETTINGS,
    open_stored,
    read_json,
    read_stored,
    read_toml,
    shorten,
    stored_lines,
)
from nplm.transaction import as_json, write_bytes


def test_a_missing_file_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.json: No such file.*; make it"):
        read_stored(tmp_path / "gone.json", 9, "make it")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("make", [a_folder, a_pipe, a_socket, a_device])
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """Nobody ever writes into the pipe, and the device has no end."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    make(Path("f"))
    with pytest.raises(PathError, match=r"^(cannot read f: .+|f is not a regular file); check"):
        read_json(Path("f"))


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("f")
    assert read_stored(tmp_path / "link", 3) == b"abc"
    with open_stored(tmp_path / "link", 3) as file:
        assert file.read(2) == b"ab"


def test_a_file_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    """By what the system says, without reading; and by what comes, where that says nothing."""
    with (tmp_path / "f").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(DamagedError, match="has more than 16,777,216 bytes"):
        read_json(tmp_path / "f")
    if Path("/proc/self/status").exists():
        with pytest.raises(DamagedError, match="has more than 10 bytes"):
            read_stored(Path("/proc/self/status"), 10)


def test_a_failing_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with (
        pytest.raises(PathError, match=r"cannot read .*f: Input/output error"),
        open_stored(tmp_path / "f", 1),
    ):
        raise OSError(5, os.strerror(5))


def test_lines_come_with_their_ends_and_a_long_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    longest = b"x" * (MAX_LINE - 1) + b"\n"
    path.write_bytes(b"a\r\n\n" + longest + b"cut")
    assert list(stored_lines(path)) == [b"a\r\n", b"\n", longest, b"cut"]
    path.write_bytes(b"a\n" + b"x" + longest)
    lines = stored_lines(path)
    assert next(lines) == b"a\n"
    with pytest.raises(DamagedError, match="a line has more than 65,536 bytes"):
        next(lines)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("ab", max_size=2), inner),
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text("xyz", max_size=2), JSON))
def test_json_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_bytes(path, as_json(content))
    assert read_json(path) == content


def test_json_is_readable_utf8_that_ends_with_a_line_end(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f.json", as_json({"symbol": "é"}))
    assert (tmp_path / "f.json").read_bytes() == '{\n  "symbol": "é"\n}\n'.encode()


DEEP = MAX_DEPTH - 1  # lists in the object at the top


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": "\xff"}', "can't decode byte 0xff"),
        ('{"a": 1}'.encode("utf-16"), "can't decode byte"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b"[1]", "a JSON object"),
        (b"null", "a JSON object"),
        (b'"{}"', "a JSON object"),
        (b'{"a": NaN}', "NaN is not a finite number"),
        (b'{"a": [{"b": -Infinity}]}', "-Infinity is not a finite number"),
        (b'{"a": 1e999}', "inf is not a finite number"),
        (b'{"a": 18446744073709551616}', "more than 64 bits"),
        (b'{"a": -9223372036854775809}', "more than 64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "[Ee]xceeds the limit"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
        (b'{"a": 1, "b": {"c": 1, "d": 2, "c": 1}}', "the key 'c' stands twice"),
        (b'{"a": ' + b"[" * (DEEP + 1) + b"]" * (DEEP + 1) + b"}", "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_json_that_is_not_plain_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=rf"f\.json is not .*{reason}"):
        read_json(path)


def test_what_is_just_within_the_limits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    lists = b"[" * DEEP + b"1" + b"]" * DEEP
    path.write_bytes(b'{"a": 18446744073709551615, "b": -9223372036854775808}')
    assert read_json(path) == {"a": 2**64 - 1, "b": -(2**63)}
    path.write_bytes(b'{"a": ' + lists[1:-1] + b"}")
    assert read_json(path)["a"] == json.loads(lists[1:-1])
    path.write_bytes(b"{" + b" " * (MAX_DOCUMENT - 2) + b"}")
    assert read_json(path) == {}
    (tmp_path / "f.toml").write_bytes(b"#" * (MAX_SETTINGS - 4) + b"\na=1")
    assert read_toml(tmp_path / "f.toml") == {"a": 1}


def test_toml_is_read(tmp_path: Path) -> None:
    text = f'steps = 7\n# {"." * 99}\n[model]\nname = "é{"../" * 99}"\n'
    (tmp_path / "f.toml").write_bytes(text.encode())
    assert read_toml(tmp_path / "f.toml") == tomllib.loads(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a = 1\nb = \n", "line 2"),
        (b"a = 1\na = 2\n", "line 2"),
        (b'a = "\xff"\n', "can't decode byte 0xff"),
        (b"a = nan\n", "nan is not a finite number"),
        (b"a = [-inf]\n", "-inf is not a finite number"),
        (b"a = 1e999\n", "inf is not a finite number"),
        (b"a = 0x" + b"f" * 5000, "more than 64 bits"),
        (b"a = " + b"9" * 5000, "[Ee]xceeds the limit"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"a = " + b"{a=" * 5000 + b"1" + b"}" * 5000, "nested too deeply"),
        (b"x = 1\n" + b"a." * MAX_PARTS + b"a.a = 1", "16 parts .at line 2"),
        (b"[" + b"a." * 30_000 + b"a]", "16 parts .at line 1"),
        (b'"#".' + b"a." * 30_000 + b"a = 1", "16 parts .at line 1"),
        (b"'='." + b"a ." * 20_000 + b"a = 1", "16 parts .at line 1"),
        (b'[["]".' + b'"a".' * 15_000 + b"a]]", "16 parts .at line 1"),
        (b"x = [1,\n{" + b"a." * 30_000 + b"a = 1}]", "16 parts .at line 2"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_toml_that_is_not_plain_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "f.toml").write_bytes(content)
    with pytest.raises(DamagedError, match=rf"f\.toml is not valid TOML: .*{reason}"):
        read_toml(tmp_path / "f.toml")


def test_what_is_long_is_cut_for_a_message() -> None:
    assert shorten("x" * 120) == "x" * 120
    assert shorten("x" * 121) == "x" * 59 + "…" + "x" * 60
