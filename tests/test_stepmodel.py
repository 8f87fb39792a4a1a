"""Chunks and padding, seen by a model that records what it is called with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nplm.stepmodel import MAX_ROWS, MIN_ROWS, StepModel, all_logits, iter_logits, log_softmax


class Recorder:
    """Logits are the last symbol times 1 to V; every call is kept."""

    block_size = 2
    vocab_size = 5

    def __init__(self) -> None:
        self.calls: list[NDArray[np.int64]] = []

    @property
    def rows(self) -> list[int]:
        return [len(call) for call in self.calls]

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        self.calls.append(contexts)
        return (contexts[:, -1:] * np.arange(1, 6)).astype(np.float32)


def numbered(rows: int) -> NDArray[np.int64]:
    return np.stack([np.zeros(rows, np.int64), np.arange(1, rows + 1)], axis=1)


def test_the_recorder_is_a_step_model() -> None:
    model: StepModel = Recorder()
    assert all_logits(model, numbered(1)).tolist() == [[1, 2, 3, 4, 5]]


def test_the_limits_are_those_of_the_design() -> None:
    assert (MAX_ROWS, MIN_ROWS) == (4096, 16)


@pytest.mark.parametrize(
    ("rows", "calls"),
    [
        (0, []),
        (1, [16]),
        (15, [16]),
        (16, [16]),
        (17, [17]),
        (4096, [4096]),
        (4097, [4096, 16]),
        (4112, [4096, 16]),
        (4113, [4096, 17]),
        (8192, [4096, 4096]),
        (8195, [4096, 4096, 16]),
    ],
)
def test_calls_are_cut_at_4096_rows_and_padded_to_16(rows: int, calls: list[int]) -> None:
    model = Recorder()
    logits = all_logits(model, numbered(rows))
    assert model.rows == calls
    assert logits.shape == (rows, 5)
    assert logits[:, 0].tolist() == list(range(1, rows + 1))


def test_padding_is_the_boundary() -> None:
    model = Recorder()
    all_logits(model, numbered(3))
    assert model.calls[0].tolist() == [[0, 1], [0, 2], [0, 3], *[[0, 0]] * 13]


@given(st.integers(0, 60), st.integers(1, 40))
def test_chunks_are_in_order_and_whole(rows: int, max_rows: int) -> None:
    model = Recorder()
    chunks = list(iter_logits(model, numbered(rows), max_rows))
    assert [start for start, _ in chunks] == list(range(0, rows, max_rows))
    assert [k for _, chunk in chunks for k in chunk[:, 0].tolist()] == list(range(1, rows + 1))
    assert all(MIN_ROWS <= n <= max(MIN_ROWS, max_rows) for n in model.rows)


@given(st.integers(0, 60), st.integers(1, 40))
def test_all_logits_do_not_depend_on_the_chunk_size(rows: int, max_rows: int) -> None:
    whole, cut = (all_logits(Recorder(), numbered(rows), n) for n in (MAX_ROWS, max_rows))
    assert cut.dtype == np.float32
    np.testing.assert_array_equal(whole, cut)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.int64])
@pytest.mark.parametrize("rows", [3, 40])
def test_the_model_gets_contiguous_int64_whatever_the_table_holds(
    dtype: type[np.integer], rows: int
) -> None:
    model = Recorder()
    table = np.asfortranarray(numbered(rows).astype(dtype))[::-1]
    logits = all_logits(model, table)
    assert logits[:, 0].tolist() == list(range(rows, 0, -1))
    assert model.calls[0].dtype == np.int64
    assert model.calls[0].flags.c_contiguous


def test_a_chunk_is_computed_only_when_it_is_asked_for() -> None:
    model = Recorder()
    chunks = iter_logits(model, numbered(100), max_rows=50)
    assert model.rows == []
    next(chunks)
    assert model.rows == [50]


def test_log_softmax_is_in_float64_and_safe() -> None:
    logits = np.array([[0, 0], [1e4, 1e4], [-1e4, -1e4], [0, -np.inf]], np.float32)
    found = log_softmax(logits)
    assert found.dtype == np.float64
    half = -np.log(2)
    assert found.tolist() == [[half, half], [half, half], [half, half], [0, -np.inf]]
