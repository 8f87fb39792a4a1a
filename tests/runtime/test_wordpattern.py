"""Patterns of words, against Python's matching of texts in which each word is a letter."""

import itertools
import re
from random import Random

import numpy as np
import pytest

from nplm.errors import UsageError
from nplm.generation import Condition, SamplingConfig, StreamConfig
from nplm.runtime.automatoncache import AutomatonCache
from nplm.runtime.condition import pattern_of
from nplm.runtime.generate import generate_batches
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.pattern import compile_expression
from nplm.runtime.wordpattern import parse_words
from nplm.text.strings import Strings
from nplm.text.vocab import Vocab

WORDS = ("the", "cat", "U.S.", "over-all", "(", "don't")
LETTERS = "tcuodx"  # of the pattern that is the same with letters; "(" is d
SPELLED = ["the", "cat", r"U\.S\.", "over-all", r"\(", "don't"]
CARD = ModelCard(Vocab(WORDS, level="word"), 1, "nfc", 3, "abc")


def accepted(pattern: str, texts: list[str]) -> list[bool]:
    """Of texts of letters, as words."""
    ids = [[*(LETTERS.index(letter) + 1 for letter in text), 0] for text in texts]
    offsets = np.cumsum([0, *map(len, ids)])
    strings = Strings(np.array([k for each in ids for k in each], np.uint8), offsets)
    expression = parse_words(pattern, WORDS)
    return compile_expression(expression, len(CARD.vocab)).accepts(strings).tolist()


def a_pattern(draw: Random, depth: int = 3) -> tuple[str, str]:
    """A pattern of words, and of letters."""
    kind = draw.randrange(5) if depth else 0
    if kind == 0:
        k = draw.randrange(len(WORDS))
        return draw.choice([(f" {SPELLED[k]} ", LETTERS[k]), (".", ".")])
    if kind == 1:
        chosen = draw.sample(range(len(WORDS)), 2)
        negated = draw.choice(["", "^"])
        words = "\n".join([*(SPELLED[k] for k in chosen), "dog"])
        return f"[{negated}{words}]", f"[{negated}{''.join(LETTERS[k] for k in chosen)}]"
    if kind == 2:
        word, letter = a_pattern(draw, depth - 1)
        count = draw.choice(["*", "+", "?", "{2}", "{0,2}", "{1,}"])
        return f"(?:{word}){count}", f"(?:{letter}){count}"
    pairs = [a_pattern(draw, depth - 1) for _ in range(draw.randrange(1, 4))]
    between = "|" if kind == 3 else ""
    words, letters = (between.join(parts) for parts in zip(*pairs, strict=True))
    return f"({words})", f"({letters})"


def test_as_python_matches_letters() -> None:
    texts = ["".join(t) for n in range(4) for t in itertools.product(LETTERS, repeat=n)]
    draw = Random(0)
    for _ in range(400):
        words, letters = a_pattern(draw)
        expected = [re.fullmatch(letters, text) is not None for text in texts]
        assert accepted(words, texts) == expected, (words, letters)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("the dog", "asks for 'dog' at position 4"),
        (r"the \w+", r"has '\\\\w' at position 4, which is about characters"),
        ("(?i)the", r"has '\(\?i\)' at position 0"),
        ("the (cat", "is no regular expression: .* at position 4"),
        ("the  *  *", "is no regular expression: .* at position 8"),
        ("the (?=cat)", "has a look-ahead at position 4"),
        ("the [cat", "is no regular expression"),
        ("the\\", "is no regular expression"),
    ],
)
def test_what_is_not_understood(pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_words(pattern, WORDS)


class Even:
    """Every word and the end, whatever went before."""

    block_size, vocab_size = 1, len(CARD.vocab)

    def __call__(self, contexts: np.ndarray) -> np.ndarray:
        return np.zeros((len(contexts), self.vocab_size), np.float32)


def test_strings_of_words_are_as_asked_for() -> None:
    condition = Condition("the .*", r"cat", ("over-all the",), (4, 6))
    sampling = SamplingConfig(max_length=9, condition=condition)
    parts = generate_batches(AutomatonCache(Even(), CARD), sampling, StreamConfig(200))
    texts = [text for part in parts for text in CARD.tokenizer.decode(part.symbols)]
    assert len(texts) == 200
    for text in texts:
        assert text.startswith("the ")
        assert text.endswith(" cat")
        assert "over-all the" in text
        assert 4 <= len(text.split()) <= 6
    with pytest.raises(UsageError, match="`ends_with` asks for 'dog' at position 1"):
        pattern_of(Condition(ends_with="the dog"), CARD)
