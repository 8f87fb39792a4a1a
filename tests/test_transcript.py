"""Documents with commands and output: read, written anew, and compared with what is printed now."""

import subprocess
from pathlib import Path

import pytest

from transcript import ROOT, Entry, entries, lines_of, rewritten, run
from transcriptdiff import differences, masked

DOCUMENT = """Text, and a block of something else:

    $ not a command

```console
$ one | two
a  b

c
$ three \\
    --four
```

```
$ neither
```

```console
$ five
d
```
"""
TRAIN = [
    "3,481 parameters, 6,516 distinct contexts, on cpu",
    "train 2.6995 (floor 2.0244), val 2.7011 nats per symbol at step 4,000, 8.0 s of steps",
    "run: checkpoints/mini",
    *(f"  {name}" for name in ("ahan", "mauzo", "", "oiun")),
    "next: nplm export onnx checkpoints/mini",
]
SWEEP = [
    "┏━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━┳━━━━━━━━━┓",
    "┃ learning-rate ┃     val ┃  step ┃ seconds ┃",
    "┡━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━╇━━━━━━━━━┩",
    "│           0.1 │  3.1065 │ 1,000 │     1.2 │",
    "│        0.0001 │ 15.4104 │ 1,000 │     1.6 │",
    "└───────────────┴─────────┴───────┴─────────┘",
    " val in nats per symbol, seconds of training",
    "                    steps",
]
EXPORT = ["x.onnx: 143,323 bytes; 6,516 contexts within 1.4e-05, 1,000 strings equal"]
EVAL = [
    "┃ model                            ┃ val nats/symbol ┃",
    "│ best n-gram (7-gram, Kneser-Ney) │          2.3243 │",
    "│ this network                     │          2.5709 │",
    "val: 3.7090 bits per symbol, perplexity 13.077, 15,990 symbols in 2,210 strings",
]
NAMES = ["aide", "lawvikah", "far", "matla"]
COMMANDS = {
    id(TRAIN): "nplm train data/lesson",
    id(SWEEP): "nplm sweep data/lesson",
    id(EXPORT): "nplm export onnx",
    id(EVAL): "nplm eval run",
}


def test_commands_and_what_stands_below_them() -> None:
    assert list(entries(DOCUMENT)) == [
        Entry("one | two", ["a  b", "", "c"]),
        Entry("three \\\n    --four", []),
        Entry("five", ["d"]),
    ]


def test_a_document_written_with_its_own_output_is_itself() -> None:
    lesson = (ROOT / "docs" / "lesson.md").read_text(encoding="utf-8")
    for text in (DOCUMENT, lesson):
        printed = {entry.command: entry.printed for entry in entries(text)}
        assert rewritten(text, lambda command: printed[command]) == text  # noqa: B023


def test_new_output_takes_the_place_of_the_old() -> None:
    text = rewritten(DOCUMENT, lambda command: [command[:3], "x\\1"])
    assert text == DOCUMENT.replace("a  b\n\nc\n", "one\nx\\1\n").replace(
        "    --four\n", "    --four\nthr\nx\\1\n"
    ).replace("five\nd\n", "five\nfiv\nx\\1\n")


def test_a_command_is_run_in_its_folder_and_both_streams_are_kept(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    assert run("ls; echo 'b  ' >&2; echo; echo $COLUMNS", tmp_path) == ["here", "b", "", "100"]
    assert run("true", tmp_path) == lines_of(b"") == []
    for command in ("false", "false | true"):
        with pytest.raises(subprocess.CalledProcessError):
            run(command, tmp_path)


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("nplm train data/lesson", TRAIN),
        ("nplm sweep data/lesson", SWEEP),
        ("nplm export onnx", EXPORT),
        ("nplm eval run", EVAL),
        ("nplm generate x.onnx", NAMES),
        ("head -n 4 data/names.txt", NAMES),
    ],
)
def test_a_word_a_line_or_a_column_more_or_less_is_a_difference(
    command: str, lines: list[str]
) -> None:
    assert differences(command, lines, lines) == []
    for k in range(len(lines)):
        fewer, twice = lines[:k] + lines[k + 1 :], [*lines[: k + 1], *lines[k:]]
        for other in (fewer, twice):
            assert masked(command, other) != masked(command, lines)
            assert differences(command, lines, other)
    columns = [line.replace("┃", "┃ new ┃", 1).replace("│", "│ 1 │", 1) for line in SWEEP]
    assert masked("nplm sweep", columns) != masked("nplm sweep", SWEEP)


