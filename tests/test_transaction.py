"""Outputs are whole or not there, and take no place that is not theirs."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nplm import renames, transaction, turns
from nplm.errors import ExistsError, InUseError, PathError
from nplm.occupied import refuse_existing
from nplm.outputfolder import output_folder, replace_folder
from nplm.temporaries import aside_for, claim, claimed, remove, remove_stale, temporary_for
from nplm.together import write_together
from nplm.transaction import append, named, output_file, write_bytes

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def inside(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def contents(folder: Path) -> dict[str, bytes]:
    return {p: (folder / p).read_bytes() for p in inside(folder) if (folder / p).is_file()}


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


@pytest.fixture(params=["renameat2", "link", "neither"])
def every_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the call of Linux, without it, and on a file system that has no hard links either."""
    if request.param != "renameat2":
        monkeypatch.setattr(renames, "_renameat2", lambda: None)
    if request.param == "neither":

        def refuse(*_: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    return str(request.param)


def fill(path: Path, *, force: bool, error: BaseException | None = None) -> None:
    with output_folder(path, force=force) as folder:
        with folder.file("new.txt") as file:
            file.write(b"new")
        if error:
            raise error


def test_what_exists_is_refused(old_file: Path, old_folder: Path, tmp_path: Path) -> None:
    for path in (old_file, old_folder):
        with pytest.raises(ExistsError, match=r"already exists; .*`force=True`") as caught:
            refuse_existing(path, force=False)
        assert caught.value.path == path
    refuse_existing(old_file, force=True)
    with pytest.raises(ExistsError, match="is a folder"):
        refuse_existing(old_folder, force=True)
    refuse_existing(tmp_path / "new", force=False)


@pytest.mark.usefixtures("every_system")
def test_a_file_takes_its_place_at_the_end(old_file: Path) -> None:
    with output_file(old_file, force=True) as file:
        file.write(b"new")
        file.flush()
        assert old_file.read_bytes() == b"old"
    assert contents(old_file.parent) == {"f.bin": b"new"}
    write_bytes(old_file.parent / "a" / "b", b"deep", force=False)
    assert contents(old_file.parent) == {"f.bin": b"new", "a/b": b"deep"}


@pytest.mark.usefixtures("every_system")
def test_a_place_that_was_taken_meanwhile_is_not_ours(tmp_path: Path) -> None:
    """Of two writers one fails, also where both found nothing when they began."""

    def write_late(path: Path) -> None:
        with output_file(path, force=False) as file:
            file.write(b"second")
            path.write_bytes(b"first")

    def fill_late(path: Path) -> None:
        with output_folder(path, force=False):
            path.mkdir()

    with pytest.raises(ExistsError, match="already exists"):
        write_late(tmp_path / "f")
    with pytest.raises(ExistsError, match="already exists"):
        fill_late(tmp_path / "d")
    assert contents(tmp_path) == {"f": b"first"}
    (tmp_path / "pair.json").write_bytes(b"first")
    with pytest.raises(ExistsError, match=r"pair\.json already exists"):
        write_together({tmp_path / "pair": b"1", tmp_path / "pair.json": b"2"}, force=False)
    assert contents(tmp_path) == {"f": b"first", "pair.json": b"first"}


@pytest.mark.usefixtures("every_system")
def test_a_folder_takes_its_place_whole(old_folder: Path) -> None:
    fill(old_folder, force=True)
    assert contents(old_folder.parent) == {"d/new.txt": b"new"}
    fill(old_folder.parent / "a" / "b", force=False)
    assert inside(old_folder.parent) == ["a", "a/b", "a/b/new.txt", "d", "d/new.txt"]


@pytest.mark.usefixtures("every_system")
def test_two_folders_change_places(old_folder: Path, tmp_path: Path) -> None:
    fill(tmp_path / "d.new", force=False)
    replace_folder(tmp_path / "d.new", old_folder)
    assert contents(tmp_path) == {"d/new.txt": b"new", "d.new/old.txt": b"old"}
    replace_folder(tmp_path / "d.new", tmp_path / "free")
    assert contents(tmp_path) == {"d/new.txt": b"new", "free/old.txt": b"old"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1), FULL])
