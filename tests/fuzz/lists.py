"""Lists of strings, as people have them."""

from pathlib import Path

import nplm
from fuzz.target import Target

STRINGS = Path(__file__).parents[1] / "compat" / "0.1.0" / "strings.txt"

TARGETS = [
    Target("list", STRINGS.read_bytes(), nplm.build, "list.txt"),
    Target("list as it is", STRINGS.read_bytes(), lambda path: nplm.build(path, normalize="none")),
]