@pytest.mark.parametrize(
    ("command", "lines", "old", "new"),
    [
        ("nplm train x", TRAIN, "distinct", "different"),
        ("nplm train x", TRAIN, "on cpu", "on cuda"),
        ("nplm train x", TRAIN, "run: checkpoints/mini", "run: checkpoints/maxi"),
        ("nplm train x", TRAIN, "val 2.7011", "val -"),
        ("nplm train x", TRAIN, "8.0 s of steps", "8.0 s"),
        ("nplm sweep x", SWEEP, "seconds of", "hours of"),
        ("nplm sweep x", SWEEP, "15.4104", "diverged"),
        ("nplm sweep x", SWEEP, "val ┃", "test ┃"),
        ("head x", NAMES, "aide", "aida"),
    ],
)
def test_a_word_that_changes_is_a_difference(
    command: str, lines: list[str], old: str, new: str
) -> None:
    other = [line.replace(old, new) for line in lines]
    assert other != lines
    assert masked(command, other) != masked(command, lines)
    assert any(new.rsplit(maxsplit=1)[-1] in line for line in differences(command, lines, other))


@pytest.mark.parametrize(
    ("lines", "old", "new"),
    [
        (TRAIN, "2.7011", "2.7400"),
        (TRAIN, "8.0 s", "123.4 s"),
        (TRAIN, "step 4,000", "step 5,000"),
        (TRAIN, "ahan", "amnesia"),
        (SWEEP, "3.1065", "3.0665"),
        (SWEEP, "15.4104", "85.3991"),
        (SWEEP, "1,000", "900"),
        (SWEEP, "1.6", "9.9"),
        (EXPORT, "143,323", "141,000"),
        (EXPORT, "1.4e-05", "9e-06"),
        (EVAL, "2.3243", "2.3244"),
        (EVAL, "2.5709", "2.5643"),
        (EVAL, "3.7090", "3.7590"),
        (EVAL, "13.077", "12.653"),
    ],
)
def test_what_the_machine_explains_is_none(lines: list[str], old: str, new: str) -> None:
    other = [line.replace(old, new) for line in lines]
    assert other != lines
    assert differences(COMMANDS[id(lines)], lines, other) == []


@pytest.mark.parametrize(
    ("lines", "old", "new"),
    [
        (TRAIN, "2.7011", "2.7611"),
        (TRAIN, "2.7011", "3.5011"),
        (TRAIN, "2.0244", "2.0246"),
        (TRAIN, "3,481", "3,482"),
        (SWEEP, "3.1065", "3.1765"),
        (SWEEP, "15.4104", "3.1104"),
        (SWEEP, "0.0001", "0.001"),
        (EXPORT, "143,323", "163,323"),
        (EXPORT, "1.4e-05", "2.4e-04"),
        (EXPORT, "1,000 strings", "999 strings"),
        (EVAL, "2.3243", "2.3245"),
        (EVAL, "7-gram", "6-gram"),
        (EVAL, "2.5709", "2.5109"),
        (EVAL, "3.7090", "3.7990"),
        (EVAL, "13.077", "13.877"),
        (EVAL, "15,990", "15,991"),
    ],
)
def test_a_figure_that_is_not_near_is_one_and_only_there(
    lines: list[str], old: str, new: str
) -> None:
    other = [line.replace(old, new) for line in lines]
    command = COMMANDS[id(lines)]
    assert masked(command, other) == masked(command, lines)
    before, now = (text.split()[0].removesuffix("-gram") for text in (old, new))
    (said,) = differences(command, lines, other)
    assert said.startswith(f"{before} is now {now} in: ")


def test_most_strings_of_a_model_begin_as_they_did() -> None:
    ends, begins = ["aia", "lon", "xor", "yul"], ["aia", "xan", "yul", "zoe"]
    assert differences("nplm generate m", NAMES, ends) == []
    assert differences("nplm generate m", NAMES, begins) == [
        *("'lawvikah' is now 'xan'", "'far' is now 'yul'", "'matla' is now 'zoe'")
    ]
    assert differences("nplm generate m", NAMES, [NAMES[1], *NAMES[:3]]) == []  # one moves up
    assert masked("nplm generate m", NAMES) == masked("nplm generate m", begins)
    noted = ["using m", NAMES[0], "1,000 left out: longer than 3 symbols"]
    assert masked("nplm generate m", noted)[1:] == ["~", "# left out: longer than # symbols"]


def test_suggestions_are_strings_of_a_model_beside_probabilities() -> None:
    table = ["┃ next symbol ┃ probability ┃", "│ i           │      0.1996 │", "│ a │ 0.0972 │"]
    swapped = [table[0], "│ a │ 0.1772 │", "│ i │ 0.1172 │"]
    assert differences("nplm suggest m mar", table, swapped) == []
    assert differences("nplm suggest m mar", table, [*table[:2], "│ a │ 0.1372 │"])


def test_a_table_that_only_widens_has_the_same_words() -> None:
    """The rest of its caption moves up, as its title moves aside."""
    wide = [
        "┏━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━┳━━━━━━━━━━┓",
        "┃ learning-rate      ┃     val ┃  step ┃  seconds ┃",
        "┡━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━╇━━━━━━━━━━┩",
        "│                0.1 │  3.1065 │ 1,000 │ 100000.2 │",
        "│             0.0001 │ 15.4104 │ 1,000 │ 100000.6 │",
        "└────────────────────┴─────────┴───────┴──────────┘",
        "val in nats per symbol, seconds of training steps",
    ]
    assert differences("nplm sweep x", SWEEP, wide) == []
