"""Lists of strings, as people have them."""

from pathlib import Path

import nplm
from fuzz.target import Target

STRINGS = Path(__file__).parents[1] / "compat" / "0.1.0" / "strings.txt"


def build_stream(path: Path) -> object:
    """Of the words that are frequent in it."""
    return nplm.build(path, level="word", document="stream", max_vocab=40, split=(0.5, 0.5, 0))


TARGETS = [
    Target("list", STRINGS.read_bytes(), nplm.build, "list.txt"),
    Target("list as it is", STRINGS.read_bytes(), lambda path: nplm.build(path, normalize="none")),
    Target("words", STRINGS.read_bytes(), lambda path: nplm.build(path, level="word"), "list.txt"),
    Target("stream", STRINGS.read_bytes(), build_stream, "list.txt"),
]
