"""What a command printed once and what it prints now: the same words, and figures that are near.

Words, lines and columns must be equal: see `masked`. How near a figure must be depends on what it
is. Settings and counts are exact; so is what is computed of counts alone, but for its last digit.
Losses come of thousands of noisy steps in float32, whose sums another processor adds up in another
order: most runs of the lesson are the same to the last digit, some are not, by up to 1.2 %, and
those at too large a rate jump about above the loss of guessing, where none is like another
(docs/log.md). So a loss may differ by 2 % of itself, a perplexity (its exponential) by 5 %, a
probability of one symbol by 0.03, and a loss above that of guessing by anything. Files (5 % of
their bytes) and how far onnxruntime is from torch (a factor of ten) depend on versions of
libraries. Not compared are seconds and which of two evaluations that are all but equal was lower.

A string that a model makes may end otherwise, but most begin with the same symbol: it is drawn with
the same number, from nearly the same probabilities.
"""

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")
NOTE = re.compile(r"next: |using |[\d,]+ left out: ")  # among the strings of a model
SHARES = {"loss": 0.02, "bits": 0.02, "perplexity": 0.05, "bytes": 0.05}  # of the larger figure
ABSOLUTE = {"counted": 0.00011, "probability": 0.03}
GUESSING = math.log(27)
COUNTED = ("uniform", "unigram", "bigram", "best n-gram", "its n-gram")  # rows
IGNORED = {"seconds", "step"}  # columns
CENTRED = "   "  # so many spaces or more stand before a title, or the rest of a caption


@dataclass
class Line:
    """A line in three parts.

    Attributes:
        words: the line with `#` for each number and `~` for each string that a model made.
        numbers: each with what it is: see `near`.
        made: the strings.
    """

    words: str
    numbers: list[tuple[str, str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)


def masked(command: str, lines: list[str]) -> list[str]:
    """The words of an output, without figures, strings of a model, and the widths of tables."""
    return [line.words for line in parsed(command, lines)]


def differences(command: str, printed: list[str], now: list[str]) -> list[str]:
    """What is not as it was, to be read; empty where all is."""
    old, new = parsed(command, printed), parsed(command, now)
    before, after = ([line.words for line in lines] for lines in (old, new))
    if before != after:
        return [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    pairs = list(zip(old, new, strict=True))
    found = [
        f"{a} is now {b} in: {one.words}"
        for one, two in pairs
        for (a, kind), (b, _) in zip(one.numbers, two.numbers, strict=True)
        if not near(a, b, kind)
    ]
    made = [strings for one, two in pairs for strings in zip(one.made, two.made, strict=True)]
    known = {string for string, _ in made}
    other = [(a, b) for a, b in made if a[:1] != b[:1] and b not in known]
    lost = [f"{a!r} is now {b!r}" for a, b in other if 2 * len(other) > len(made)]
    return found + lost


def near(printed: str, now: str, kind: str) -> bool:
    """Whether two figures are the same but for what the machine explains."""
    a, b = (float(text.replace(",", "")) for text in (printed, now))
    if kind == "error":
        return max(a, b) <= 10 * min(a, b)
    if kind == "ignored" or (kind == "loss" and min(a, b) > GUESSING):
        return True
    return abs(a - b) <= ABSOLUTE.get(kind, SHARES.get(kind, 0) * max(a, b))


def parsed(command: str, lines: list[str]) -> list[Line]:
    """The lines of an output in their parts."""
    program, *words = command.rpartition("|")[2].split()
    verb = words[0] if program == "nplm" else ""
    found, heads, making = [], [""], verb == "generate"
    for line in joined(lines):
        making = making and not NOTE.match(line)
        cells = [cell.strip() for cell in re.split("[┃│]", line)]
        heads = cells if line.startswith("┃") else heads
        if making:
            found.append(Line("~", made=[line.strip()]))
        elif line.startswith("│"):
            found.append(row(cells, heads, verb))
        else:
            found.append(sentence(line, "counted" if verb == "dataset" else ""))
        # The strings that a run makes at its end stand between these two lines.
        making = verb == "generate" or (making or line.startswith("run: "))
    return found


def joined(lines: list[str]) -> Iterator[str]:
    """Titles and captions of tables in one line with what is above them: they are wrapped."""
    whole: list[str] = []
    for line in lines:
        if whole and line.startswith(CENTRED):
            whole[-1] += f" {line.strip()}"
        else:
            whole.append(line)
    yield from whole


def sentence(line: str, kind: str = "") -> Line:
    """A line, or a cell of a table; `kind`, if known, is that of its numbers with a point."""
    tidy = re.sub("[━─]+", "─", " ".join(line.split()))
    numbers = [(m[0], kind_of(tidy, m, kind)) for m in NUMBER.finditer(tidy)]
    return Line(NUMBER.sub("#", tidy), numbers)


def row(cells: list[str], heads: list[str], verb: str) -> Line:
    """A row of a table; of suggestions, cells that hold no number are strings of a model."""
    counted = verb == "dataset" or cells[1].startswith(COUNTED)
    parts = []
    for cell, head in zip_longest(cells, heads[: len(cells)], fillvalue=""):
        kind = "probability" if head == "probability" else "counted" if counted else ""
        part = sentence(cell, kind)
        if head in IGNORED:
            part.numbers = [(number, "ignored") for number, _ in part.numbers]
        made = verb == "suggest" and cell and not part.numbers
        parts.append(Line("~", made=[cell]) if made else part)
    return Line(
        " │ ".join(part.words for part in parts).strip(),
        [number for part in parts for number in part.numbers],
        [string for part in parts for string in part.made],
    )


def kind_of(line: str, number: re.Match[str], known: str) -> str:
    """What a number of a line is, by what stands around it."""
    before, after = line[: number.start()], line[number.end() :]
    if re.match(r" s\b", after) or before.endswith("at step "):
        return "ignored"
    if match := re.match(r" (bytes|bits)\b", after):
        return match[1]
    if "e" in number[0]:
        return "error"
    if "." not in number[0]:
        return "count"
    word = before.strip("( ").rpartition(" ")[2].removeprefix("(")
    return {"floor": "counted", "perplexity": "perplexity"}.get(word, known or "loss")
