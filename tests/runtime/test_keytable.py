"""The hash table of arrays, against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nplm.runtime import keytable
from nplm.runtime.keytable import KeyTable, distinct

CALLS = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=12), max_size=9)


def as_keys(rows: list[tuple[int, int]]) -> np.ndarray:
    return np.array(rows, np.uint8).reshape(len(rows), 2)


@given(CALLS)
def test_against_a_dictionary(calls: list[list[tuple[int, int]]]) -> None:
    table, known = KeyTable(2, np.dtype(np.uint8)), {}
    for rows in calls:
        assert table.find(as_keys(rows)).tolist() == [known.get(row, -1) for row in rows]
        new = list(dict.fromkeys(row for row in rows if row not in known))
        table.add(as_keys(new))
        known |= {row: len(known) + k for k, row in enumerate(new)}
        assert len(table) == len(known)
    assert table[np.arange(len(table))].tolist() == [list(row) for row in known]
    table.clear()
    assert len(table) == 0
    assert table.find(as_keys(list(known))).tolist() == [-1] * len(known)


@pytest.mark.parametrize("count", [1, 2047, 2049, 5000, 100_000])
def test_many_keys(count: int) -> None:
    keys = np.random.default_rng(0).permutation(1 << 20)[:count].astype(np.uint32)[:, None]
    table = KeyTable(1, np.dtype(np.uint32))
    for part in np.array_split(keys, 3):
        table.add(part)
    assert table.find(keys).tolist() == list(range(count))
    assert (table.find(keys + np.uint32(1 << 20)) == -1).all()


def test_an_addition_that_was_cut_short_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them: what they leave in the slots must not fill the table up either."""
    table = KeyTable(1, np.dtype(np.uint16))
    table.add(np.arange(100, dtype=np.uint16)[:, None])
    whole = keytable._insert

    def cut_short(slots: np.ndarray, keys: np.ndarray, first: int) -> None:
        whole(slots, keys[: len(keys) // 2], first)
        raise KeyboardInterrupt

    for start in range(1000, 60_000, 100):
        monkeypatch.setattr(keytable, "_insert", cut_short)
        with pytest.raises(KeyboardInterrupt):
            table.add(np.arange(start, start + 100, dtype=np.uint16)[:, None])
        monkeypatch.setattr(keytable, "_insert", whole)
        assert len(table) == 100
        assert (table.find(np.arange(start, start + 100, dtype=np.uint16)[:, None]) == -1).all()
    others = np.arange(60_000, 65_000, dtype=np.uint16)[:, None]
    table.add(others)
    assert table.find(others).tolist() == list(range(100, 5100))
    assert table.find(np.arange(100, dtype=np.uint16)[:, None]).tolist() == list(range(100))


def test_keys_with_one_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keytable, "hashes", lambda keys: np.zeros(len(keys), np.uint64))
    keys = as_keys([(1, 2), (3, 4), (1, 2), (0, 9)])
    unique, which = distinct(keys)
    assert sorted(map(tuple, unique.tolist())) == [(0, 9), (1, 2), (3, 4)]
    assert unique[which].tolist() == keys.tolist()
    table = KeyTable(2, np.dtype(np.uint8))
    table.add(unique)
    assert table.find(keys).tolist() == which.tolist()
