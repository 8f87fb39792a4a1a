"""What a run says of itself is of the right type and within bounds, or file and key are named."""

import shutil
from pathlib import Path

import pytest

from nplm.errors import DamagedError, NotFoundError
from nplm.runs.facts import read_facts
from nplm.runs.layout import CONFIG, VOCAB

NGRAM = Path(__file__).parents[1] / "compat" / "0.1.0" / "checkpoints" / "ngram"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NGRAM, tmp_path / "ngram"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (CONFIG, 'preset = "ngram"', 'preset = "n"', "preset is 'n': choose"),
        (CONFIG, 'preset = "ngram"', "", "preset is missing"),
        (CONFIG, "block_size = ", "block_size = 6", r"model\.block_size is 6\d: it must be betw"),
        (CONFIG, "[model]", "[model]\nblock = 3", r"model\.block is no setting"),
        (CONFIG, "[train]", "[[train]]", r"train is \[.*, not a table"),
        (CONFIG, "steps = ", "steps = -", r"train\.steps is -\d+: it must be at least 0"),
        (CONFIG, "order = ", "order = 0 # ", r"mixture\.order is 0"),
        (CONFIG, 'sha256 = "', 'sha256 = "A', r"dataset\.sha256 is '.*', not 64 hexadecimal"),
        (CONFIG, 'name = "', 'name = 3 # "', r"dataset\.name is 3, not a text"),
        (CONFIG, 'path = "', 'path = "\\u0000', r"dataset\.path is .*, not a text"),
        (CONFIG, "threads = 1", "threads = 0", r"run\.threads is 0: it must be between 1 and"),
        (CONFIG, "[run]", "[ran]", "run is missing"),
        (VOCAB, '"level": "character"', '"level": "syllable"', "level is 'syllable': choose"),
        (VOCAB, '"normalize": "nfc"', '"normalize": "NFC"', "normalize is 'NFC': choose nfc"),
        (VOCAB, '"longest": ', '"longest": -', "longest is -.*: it must be"),
        (VOCAB, '"symbols": [', '"symbols": [7, ', "symbols is not a list of symbols"),
        (VOCAB, '"symbols": [', '"symbols": ["ab", ', "symbols: 'ab' cannot be a symbol"),
        (VOCAB, '"longest"', '"unknown": 1, "longest"', "unknown is 1: give true or false"),
    ],
)
def test_a_wrong_value_is_named(run: Path, file: str, old: str, new: str, message: str) -> None:
    text = (run / file).read_text(encoding="utf-8")
    assert old in text
    (run / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DamagedError, match=rf"ngram/{file} is damaged: {message}") as caught:
        read_facts(run)
    assert caught.value.path == run / file


def test_steps_that_were_never_settled_are_named(tmp_path: Path) -> None:
    run = Path(shutil.copytree(NGRAM.with_name("names"), tmp_path / "names"))
    text = (run / CONFIG).read_text(encoding="utf-8")
    (run / CONFIG).write_text(text.replace("steps = ", "steps = 0 # ", 1), encoding="utf-8")
    with pytest.raises(DamagedError, match=r"train\.steps is 0"):
        read_facts(run)


def test_a_folder_without_a_run_and_a_run_without_its_symbols(run: Path) -> None:
    (run / VOCAB).unlink()
    with pytest.raises(NotFoundError, match=rf"cannot read .*{VOCAB}"):
        read_facts(run)
    (run / CONFIG).unlink()
    with pytest.raises(NotFoundError, match=r"there is no run in .*ngram; make one: nplm train"):
        read_facts(run)
