"""Files are whole or not there."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.errors import ExistsError, NotFoundError, PathError
from nplm.files import (
    atomic_folder,
    atomic_writer,
    read_bytes,
    refuse_existing,
    sha256,
    write_bytes,
)

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def inside(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "f.bin"
    path.write_bytes(b"old")
    return path


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    path = tmp_path / "d"
    path.mkdir()
    (path / "old.txt").write_bytes(b"old")
    return path


def write_then_raise(path: Path, error: BaseException) -> None:
    with atomic_writer(path) as file:
        file.write(b"half of the ne")
        raise error


def fill_then_raise(path: Path, error: BaseException) -> None:
    with atomic_folder(path) as scratch:
        (scratch / "new.txt").write_bytes(b"half of the ne")
        raise error


def test_an_existing_file_is_refused(old_file: Path) -> None:
    with pytest.raises(ExistsError, match=r"f\.bin already exists; .*`force=True`") as caught:
        refuse_existing(old_file, force=False)
    assert caught.value.path == old_file


def test_an_existing_folder_is_refused(old_folder: Path) -> None:
    with pytest.raises(ExistsError, match="already exists"):
        refuse_existing(old_folder, force=False)


def test_force_and_new_paths_are_not_refused(old_file: Path, tmp_path: Path) -> None:
    refuse_existing(old_file, force=True)
    refuse_existing(tmp_path / "new", force=False)


def test_atomic_writer_replaces_the_file(old_file: Path) -> None:
    with atomic_writer(old_file) as file:
        file.write(b"new")
        assert old_file.read_bytes() == b"old"
    assert old_file.read_bytes() == b"new"
    assert inside(old_file.parent) == ["f.bin"]


def test_atomic_writer_makes_the_folders_above(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "c", b"new")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_raising_body_leaves_the_old_file(old_file: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        write_then_raise(old_file, error)
    assert old_file.read_bytes() == b"old"
    assert inside(old_file.parent) == ["f.bin"]


def test_a_full_disk_is_a_data_error_and_leaves_the_old_file(old_file: Path) -> None:
    with pytest.raises(PathError, match=r"f\.bin: No space left"):
        write_then_raise(old_file, FULL)
    assert old_file.read_bytes() == b"old"
    assert inside(old_file.parent) == ["f.bin"]


def test_a_failed_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(PathError):
        write_then_raise(tmp_path / "new", FULL)
    assert inside(tmp_path) == []


def test_a_failing_fsync_leaves_the_old_file(
    old_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(PathError):
        write_bytes(old_file, b"new")
    assert old_file.read_bytes() == b"old"
    assert inside(old_file.parent) == ["f.bin"]


def test_a_closed_pipe_is_not_a_data_error(old_file: Path) -> None:
    with pytest.raises(BrokenPipeError):
        write_then_raise(old_file, BrokenPipeError())
    assert inside(old_file.parent) == ["f.bin"]


def test_a_path_below_a_file_is_a_data_error(old_file: Path) -> None:
    with pytest.raises(PathError, match="cannot write"):
        write_bytes(old_file / "below", b"new")
    assert old_file.read_bytes() == b"old"


def test_a_folder_is_not_replaced_by_a_file(old_folder: Path) -> None:
    with pytest.raises(PathError, match="cannot write"):
        write_bytes(old_folder, b"new")
    assert inside(old_folder.parent) == ["d", "d/old.txt"]


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640
    assert os.umask(0o027) == 0o027


def test_atomic_folder_replaces_the_whole_folder(old_folder: Path) -> None:
    with atomic_folder(old_folder) as scratch:
        (scratch / "new.txt").write_bytes(b"new")
        assert (old_folder / "old.txt").exists()
    assert inside(old_folder.parent) == ["d", "d/new.txt"]


def test_atomic_folder_makes_a_new_one_and_those_above(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "b") as scratch:
        (scratch / "new.txt").write_bytes(b"new")
    assert inside(tmp_path) == ["a", "a/b", "a/b/new.txt"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_raising_body_leaves_the_old_folder(old_folder: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        fill_then_raise(old_folder, error)
    assert inside(old_folder.parent) == ["d", "d/old.txt"]


def test_a_full_disk_leaves_the_old_folder(old_folder: Path) -> None:
    with pytest.raises(PathError, match="No space left"):
        fill_then_raise(old_folder, FULL)
    assert inside(old_folder.parent) == ["d", "d/old.txt"]


def failing_second_rename(error: BaseException) -> Callable[[Path, Path], Path]:
    """A Path.replace that moves the old folder away and fails to move the new one in."""
    rename, calls = Path.replace, []

    def replace(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise error
        return rename(self, target)

    return replace


@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
def test_a_stop_between_the_two_renames_leaves_the_old_folder(
    old_folder: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "replace", failing_second_rename(error))
    with pytest.raises((PathError, KeyboardInterrupt)), atomic_folder(old_folder) as scratch:
        (scratch / "new.txt").write_bytes(b"new")
    assert inside(old_folder.parent) == ["d", "d/old.txt"]


def test_a_folder_below_a_file_is_a_data_error(old_file: Path) -> None:
    with pytest.raises(PathError, match="cannot write"), atomic_folder(old_file / "below"):
        pass


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
