"""Lines of JSON against one `json.dumps` a line."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nplm.text.jsonlines import json_lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROW = st.tuples(
    st.integers(0, 2**63 - 1), TEXT, st.none() | st.floats(), st.none() | st.booleans(), TEXT
)
KEYS = ("index", "text", "nats", "seen", 'a "key", of: {any} %s kind')


def expected(rows: list[tuple[Any, ...]]) -> bytes:
    rows_of_keys = (dict(zip(KEYS, row, strict=True)) for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of_keys).encode()


@given(st.lists(ROW, max_size=9))
def test_against_one_object_a_line(rows: list[tuple[Any, ...]]) -> None:
    columns = {key: [row[k] for row in rows] for k, key in enumerate(KEYS)}
    assert json_lines(columns) == expected(rows)


def test_every_code_point_is_written_as_json_writes_it() -> None:
    points = [chr(k) for k in range(0x110000) if not 0xD800 <= k < 0xE000]
    lines = [f"{json.dumps({'a': point}, ensure_ascii=False)}\n" for point in points]
    assert json_lines({"a": points}) == "".join(lines).encode()
