"""Patterns against Python's own matching, and their automata against slow truths.

PATTERN_PAIRS=100000 compares that many pairs of a pattern and a string, instead of a few thousand.
"""

import itertools
import math
import os
import random
import re
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from nplm.errors import UsageError
from nplm.runtime import derivatives
from nplm.runtime.expression import (
    Expression,
    alternation,
    anything,
    concatenation,
    intersection,
    length,
    repetition,
)
from nplm.runtime.minimization import DEAD, blocks
from nplm.runtime.pattern import MAX_STATES, Pattern, compile_expression
from nplm.runtime.patternsyntax import MAX_DEPTH, MAX_SYMBOLS, literal, parse

PAIRS = int(os.environ.get("PATTERN_PAIRS", "4000"))
SYMBOLS = "abcAB1 éÉ_.-"
ATOMS = [*"abcAB1é_-", ".", r"\.", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\x61", r"\u00e9"]
ATOMS += ["[ab]", "[^ab]", "[a-c]", "[^a-cé]", r"[\d_]", r"[^\w]", "[]a]", "[^]a]", "[zé-]", "[z]"]
COUNTS = ["*", "+", "?", "{2}", "{1,}", "{,2}", "{0,3}", "{2,3}", "{0}", "*?", "+?", "??", "{1,2}?"]
CASES = "aAkKsSſKßẞıiIİµμΜςσΣéÉÅÅǅǆǄθϴфϐβ1_"


def a_pattern(draw: random.Random, depth: int = 3) -> str:
    """A random pattern, with alternatives that may be empty and counts on what may be so."""
    if depth == 0 or draw.random() < 0.25:
        return draw.choice(ATOMS)
    kind = draw.randrange(4)
    if kind == 0:
        group = draw.choice(["(", "(?:", "(?i:"])
        return f"{group}{a_pattern(draw, depth - 1)}){draw.choice(COUNTS)}"
    if kind == 1:
        parts = [a_pattern(draw, depth - 1) for _ in range(draw.randrange(1, 4))]
        return "(" + "|".join(part if draw.random() < 0.9 else "" for part in parts) + ")"
    if kind == 2:
        return draw.choice(ATOMS) + draw.choice(COUNTS)
    return "".join(a_pattern(draw, depth - 1) for _ in range(draw.randrange(4)))


def compile_patterns(
    patterns: Sequence[Expression | str],
    symbols: Sequence[str],
    max_states: int = MAX_STATES,
    *,
    unknown: int | None = None,
) -> Pattern:
    """The strings that all of these match; texts are parsed."""
    parts = [parse(each, symbols) if isinstance(each, str) else each for each in patterns]
    size = 1 + len(symbols) + (unknown is not None)
    return compile_expression(intersection(parts), size, max_states, unknown=unknown)


def a_text(draw: random.Random, patterns: list[Pattern]) -> str:
    """Random symbols, or a walk through the live states of one of the patterns."""
    pattern, ids = draw.choice(patterns), list(range(1, 1 + len(SYMBOLS)))
    walk: list[int] = []
    state = pattern.start
    blind = draw.random() < 0.3
    while len(walk) < 7 and not (pattern.accepting[state] and draw.random() < 0.3):
        live = [k for k in ids if pattern.live[pattern.next[state, pattern.classes[k]]]]
        walk.append(draw.choice(live if live and not blind else ids))
        state = pattern.after(walk)
    return "".join(SYMBOLS[k - 1] for k in walk)


def accepts(pattern: Pattern, text: str, symbols: str = SYMBOLS) -> bool:
    return bool(pattern.accepting[pattern.after([symbols.index(symbol) + 1 for symbol in text])])


def differences(pairs: int, seed: int) -> tuple[int, int, list[tuple[list[str], str]]]:
    """How many pairs were compared, how many of them match, and where the two differ."""
    draw, compared, matches = random.Random(seed), 0, 0
    wrong = []
    while compared < pairs:
        count = draw.choice([1, 1, 1, 2, 3])
        texts = [draw.choice(["", "", "(?i)"]) + a_pattern(draw) for _ in range(count)]
        whole = compile_patterns(texts, SYMBOLS)
        each = [whole, *(compile_patterns([text], SYMBOLS) for text in texts)]
        for _ in range(10):
            text = a_text(draw, each)
            expected = all(re.fullmatch(pattern, text) for pattern in texts)
            compared, matches = compared + 1, matches + expected
            if accepts(whole, text) != expected:
                wrong.append((texts, text))
    return compared, matches, wrong


@pytest.mark.filterwarnings("ignore:Possible")
def test_random_patterns_match_what_python_matches() -> None:
    compared, matches, wrong = differences(PAIRS, seed=1)
    assert wrong == []
    assert 0.2 < matches / compared < 0.8


@pytest.mark.filterwarnings("ignore:Possible")
@pytest.mark.parametrize(
    "pattern",
    ["", "|", "a||b", "()", "(|a)*", "(?:)*", "^a|b$", r"\Aab\Z", "^$", "(?i)^AB$", "(?#no)a(?#x)*",
     "{", "a{", "a{}", "a{b}", "{a}", "a{,}", "(?P<x>a)b", "[[a]", "[]-a]", r"[\]a]", r"\141",
     r"\N{LATIN SMALL LETTER A}b", r"\U00000061", "a{02}", "(a{2,3}){2}", "(a{2,3}){1,2}",
     "(a{3}){0,2}", "(a{2,}){0,2}", "(a*)*", "((a|){2,3}){2}b", r"\07a|a",
     "a*a{2}(a|)b", "(?i:a)b", "(?i:(?:a)B)a", r"\t|a", r"\||a"],
)  # fmt: skip
def test_syntax_is_python_s(pattern: str) -> None:
    symbols = "abAB{}|,]-[\t\a"
    compiled = compile_patterns([pattern], symbols)
    for size in range(5):
        for text in map("".join, itertools.product("abB{}]"[: 6 if size < 4 else 3], repeat=size)):
            assert accepts(compiled, text, symbols) == bool(re.fullmatch(pattern, text)), text


def test_any_case_is_python_s() -> None:
    atoms = [
        *CASES,
        *(f"[^{symbol}]" for symbol in CASES),
        "[a-z]",
        "[À-ÿ]",
        "[^α-ω]",
        r"\w",
        r"\W",
    ]
    for atom in atoms:
        compiled = compile_patterns([f"(?i){atom}"], CASES)
        for symbol in CASES:
            expected = bool(re.fullmatch(atom, symbol, re.IGNORECASE))
            assert accepts(compiled, symbol, CASES) == expected, (atom, symbol)


def test_the_other_case_of_a_literal_is_enough() -> None:
    assert accepts(compile_patterns(["(?i)É"], "é"), "é", "é")
    with pytest.raises(UsageError, match="asks for 'É' at position 0"):
        parse("É", "é")


def test_members_of_a_class_need_not_be_known() -> None:
    assert accepts(compile_patterns(["[aé]"], "ab"), "a", "ab")
    assert not compile_patterns(["[é]|\\d"], "ab").live.any()


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("ab(?=c)", "has a look-ahead at position 2"),
        ("ab(?!c)", "has a look-ahead at position 2"),
        ("(?<=a)b", "has a look-behind at position 0"),
        ("(?<!a)b", "has a look-behind at position 0"),
        (r"(a)\1", "has a back-reference at position 3"),
        ("(?P<x>a)(?P=x)", "has a back-reference at position 8"),
        ("(a)?(?(1)b|c)", "has a conditional group at position 4"),
        ("a(?>b)", "has an atomic group at position 1"),
        ("ab*+", "has a possessive quantifier at position 2"),
        ("a++", "has a possessive quantifier at position 1"),
        ("a?+", "has a possessive quantifier at position 1"),
        ("a{1,2}+", "has a possessive quantifier at position 1"),
        (r"a\b", "has a word boundary at position 1"),
        (r"\Ba", "has a word boundary at position 0"),
        ("a^b", "has an anchor in its middle at position 1"),
        ("(^a)", "has an anchor in its middle at position 1"),
        ("a|^b", "has an anchor in its middle at position 2"),
        ("a$|b", "has an anchor in its middle at position 1"),
        (r"a\Ab", "has an anchor in its middle at position 1"),
        (r"a\Z|b", "has an anchor in its middle at position 1"),
        ("a^", "has an anchor in its middle at position 1"),
        ("$a", "has an anchor in its middle at position 0"),
        ("(?s)a", "has the flag 's' at position 0"),
        ("(?im)a", "has the flag 'im' at position 0"),
        ("a(?s:b)", "has the flag 's' at position 1"),
        ("(?i)a(?-i:b)", "has the flag '-i' at position 5"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(pattern: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(pattern, "abc")
    assert error.value.problem == f"`match` {problem}"
    assert error.value.cure.startswith("a pattern is made of literals")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a(b", "missing ), unterminated subpattern at position 1"),
        ("ab)", "unbalanced parenthesis at position 2"),
        ("[a", "unterminated character set at position 0"),
        ("*a", "nothing to repeat at position 0"),
        ("^*", "nothing to repeat at position 1"),
        ("a**", "multiple repeat at position 2"),
        ("[b-a]", "bad character range b-a at position 1"),
        ("a{3,2}", "min repeat greater than max repeat at position 2"),
        ("\\", "bad escape (end of pattern) at position 0"),
        ("a{9999999999}", "the repetition number is too large"),
    ],
)
def test_what_python_refuses_is_refused_in_its_words(pattern: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(pattern, "abc")
    assert str(error.value) == f"`match` is no regular expression: {problem}"


def test_a_count_with_thousands_of_digits_is_refused() -> None:
    with pytest.raises(UsageError, match="no regular expression"):
        parse("a{" + "9" * 5000 + "}", "a")


@pytest.mark.parametrize(
    ("pattern", "symbol", "position"),
    [("abéc", "'é'", 2), (r"a\xe9", r"'\xe9'", 1), ("(?i)aZ", "'Z'", 5), ("(?:a|'b)", '"\'"', 5)],
)
def test_an_unknown_literal_is_named(pattern: str, symbol: str, position: int) -> None:
    with pytest.raises(UsageError) as error:
        parse(pattern, "abc")
    assert str(error.value) == (
        f"`match` asks for {symbol} at position {position}, which the model does not know"
    )


def test_messages_name_the_argument() -> None:
    with pytest.raises(UsageError, match="`contains` asks for 'd' at position 1"):
        literal("ad", "abc", "contains")
    with pytest.raises(UsageError, match="`other` has a look-ahead"):
        parse("(?=a)", "abc", "other")


def test_depth_and_size_are_bounded() -> None:
    nested = "(?:b|c" * MAX_DEPTH + "a" + ")*a" * MAX_DEPTH
    assert compile_patterns([nested], "abc").accepting.any()
    for deep in (MAX_DEPTH + 1, 20_000):
        with pytest.raises(UsageError, match="groups within groups, more than 100 deep"):
            parse("(" * deep + "a" + ")" * deep, "a")
    with pytest.raises(UsageError, match="50,001 symbols, of 50,000 at most"):
        parse("a" * (MAX_SYMBOLS + 1), "a")
    parse("a" * MAX_SYMBOLS, "a")


def test_classes_are_bounded() -> None:
    symbols = "".join(map(chr, range(0x4E00, 0x4E00 + 800)))
    with pytest.raises(UsageError, match="has classes of more than 500,000 symbols in all; give"):
        parse("".join(f"[^{symbol}]" for symbol in symbols), symbols)


def test_builders_are_one_automaton() -> None:
    parts = [
        concatenation([literal("a", SYMBOLS, "prefix"), anything()]),
        concatenation([anything(), literal("bc", SYMBOLS, "contains"), anything()]),
        length(3, 5),
        parse("[a-c]*", SYMBOLS),
    ]
    built = compile_expression(intersection(parts), 1 + len(SYMBOLS))
    written = compile_patterns(["a.*", ".*bc.*", ".{3,5}", "[a-c]*"], SYMBOLS)
    assert same(built, written)
    for size in range(7):
        for text in map("".join, itertools.product("abc1", repeat=size)):
            expected = re.fullmatch("(?=.*bc)a[abc]{2,4}", text) is not None
            assert accepts(built, text) == expected, text


def same(one: Pattern, other: Pattern) -> bool:
    fields = ("classes", "next", "accepting", "live", "universal", "start")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


def test_no_conditions_at_all() -> None:
    everything = compile_expression(intersection([]), 4)
    assert same(everything, compile_expression(anything(), 4))
    assert everything.universal[everything.start]
    nothing = compile_expression(alternation([]), 4)
    assert (nothing.start, nothing.live.tolist(), nothing.next.tolist()) == (DEAD, [False], [[0]])
    assert compile_expression(repetition(alternation([]), 0), 4).accepting.tolist() == [False, True]
    lone = compile_expression(anything(), 1)
    assert lone.accepting[lone.start]


@pytest.mark.parametrize(
    ("pattern", "states"),  # the dead one included
    [("", 2), ("[^abcd]", 1), (".*", 2), ("a", 3), ("ab|cb", 4), (".*ab", 4), (".*ab.*", 4),
     (".{12}", 14), (".{1000}", 1002), ("(a|b)*a(a|b){8}", 513), ("(a*b*)*", 2), (".*a.{0,50}", 53),
     ("((a{0,5}){0,5}){0,5}", 127), ("(a{2,3}){1,2}", 8), ("(ab?|abb)*", 4), ("a+|", 2),
     ("b{0,400}d{0,400}", 802)],
)  # fmt: skip
def test_known_sizes(pattern: str, states: int) -> None:
    assert len(compile_patterns([pattern], "abcd").next) == states


@pytest.mark.parametrize(
    ("one", "other"),
    [("a{2,5}", "aaa?a?a?"), ("(a|b)*", "(a*b*)*"), ("a(b|c)", "ab|ac"), ("(a?){7}", "a{,7}"),
     ("(ab)*a", "a(ba)*"), ("a*|b", "b|a+|"), ("(?i)A", "[aA]"), ("[^b]|b", "."), (".*.*a", ".*a")],
)  # fmt: skip
def test_equal_conditions_have_equal_automata(one: str, other: str) -> None:
    assert same(compile_patterns([one], SYMBOLS), compile_patterns([other], SYMBOLS))


@pytest.mark.filterwarnings("ignore:Possible")
def test_automata_are_minimal_and_their_fields_true() -> None:
    draw = random.Random(2)
    for _ in range(150):
        texts = [a_pattern(draw) for _ in range(draw.randrange(1, 3))]
        pattern = compile_patterns(texts, SYMBOLS)
        assert same(pattern, compile_patterns(texts, SYMBOLS))
        rows = pattern.next[:, pattern.classes]
        size = len(rows)
        assert reached(rows, pattern.start) | {DEAD} == set(range(size))
        assert len(set(told_apart(rows, pattern.accepting))) == size
        assert len({column.tobytes() for column in pattern.next.T}) == pattern.next.shape[1]
        assert (rows[:, 0] == DEAD).all()
        for state in range(size):
            beyond = sorted(reached(rows[:, 1:], state))
            assert pattern.live[state] == pattern.accepting[beyond].any()
            assert pattern.universal[state] == pattern.accepting[beyond].all()


def reached(rows: np.ndarray, state: int) -> set[int]:
    states = {state}
    while (more := states | {int(to) for s in states for to in rows[s]}) != states:
        states = more
    return states


def told_apart(rows: np.ndarray, accepting: np.ndarray) -> list[object]:
    """A name for each state, equal where as many symbols as there are states tell nothing apart."""
    names: list[object] = accepting.tolist()
    for _ in range(len(rows)):
        keys = [(names[s], *(names[to] for to in rows[s])) for s in range(len(rows))]
        numbers = {key: k for k, key in enumerate(dict.fromkeys(keys))}
        names = [numbers[key] for key in keys]
    return names


def test_random_automata_are_merged_as_by_hand() -> None:
    draw = np.random.default_rng(3)
    for _ in range(200):
        size, width = draw.integers(1, 12), draw.integers(1, 4)
        table = draw.integers(0, size, (size, width))
        gaps = draw.random(table.shape) < 0.3
        accepting = draw.random(size) < 0.4
        rows = [
            {k: int(to) for k, to in enumerate(row) if not gaps[s, k]}
            for s, row in enumerate(table)
        ]
        names = blocks(rows, accepting.tolist())
        whole = np.vstack([np.where(gaps, size, table), np.full(width, size)])
        truth = told_apart(whole, np.append(accepting, False))
        for s, t in itertools.combinations(range(size), 2):
            assert (names[s] == names[t]) == (truth[s] == truth[t])
        assert [name == DEAD for name in names] == [name == truth[size] for name in truth[:size]]


def test_an_unknown_symbol_leads_to_the_dead_state() -> None:
    for pattern in (".*", "[^a]*", r"(a|\W)*b.*"):
        compiled = compile_patterns([pattern], "ab", unknown=3)
        assert (compiled.next[:, compiled.classes[3]] == DEAD).all()
    masked = compile_expression(anything(), 4, unknown=3)
    assert masked.universal[masked.start]
    assert not masked.live[masked.after([1, 3])]
    drawn = compile_expression(parse(".*", "ab"), 4)
    assert not drawn.universal.any()
    assert compile_expression(anything(), 4).live[drawn.after([1, 2])]


def test_steps_are_those_of_one_string_at_a_time() -> None:
    pattern = compile_patterns([".*ab.?"], "abc")
    draw = np.random.default_rng(4)
    strings = draw.integers(1, 4, (50, 8))
    states = np.full(50, pattern.start)
    for k in range(8):
        states = pattern.step(states, strings[:, k])
    assert states.dtype == np.int64
    assert states.tolist() == [pattern.after(ids.tolist()) for ids in strings]


def test_types() -> None:
    pattern = compile_patterns(["a.*"], "ab")
    dtypes = [pattern.classes.dtype, pattern.next.dtype, pattern.accepting.dtype]
    assert dtypes == [np.int64, np.int32, np.bool_]
    assert isinstance(parse("a", "a"), Expression)


@pytest.mark.parametrize(
    "pattern",
    ["(a|b)*a(a|b){20}", "((a{0,50}){0,50}){0,50}", ".{0,99999}", ".{99999}", "(.{4000}){4000}",
     "((a{9,999}){9,999}){9,999}", "(.?){5000}a{5000}"],
)  # fmt: skip
def test_too_many_states_are_refused(pattern: str) -> None:
    with pytest.raises(UsageError) as error:
        compile_patterns([pattern], "ab")
    assert str(error.value) == "`match` needs more than 10,000 states; give a simpler pattern"


@pytest.mark.parametrize(
    "pattern",
    ["((a{0,50}b?){0,50}c?){0,50}", "(a{1,9}|b{2,9}|(ab?){3,9}){5,2000}", ".*" + "ab" * 2000,
     "(?:b|c?" * 100 + "a" + ")*d?" * 100],
)  # fmt: skip
def test_too_much_work_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError) as error:
        compile_patterns([pattern], "abcd")
    assert str(error.value) == (
        f"the automaton of `match` takes more than {derivatives.MAX_STEPS:,} steps to make; "
        "give a simpler pattern"
    )


def test_counts_are_not_unrolled() -> None:
    """Of what is refused for its states the expressions stay few and small."""
    algebra = derivatives.Algebra({None: (1,)})
    number = algebra.number(length(0, 10**9))
    for _ in range(100):
        number = algebra.derivatives(number)[1]
    assert algebra.steps < 1000
    assert algebra.derivatives(algebra.number(length(5, math.inf)))[1] != number


def test_the_bound_on_states_is_met_exactly() -> None:
    assert len(compile_patterns([".{9}"], "a", 10).next) == 11
    with pytest.raises(UsageError, match="more than 9 states"):
        compile_patterns([".{9}"], "a", 9)
    assert len(compile_patterns([f".{{{MAX_STATES - 1}}}"], "a").next) == MAX_STATES + 1


def test_a_table_that_is_too_wide_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[compile_expression.__module__], "MAX_TRANSITIONS", 11)
    with pytest.raises(UsageError, match="needs 4 states for 4 classes of symbols; states times"):
        compile_patterns(["ab"], "abc")
