"""Command lines to be pasted into a shell."""

import shlex
from pathlib import Path


def command_line(*words: str | Path) -> str:
    """`nplm WORDS` as a shell takes it."""
    return " ".join(["nplm", *map(quote, words)])


def quote(word: str | Path) -> str:
    """One word of a command line; a path that begins with a dash would be taken for an option."""
    dashed = isinstance(word, Path) and str(word).startswith("-") and str(word) != "-"
    return shlex.quote(f"./{word}" if dashed else str(word))