def test_a_raising_body_leaves_what_was_there(
    old_file: Path, old_folder: Path, error: BaseException
) -> None:
    """And its error is its own: what it reads may fail, too, and is not what is written."""

    def write(path: Path) -> None:
        with output_file(path, force=True) as file:
            file.write(b"half of the ne")
            raise error

    with pytest.raises(type(error)) as caught:
        write(old_file)
    assert caught.value is error
    with pytest.raises(type(error)):
        fill(old_folder, force=True, error=error)
    assert contents(old_file.parent) == {"f.bin": b"old", "d/old.txt": b"old"}
    assert inside(old_file.parent) == ["d", "d/old.txt", "f.bin"]


class Failing:
    """Calls of `os` that fail from the n-th on, counted together."""

    def __init__(self, patch: pytest.MonkeyPatch, after: int, error: BaseException) -> None:
        self.calls, self.after, self.error = 0, after, error
        for name in ("fsync", "rename", "replace", "link", "unlink", "mkdir"):
            patch.setattr(os, name, self.counted(getattr(os, name)))
        patch.setattr(renames, "_renamed", self.counted(renames._renamed))

    def counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **options: object) -> object:
            self.calls += 1
            if self.calls == self.after:
                raise self.error
            return call(*arguments, **options)

        return wrapped


def write_pair(folder: Path) -> None:
    write_together({folder / "m": b"new", folder / "m.json": b"new too"})


def write_folder(folder: Path) -> None:
    fill(folder / "d", force=True)


def write_one(folder: Path) -> None:
    write_bytes(folder / "m", b"new")


