"""Arguments become options of the command that ran."""

from typing import Any

import pytest
import typer

from nplm.cli.tree import app
from nplm.cli.wording import command_of, speak_of_options


@pytest.fixture(scope="module")
def parser() -> Any:
    return typer.main.get_command(app)


@pytest.mark.parametrize(
    ("words", "message", "line"),
    [
        ("generate", "`count` is -1", "-n is -1"),
        ("generate", "`cache_mb` is -1", "--cache-mb is -1"),
        ("generate m.onnx", "`start` is 1", "--start-index is 1"),
        ("train", 'give `preset="best"`', "give --preset best"),
        ("train --resume", "add `force=True` or `resume=True`", "add --force or --resume"),
        ("train", "give `order=9` or less", "give --order 9 or less"),
        ("dataset build", "as in `split=(1, 0, 0)`", "as in --split 1,0,0"),
        ("train", "choose another `out`", "choose another --out"),
        (
            "suggest a",
            "`prefix` has 3 symbols, `max_length` 2",
            "PREFIX has 3 symbols, --max-length 2",
        ),
        ("eval", "`count` is -1, `a b`, `", "`count` is -1, `a b`, `"),  # eval has no such option
        ("--version generate", "`count`", "-n"),
        ("", "`count` is -1", "`count` is -1"),
    ],
)
def test_a_message_speaks_of_options(parser: Any, words: str, message: str, line: str) -> None:
    assert speak_of_options(message, command_of(parser, words.split())) == line


def test_what_the_user_typed_between_backticks_stays(parser: Any) -> None:
    words = ["generate", "--prefix", "`count`"]
    message = "'`count`' has symbols the model never saw; ask for a smaller `max_length`"
    line = speak_of_options(message, command_of(parser, words), words)
    assert line == "'`count`' has symbols the model never saw; ask for a smaller --max-length"
