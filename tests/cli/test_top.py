"""nplm top, and the options of generate that ask something of whole strings."""

import json
import re
from pathlib import Path

import pytest

from cli.conftest import Nplm
from nplm.cli import tally

GOLDEN = str(Path(__file__).parents[1] / "golden" / "signed.onnx")


def test_top_prints_nats_and_strings_in_order(nplm: "Nplm", home: Path) -> None:
    lines = nplm.ok("top", GOLDEN, "-n", "50").out.decode().splitlines()
    nats, texts = zip(*(line.split("\t") for line in lines), strict=True)
    assert len(set(texts)) == 50
    assert list(map(float, nats)) == sorted(map(float, nats))
    (home / "list.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    scores = nplm.ok("score", GOLDEN, home / "list.txt").out.decode().splitlines()
    assert [line.split("\t")[0] for line in scores] == list(nats)


def test_top_as_json(nplm: "Nplm") -> None:
    options = ("--match", "m.*a", "--length", "4-", "--format", "jsonl")
    lines = nplm.ok("top", GOLDEN, "-n", "12", *options).out.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["rank"] for row in rows] == list(range(1, 13))
    assert all(re.fullmatch("m.{2,}a", row["text"]) for row in rows)
    assert list(rows[0]) == ["rank", "nats", "nats_per_symbol", "text"]


def test_top_says_where_there_are_no_more(nplm: "Nplm", home: Path) -> None:
    done = nplm.ok("top", GOLDEN, "--match", "an|na", "-n", "5", "--out", home / "top.txt")
    assert "no more than 2" in done.err
    assert len((home / "top.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        (("--match", "ma.*"), "ma.*"),
        (("--ends-with", "na", "--contains", "i"), ".*i.*na|.*ina"),
        (("--length", "5"), ".{5}"),
        (("--length", "-3", "--prefix", "a"), "a.{0,2}"),
        (("--length", "9-", "--excluding", "list.txt"), ".{9,}"),
    ],
)
def test_generate_gives_what_is_asked_for(
    nplm: "Nplm", home: Path, options: tuple[str, ...], pattern: str
) -> None:
    (home / "list.txt").write_text("anna\n\n\u00e9\n", encoding="utf-8")
    done = nplm.ok("generate", GOLDEN, "-n", "30", *options)
    texts = done.out.decode().splitlines()
    assert len(texts) == 30
    assert all(re.fullmatch(pattern, text) for text in texts)
    assert re.search(r"of all are as asked for; [\d.]+% of attempts gave one", done.err)


def test_excluded_strings_are_drawn_again(nplm: "Nplm", home: Path) -> None:
    """Where a string counts, it is the one that is drawn without; else another comes."""
    before = nplm.ok("generate", GOLDEN, "-n", "40").out.decode().splitlines()
    (home / "list.txt").write_text("\n".join(before[::4]) + "\n", encoding="utf-8")
    after = nplm.ok("generate", GOLDEN, "-n", "40", "--excluding", home / "list.txt")
    texts = after.out.decode().splitlines()
    assert not set(texts) & set(before[::4])
    kept = [k for k, text in enumerate(before) if text not in set(before[::4])]
    assert [texts[k] for k in kept] == [before[k] for k in kept]


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--length", "12-4"), 2, "--length is 12 to 4; give the lesser number first"),
        (("--length", "x"), 2, "--length is 'x'; give 4-12, 4-, -12 or 8"),
        (("--match", "(a"), 2, "--match .* position 0"),
        (("--match", "a(?=b)"), 2, "--match has a look-ahead at position 1"),
        (("--match", "\u00e9"), 2, "--match asks for '\u00e9' at position 0"),
        (("--ends-with", "\u00e9"), 2, "--ends-with asks for '\u00e9'"),
        (("--match", "(a|b)*a(a|b){20}"), 2, "more than 10,000 states"),
        (("--prefix", "b", "--match", "a.*"), 7, "no string that begins with 'b'"),
        (("--match", "a{9}", "--max-length", "5"), 7, "the shortest has 9"),
        (("--cut", "--match", "a.*"), 2, "--cut keeps strings that are not as asked for"),
        (("--budget", "-1", "--match", "a"), 2, "--budget is -1"),
        (("--excluding", "none.txt"), 3, "none.txt"),
    ],
)
def test_what_is_malformed_is_told_in_one_line(
    nplm: "Nplm", options: tuple[str, ...], code: int, says: str
) -> None:
    done = nplm("generate", GOLDEN, *options)
    assert done.code == code
    assert done.out == b""
    assert re.search(says, done.err)
    assert len(done.err.splitlines()) == 1


def test_generate_foretells_what_takes_long(
    nplm: "Nplm", monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(tally, "KNOWN", 0.0)
    monkeypatch.setattr(tally, "LONG", 0.0)
    options = ("-n", "400", "--match", ".*a.*", "--out", home / "strings.txt")
    told = re.findall(
        r"^([\d.,]+) strings/s: about ([\d,]+) s more$",
        nplm.ok("generate", GOLDEN, *options).err,
        re.MULTILINE,
    )
    assert len(told) == 1
    assert float(told[0][0].replace(",", "")) > 0


@pytest.mark.parametrize("length", ["9" * 5000, f"4-{'9' * 5000}", "4--5", "a"])
def test_lengths_that_are_none(nplm: "Nplm", length: str) -> None:
    for command in ("top", "generate"):
        line = nplm.refuses(2, command, GOLDEN, "--length", length, says=("--length is",))
        assert len(line) < 300


def test_a_count_that_is_refused_is_not_told_its_memory(nplm: "Nplm") -> None:
    nplm.refuses(2, "top", GOLDEN, "-n", "20000000", says=("-n is 20000000",))


def test_lengths_that_contradict_each_other(nplm: "Nplm") -> None:
    options = ("--min-length", "9", "--length", "8")
    nplm.refuses(7, "generate", GOLDEN, *options, says=("--min-length 9 is above",))