@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()])
@pytest.mark.parametrize("write", [write_one, write_pair, write_folder])
@pytest.mark.usefixtures("every_system")
def test_a_failure_at_any_call_leaves_all_of_the_old_or_all_of_the_new(
    tmp_path: Path, write: Callable[[Path], None], error: BaseException
) -> None:
    """Of a pair, too, and of folders that are exchanged by way of a third name."""
    results, failed, point = [], True, 0
    while failed:
        point += 1
        folder = tmp_path / str(point)
        (folder / "d").mkdir(parents=True)
        for name in ("m", "m.json", "d/x"):
            (folder / name).write_bytes(b"old")
        before = contents(folder)
        with pytest.MonkeyPatch.context() as patch:
            calls = Failing(patch, point, error)
            with suppress(PathError, KeyboardInterrupt):
                write(folder)
            failed = calls.calls >= point
        # What a failed removal leaves is the next process's to remove.
        results.append({k: v for k, v in contents(folder).items() if not k.startswith(".")})
    assert point > 3
    assert all(result in (before, results[-1]) for result in results), results
    assert before in results[:-1]
    assert before != results[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_between_the_renames_of_a_pair_waits(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the pair is being put back: a second Ctrl-C does not leave half of it."""
    for name in ("m", "m.json"):
        (tmp_path / name).write_bytes(b"old")
    seen: list[int] = []
    before = signal.signal(number, lambda *_: seen.append(len(seen)))
    replace = os.replace

    def interrupted(source: Path, target: Path, **options: int | None) -> None:
        signal.raise_signal(number)
        assert seen == []
        if str(target).endswith("m.json") and not calls:
            calls.append(target)
            raise FULL
        replace(source, target, **options)

    calls: list[Path] = []
    monkeypatch.setattr(os, "replace", interrupted)
    try:
        with pytest.raises(PathError, match="No space"):
            write_pair(tmp_path)
        assert seen == [0]
        assert signal.getsignal(number) is not before
    finally:
        signal.signal(number, before)
    assert contents(tmp_path) == {"m": b"old", "m.json": b"old"}


def test_an_ignored_signal_stays_ignored(old_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As SIGHUP is under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    replace = os.replace

    def hung_up(*arguments: Path, **options: int | None) -> None:
        signal.raise_signal(signal.SIGHUP)
        replace(*arguments, **options)

    monkeypatch.setattr(os, "replace", hung_up)
    try:
        write_bytes(old_file, b"new")
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert old_file.read_bytes() == b"new"


def test_threads_write_too(tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=write_bytes, args=(tmp_path / "f", bytes([k]))) for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside(tmp_path) == ["f"]


def test_a_link_is_followed_and_stays(old_file: Path, old_folder: Path, tmp_path: Path) -> None:
    for name, place in (("lf", old_file), ("ld", old_folder), ("to-nothing", tmp_path / "new")):
        (tmp_path / name).symlink_to(place)
    with pytest.raises(ExistsError):
        write_bytes(tmp_path / "lf", b"new", force=False)
    write_bytes(tmp_path / "lf", b"new")
    write_bytes(tmp_path / "to-nothing", b"new", force=False)
    fill(tmp_path / "ld", force=True)
    assert all((tmp_path / name).is_symlink() for name in ("lf", "ld", "to-nothing"))
    assert contents(tmp_path)["f.bin"] == b"new"
    assert contents(tmp_path)["new"] == b"new"
    assert inside(old_folder) == ["new.txt"]


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("l")
    for force in (False, True):
        with pytest.raises(PathError, match="symbolic link to itself"):
            write_bytes(tmp_path / "l", b"new", force=force)
    assert (tmp_path / "l").is_symlink()


def test_what_cannot_be_written_is_named(old_file: Path, old_folder: Path) -> None:
    for write in (lambda p: write_bytes(p, b""), lambda p: append(p, b"", "cure"), write_folder):
        with pytest.raises(PathError, match=r"cannot write .*below"):
            write(old_file / "below")
    with pytest.raises(PathError, match="cannot write"):
        write_bytes(old_folder, b"new")
    assert contents(old_file.parent) == {"f.bin": b"old", "d/old.txt": b"old"}


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    for name in ("n" * 255, "é" * 127):
        write_bytes(tmp_path / name, b"new")
        write_bytes(tmp_path / name, b"newer")
    assert set(contents(tmp_path).values()) == {b"newer"}


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write_bytes(tmp_path / "f", b"")
    fill(tmp_path / "d", force=False)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("f", "d", "d/new.txt")]
    assert modes == [0o640, 0o750, 0o640]


def dead_process(folder: Path) -> str:
    """The end of a temporary name that a process gave which has ended."""
    code = "import sys; from nplm.temporaries import *; print(temporary_for(Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, folder / "f"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip()).name.removeprefix(".f.").removesuffix(".tmp")


def test_what_a_dead_process_left_is_removed_or_put_back(tmp_path: Path) -> None:
    dead = dead_process(tmp_path)
    other_machine = f"{int(dead[:8], 16) ^ 1:08x}{dead[8:]}"
    stays = {
        temporary_for(tmp_path / "mine").name: b"",
        aside_for(tmp_path / "mine").name: b"",
        f".f.{other_machine}.tmp": b"",
        f".f.{dead}.tmp.txt": b"",
        "f": b"old",
    }
    for name in (*stays, f".gone.{dead}.old"):
        (tmp_path / name).write_bytes(stays.get(name, b"back"))
    (tmp_path / f".f.{dead}.old").write_bytes(b"older")
    (tmp_path / f".d.{dead}.tmp" / "deep").mkdir(parents=True)
    (tmp_path / f".l.{dead}.tmp").symlink_to(tmp_path / "f")
    remove_stale(tmp_path)
    assert contents(tmp_path) == {**stays, "gone": b"back"}
    assert inside(tmp_path) == sorted([*stays, "gone"])


@pytest.mark.parametrize("kind", ["put", "add"])
@pytest.mark.parametrize("moved", [0, 1, 2])
def test_files_that_belong_together_are_finished_after_a_kill(
    tmp_path: Path, kind: str, moved: int
) -> None:
    """The kill came when so many of them had taken their places."""
    together = tmp_path / f".m.{dead_process(tmp_path)}.{kind}"
    together.mkdir()
    for place, name in enumerate(("m", "m.json")):
        (tmp_path / name if place < moved else together / name).write_bytes(b"new")
        if kind == "put" and place == moved == 0:
            (tmp_path / name).write_bytes(b"old")
    remove_stale(tmp_path)
    assert contents(tmp_path) == {"m": b"new", "m.json": b"new"}
    assert inside(tmp_path) == ["m", "m.json"]


def test_what_took_a_place_after_a_kill_stays(tmp_path: Path) -> None:
    """Where the pair was to be new: then none of it is put beside what is not ours."""
    together = tmp_path / f".m.{dead_process(tmp_path)}.add"
    together.mkdir()
    for name in ("m", "m.json"):
        (together / name).write_bytes(b"new")
    (tmp_path / "m.json").write_bytes(b"of somebody")
    remove_stale(tmp_path)
    assert contents(tmp_path) == {"m.json": b"of somebody"}


def test_what_is_being_written_elsewhere_is_not_stale(tmp_path: Path) -> None:
    """As by a container that has the folder and the machine's name, but processes of its own."""
    dead = dead_process(tmp_path)
    (tmp_path / f".d.{dead}.tmp").mkdir()
    (tmp_path / f".f.{dead}.tmp").touch()
    with (tmp_path / f".f.{dead}.tmp").open("wb") as file, claimed(tmp_path / f".d.{dead}.tmp"):
        claim(file.fileno())
        remove_stale(tmp_path)
        assert inside(tmp_path) == sorted([f".d.{dead}.tmp", f".f.{dead}.tmp"])
    remove_stale(tmp_path)
    assert inside(tmp_path) == []


def test_a_file_is_claimed_while_it_is_written(tmp_path: Path) -> None:
    def descriptors() -> list[Path]:
        return [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]

    with output_file(tmp_path / "f") as file:
        file.write(b"new")
        (found,) = descriptors()
        with found.open("rb") as again, pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with output_folder(tmp_path / "d", force=False):
        (found,) = descriptors()
        again = os.open(found, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(again)


def test_a_folder_that_others_hold_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST_WAIT", 0.05)
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(InUseError, match="is locked by another program"):
        write_bytes(tmp_path / "f", b"new")
    os.close(held)
    write_bytes(tmp_path / "f", b"new")
    assert inside(tmp_path) == ["f"]


def test_who_may_read_what_is_replaced(tmp_path: Path) -> None:
    for name in ("f", "m", "m.json"):
        (tmp_path / name).touch(mode=0o600)
    write_bytes(tmp_path / "f", b"new")
    write_together({tmp_path / "m": b"new", tmp_path / "m.json": b"new"})
    for name in ("f", "m", "m.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_place_without_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    for path in (".", "a/..", ""):
        assert named(Path(path)) == tmp_path
        with pytest.raises(PathError, match="cannot write"):
            write_bytes(Path(path), b"new")
    with pytest.raises(PathError, match="nothing can stand beside /"):
        write_bytes(Path("/"), b"new")
    fill(Path("a/../b"), force=False)
    assert inside(tmp_path) == ["a", "b", "b/new.txt"]


def test_a_signal_during_the_clean_up_waits_for_it(
    tmp_path: Path, old_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    def removing(path: Path) -> None:
        signal.raise_signal(signal.SIGTERM)
        remove(path)

    before = signal.signal(signal.SIGTERM, end)
    monkeypatch.setattr(transaction, "remove", removing)
    try:
        with pytest.raises(KeyboardInterrupt):
            fill(old_folder, force=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert inside(tmp_path) == ["d", "d/new.txt"]


def test_a_signal_at_the_beginning_of_the_clean_up(
    tmp_path: Path, old_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def interrupted(outputs: list[transaction.Staged]) -> None:
        calls.append(outputs)
        if len(calls) == 1:
            raise KeyboardInterrupt
        clean_up(outputs)

    clean_up = transaction._clean_up
    monkeypatch.setattr(transaction, "_clean_up", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fill(old_folder, force=True)
    assert inside(tmp_path) == ["d", "d/new.txt"]


@pytest.mark.parametrize("late", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_handlers_are_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """It comes when its own handler is back: the others are put back all the same."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = [signal.signal(number, end) for number in numbers]
    real, calls = signal.signal, []

    def put_back(number: int, handler: object) -> object:
        result = real(number, handler)  # type: ignore[arg-type]
        calls.append(number)
        if calls.count(number) == 2 and number == late:
            os.kill(os.getpid(), late)
        return result

    monkeypatch.setattr(signal, "signal", put_back)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_bytes(tmp_path / "f", b"new")
        assert [signal.getsignal(number) for number in numbers] == [end] * 3
    finally:
        for number, handler in zip(numbers, before, strict=True):
            real(number, handler)


def test_the_number_of_a_dead_process_may_be_ours(tmp_path: Path) -> None:
    """In a container every life of a command may have the same one."""
    name = temporary_for(tmp_path / "f").name
    other = name[:-12] + f"{int(name[-12:-4], 16) ^ 1:08x}.tmp"
    for path in (name, other):
        (tmp_path / path).touch()
    write_bytes(tmp_path / "g", b"")
    assert inside(tmp_path) == sorted([name, "g"])


def test_what_takes_a_place_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its number in the file system, which a new name does not change."""
    real, synced = os.fsync, set[int]()

    def note(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_bytes(tmp_path / "one", b"1")
    write_together({tmp_path / "two": b"2", tmp_path / "three": b"3"})
    with output_folder(tmp_path / "folder", force=False) as folder, folder.file("four") as file:
        file.write(b"4")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {path.stat().st_ino for path in files} <= synced
