"""What every model is to the rest of the program: a function from contexts to logits.

A torch network and an onnxruntime session both are a StepModel; generation, scoring and evaluation
exist once, on top of it. B is the number of rows, T the block size, V the vocabulary size.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_ROWS = 4096
MIN_ROWS = 16
# Bytes of the logits of a chunk. What is made of them in float64 takes several times as much, so a
# vocabulary of 5,000 is evaluated with 209 rows a chunk in 30 MB (docs/log.md).
MAX_LOGITS = 1 << 22


class StepModel(Protocol):
    """Logits of the next symbol given the last `block_size` ones."""

    @property
    def block_size(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    def __call__(self, contexts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Contexts (B, T) int64, oldest symbol first -> logits (B, V) float32."""
        ...


def rows_at_once(vocab_size: int) -> int:
    """Rows of a chunk: as many as bring `MAX_LOGITS` bytes of logits, from 16 to 4,096."""
    return min(MAX_ROWS, max(MIN_ROWS, MAX_LOGITS // (4 * vocab_size)))


def iter_logits(
    model: StepModel, contexts: NDArray[np.integer], max_rows: int | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Call `model` on `contexts` (B, T) in chunks; yield (first row, logits of the chunk).

    The only caller of a StepModel. Matrix kernels round differently for a handful of rows, so a
    short chunk is padded to 16: a context has one set of logits whatever batch it came in.
    """
    max_rows = max_rows or rows_at_once(model.vocab_size)
    for start in range(0, len(contexts), max_rows):
        chunk = np.ascontiguousarray(contexts[start : start + max_rows], dtype=np.int64)
        rows = len(chunk)
        if rows < MIN_ROWS:
            chunk = np.concatenate([chunk, np.zeros((MIN_ROWS - rows, chunk.shape[1]), np.int64)])
        yield start, model(chunk)[:rows]


def all_logits(
    model: StepModel, contexts: NDArray[np.integer], max_rows: int | None = None
) -> NDArray[np.float32]:
    """Logits (B, V) of all `contexts` (B, T), computed in chunks."""
    logits = np.empty((len(contexts), model.vocab_size), np.float32)
    for start, chunk in iter_logits(model, contexts, max_rows):
        logits[start : start + len(chunk)] = chunk
    return logits


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """(B, V) logits -> (B, V) log-probabilities, in float64."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=1, keepdims=True)))
