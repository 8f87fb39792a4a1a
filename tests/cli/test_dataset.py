"""`nplm dataset build` and `nplm dataset info`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nplm.text.datafolder import load

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

SPLITS = ("train", "val", "test")
LETTERS = "".join(f"{a}{b}\n" for a in "abcdef" for b in "uvwxyz").encode()


def digest(folder: Path) -> str:
    return str(json.loads((folder / "dataset.json").read_bytes())["sha256"])


def strings(folder: Path) -> list[str]:
    dataset = load(folder)
    return [line for split in SPLITS for line in dataset.texts(split)]


def test_build_makes_the_default_data_set(nplm: "Nplm", names_file: Path, names: list[str]) -> None:
    (nplm.cwd / "data").mkdir()
    (nplm.cwd / "data" / "names.txt").write_bytes(names_file.read_bytes())
    done = nplm.ok("dataset", "build")
    assert done.out == b""
    assert "1,105 strings" in done.err
    assert "27 symbols" in done.err
    assert done.err.endswith("next: nplm train\n")
    assert sorted(strings(nplm.cwd / "data" / "names")) == sorted(names)


def test_build_names_the_next_command_with_its_folder(nplm: "Nplm") -> None:
    done = nplm.ok("dataset", "build", "-", "--out", "my/list", stdin=LETTERS)
    assert "next: nplm train my/list" in done.err


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(nplm: "Nplm") -> None:
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        nplm.ok("dataset", "build", "-", "--out", out, "--seed", seed, stdin=LETTERS)
    assert digest(nplm.cwd / "a") == digest(nplm.cwd / "b") != digest(nplm.cwd / "c")


def test_line_ends_and_a_byte_order_mark_do_not_matter(nplm: "Nplm") -> None:
    windows = b"\xef\xbb\xbf" + LETTERS.replace(b"\n", b"\r\n")
    for out, content in (("a", LETTERS), ("b", windows), ("c", LETTERS.removesuffix(b"\n"))):
        nplm.ok("dataset", "build", "-", "--out", out, stdin=content)
    assert digest(nplm.cwd / "a") == digest(nplm.cwd / "b") == digest(nplm.cwd / "c")


def test_blank_lines_are_skipped_and_counted(nplm: "Nplm") -> None:
    done = nplm.ok("dataset", "build", "-", "--out", "a", stdin=b"\n" + LETTERS + b"\n\r\n")
    assert "36 strings" in done.err
    assert "3 blank lines" in done.err


def test_tabs_inner_spaces_and_full_stops_are_symbols(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "a", stdin=b"d. e\tf\nx.y\n")
    assert sorted(strings(nplm.cwd / "a")) == ["d. e\tf", "x.y"]
    described = nplm.ok("dataset", "info", "a", "--json").json
    assert {"\t", " ", "."} <= set(described["vocab_symbols"])
    assert described["vocab"] == 8 + 1


def test_text_is_composed_unless_told_otherwise(nplm: "Nplm") -> None:
    decomposed = "e\u0301\nae\u0301\n".encode()
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "a", stdin=decomposed)
    assert set(load(nplm.cwd / "a").vocab.symbols) == {"a", "\u00e9"}
    nplm.ok(
        *("dataset", "build", "-", "--split", "1,0,0", "--out", "b", "--normalize", "none"),
        stdin=decomposed,
    )
    assert set(load(nplm.cwd / "b").vocab.symbols) == {"a", "e", "\u0301"}


def test_copies_stay_together_are_dropped_or_are_split_as_lines(nplm: "Nplm") -> None:
    twice = LETTERS + LETTERS
    build = ("dataset", "build", "-", "--split", "0.5,0.25,0.25")
    for out, options in (("a", ()), ("b", ("--distinct",)), ("c", ("--split-by", "line"))):
        nplm.ok(*build, "--out", out, *options, stdin=twice)
    for out, sizes in (("a", (36, 18, 18)), ("b", (18, 9, 9)), ("c", (36, 18, 18))):
        assert tuple(load(nplm.cwd / out).strings(split) for split in SPLITS) == sizes
    for out, leaks in (("a", False), ("c", True)):
        dataset = load(nplm.cwd / out)
        train, val = (set(dataset.texts(split)) for split in ("train", "val"))
        assert bool(train & val) == leaks


def test_a_share_of_zero_leaves_a_split_empty(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "a", stdin=LETTERS)
    described = nplm.ok("dataset", "info", "a", "--json").json
    assert described["splits"]["val"] == {"strings": 0, "symbols": 0}
    assert described["block_sizes"][0]["val_unseen_share"] is None
    assert "train" in nplm.ok("dataset", "info", "a").out.decode()


@pytest.mark.usefixtures("home")
def test_info_as_json(nplm: "Nplm", names: list[str]) -> None:
    done = nplm.ok("dataset", "info", "--json")
    assert done.err == "using data/names\n"
    described = done.json
    assert described["strings"] == len(names)
    assert described["vocab"] == 27
    splits = [described["splits"][split] for split in SPLITS]
    assert sum(split["strings"] for split in splits) == len(names)
    assert sum(split["symbols"] for split in splits) == sum(len(name) + 1 for name in names)
    sizes = described["block_sizes"]
    assert [item["block_size"] for item in sizes] == list(range(1, 9))
    assert [item["rows_possible"] for item in sizes] == [27**k for k in range(1, 9)]
    floors = [item["floor_nats_per_symbol"] for item in sizes]
    assert floors == sorted(floors, reverse=True)
    for key in ("contexts_seen", "val_unseen_share"):
        values = [item[key] for item in sizes]
        assert values == sorted(values)


@pytest.mark.usefixtures("home")
def test_info_as_a_table(nplm: "Nplm") -> None:
    shown = nplm.ok("dataset", "info", "data/names").out.decode()
    for part in ("names: 27 symbols", "884", "abcdefghijklmnopqrstuvwxyz", "282,429,536,481"):
        assert part in shown


def test_info_shows_a_name_with_brackets(nplm: "Nplm", home: Path) -> None:
    (home / "data" / "names").rename(home / "data" / "[x]")
    assert "[x]: 27 symbols" in nplm.ok("dataset", "info", "data/[x]").out.decode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ("has no strings in it", "one string a line")),
        (b"\xef\xbb\xbf", ("has no strings in it",)),
        (b"\n\r\n\n", ("has no strings in it",)),
        (b"abc\nd\xffe\n", ("list.txt", "not UTF-8", "line 2, byte 2", "0xff", "convert")),
        (b"only\n", ("split would be empty", "1 strings", "--split 1,0,0")),
        (b"one\ntwo\n", ("split would be empty", "2 strings")),
    ],
    ids=["empty", "mark only", "blank", "not utf-8", "one string", "two strings"],
)
@pytest.mark.parametrize("stdin", [False, True], ids=["file", "stdin"])
def test_lists_that_cannot_be_used(
    nplm: "Nplm", content: bytes, says: tuple[str, ...], stdin: bool
) -> None:
    (nplm.cwd / "list.txt").write_bytes(content)
    if stdin:
        says = tuple(part.replace("list.txt", "stdin") for part in says)
        nplm.refuses(3, "dataset", "build", "-", "--out", "a", says=says, stdin=content)
    else:
        nplm.refuses(3, "dataset", "build", "list.txt", says=says)


@pytest.mark.parametrize(
    "split",
    ["", "1", "0.5,0.5", "0.8,0.1,0.2", "a,b,c", "-1,1,1", "0.8,0.1,0.1,0", "nan,0,0", "1/0,0,0"],
)
def test_shares_that_are_no_shares(nplm: "Nplm", split: str) -> None:
    says = (f"--split is {split};", "three")
    nplm.refuses(2, "dataset", "build", "-", "--split", split, says=says, stdin=LETTERS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--split", "0,0.5,0.5"), "must be above 0"),
        (("--split-by", "word"), "'string', 'line'"),
        (("--normalize", "nfkc"), "'nfc', 'none'"),
        (("--seed", "-1"), "seed is -1"),
        (("--seed", str(2**64)), "seed is 1844"),
    ],
)
def test_options_out_of_bounds(nplm: "Nplm", options: tuple[str, ...], says: str) -> None:
    nplm.refuses(2, "dataset", "build", "-", *options, says=(says,), stdin=LETTERS)


def test_without_a_list_it_says_which_file_it_wants(nplm: "Nplm") -> None:
    nplm.refuses(3, "dataset", "build", says=("data/names.txt", "nplm dataset build FILE"))


def test_a_list_that_is_not_there(nplm: "Nplm") -> None:
    nplm.refuses(3, "dataset", "build", "no.txt", says=("no.txt", "No such file"))
    nplm.refuses(3, "dataset", "build", ".", says=("Is a directory",))


def test_a_data_set_that_exists_is_replaced_with_force_only(nplm: "Nplm", home: Path) -> None:
    old = digest(home / "data" / "names")
    nplm.refuses(3, "dataset", "build", "--seed", "1", says=("data/names ", "--force", "--out"))
    nplm.ok("dataset", "build", "--seed", "1", "--force")
    assert digest(home / "data" / "names") != old
    assert sorted(path.name for path in (home / "data").iterdir()) == ["names", "names.txt"]


def test_a_broken_list_leaves_the_old_data_set(nplm: "Nplm", home: Path) -> None:
    (home / "data" / "names.txt").write_bytes(b"\xff\n")
    nplm.refuses(3, "dataset", "build", "--force", says=("line 1, byte 1",))


def test_force_never_replaces_the_list_itself(nplm: "Nplm") -> None:
    """The default output of a list without a suffix in data/ is that list."""
    (nplm.cwd / "data").mkdir()
    (nplm.cwd / "data" / "words").write_bytes(LETTERS)
    nplm.refuses(3, "dataset", "build", "data/words", says=("data/words already exists",))
    says = ("data/words is not a data set", "--out")
    nplm.refuses(3, "dataset", "build", "data/words", "--force", says=says)


@pytest.mark.usefixtures("home")
def test_force_never_replaces_a_folder_of_other_things(nplm: "Nplm") -> None:
    nplm.refuses(3, "dataset", "build", "--out", "data", says=("data already exists",))
    nplm.refuses(3, "dataset", "build", "--out", "data", "--force", says=("data",))


def test_an_output_that_cannot_be_written(nplm: "Nplm") -> None:
    (nplm.cwd / "file").touch()
    nplm.refuses(3, "dataset", "build", "-", "--out", "file/a", says=("file/a",), stdin=LETTERS)


def test_a_data_set_that_is_not_there(nplm: "Nplm") -> None:
    nplm.refuses(3, "dataset", "info", says=("no data set under data/", "nplm dataset build"))
    nplm.refuses(3, "dataset", "info", "no", says=("no data set in no", "nplm dataset build"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dataset.json", b"{"),
        ("dataset.json", b"[]"),
        ("dataset.json", b'{"format": 99}'),
        ("dataset.json", b'{"format": 1}'),
        ("val.npy", b""),
        ("val.npy", b"nothing"),
        ("val.npy", None),
    ],
)
def test_a_damaged_data_set(nplm: "Nplm", home: Path, name: str, content: bytes | None) -> None:
    path = home / "data" / "names" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    nplm.refuses(3, "dataset", "info", says=(f"data/names/{name}",))


def test_one_changed_byte_of_a_data_set(nplm: "Nplm", home: Path) -> None:
    path = home / "data" / "names" / "train.npy"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    nplm.refuses(3, "dataset", "info", says=("data/names", "build it again"))


def test_a_corpus_in_files_of_its_own(nplm: "Nplm") -> None:
    for name, text in (("a.txt", "the cat\nthe dog\n\nthe end\n"), ("b.txt", "the bird\n")):
        (nplm.cwd / name).write_text(text, encoding="utf-8")
    options = ("--level", "word", "--document", "stream", "--min-count", "2", "--count-on", "all")
    files = ("--train", "a.txt", "--val", "b.txt", "--test", "b.txt")
    done = nplm.ok("dataset", "build", *options, *files)
    told = "a stream of 5 lines, 4 symbols (2 words, the unknown one, the boundary), 1 blank line"
    assert told in done.err
    shown = nplm.ok("dataset", "info", "data/a").out.decode()
    assert "not in train" in shown
    facts = json.loads(nplm.ok("dataset", "info", "data/a", "--json").out)
    assert facts["unseen"] == {"train": 0, "val": 1, "test": 1}
    assert facts["unknown"] == {"train": 3, "val": 0, "test": 0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--val", "a.txt"), "--train is missing"),
        (("a.txt", "--train", "a.txt"), "FILE and --train contradict each other"),
        (("--train", "a.txt", "--seed", "3"), "--seed and --train contradict each other"),
        (("--train", "a.txt", "--split", "1,0,0"), "--split and --train contradict each other"),
        (("--train", "-", "--val", "-"), "- is given twice"),
        (("a.txt", "--document", "stream", "--split-by", "line"), "a stream is cut in the order"),
        (("a.txt", "--max-vocab", "1"), "--max-vocab is 1"),
    ],
)
def test_what_contradicts_itself(nplm: "Nplm", options: tuple[str, ...], says: str) -> None:
    (nplm.cwd / "a.txt").write_text("the cat\nthe dog\n", encoding="utf-8")
    nplm.refuses(2, "dataset", "build", *options, says=(says,))
