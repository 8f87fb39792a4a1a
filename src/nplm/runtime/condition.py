"""What whole strings must be, as one automaton over a model's symbols."""

import math

import numpy as np
from numpy.typing import NDArray

from nplm.generation import Condition
from nplm.runtime.expression import anything, concatenation, intersection, length
from nplm.runtime.modelcard import ModelCard
from nplm.runtime.pattern import Pattern, compile_expression
from nplm.runtime.patternsyntax import literal, parse
from nplm.runtime.wordpattern import parse_words
from nplm.text.vocab import normalize, symbols_of


def pattern_of(condition: Condition, card: ModelCard, unknown: int | None = None) -> Pattern:
    """All that a condition asks for at once.

    Args:
        unknown: the id of the unknown symbol, where it is never drawn.

    Raises:
        UsageError: the pattern is malformed, a text has a symbol the model does not know, or the
            automaton would be too large.
    """
    symbols, form, level = card.vocab.symbols, card.normalize, card.vocab.level
    parts = []
    if condition.match is not None:
        read = parse_words if level == "word" else parse
        parts.append(read(normalize(condition.match, form), symbols))
    if condition.ends_with:
        last = symbols_of(normalize(condition.ends_with, form), level)
        end = literal(last, symbols, "ends_with")
        parts.append(concatenation([anything(), end]))
    for text in condition.contains:
        part = literal(symbols_of(normalize(text, form), level), symbols, "contains")
        parts.append(concatenation([anything(), part, anything()]))
    if condition.length != Condition.length:
        least, most = condition.length
        parts.append(length(least, math.inf if most == Condition.length[1] else most))
    return compile_expression(intersection(parts or [anything()]), len(card.vocab), unknown=unknown)


def shortest(pattern: Pattern) -> NDArray[np.float64]:
    """(S,) symbols of the shortest string accepted from each state; infinite without one."""
    symbols = np.where(pattern.accepting, 0.0, np.inf)
    for count in range(1, len(pattern.next)):
        reached = (symbols[pattern.next] < np.inf).any(axis=1) & np.isinf(symbols)
        if not reached.any():
            break
        symbols[reached] = count
    return symbols
