"""The n-gram of `counts.ngram` as a torch module: with dense rows where these are few and small."""

from nplm.counts.ngram import NGram
from nplm.errors import DataError
from nplm.training.densengram import DenseNGram, dense_bytes
from nplm.training.sparsengram import SparseNGram, sparse_bytes

NGramModule = DenseNGram | SparseNGram
MAX_DENSE_BYTES = 12_000_000  # fifteen times the rows a second of a sparse one (docs/log.md)
MAX_BYTES = 1 << 30  # a model file may have twice that


def make_ngram(ngram: NGram) -> NGramModule:
    """The module of a fitted n-gram.

    Raises:
        DataError: no model file could hold it; the message has the estimate.
    """
    if dense_bytes(ngram) <= MAX_DENSE_BYTES:
        return DenseNGram.of(ngram)
    refuse_large(ngram)
    return SparseNGram.of(ngram)


def refuse_large(ngram: NGram) -> None:
    """Raise DataError where a sparse n-gram would take more than 1 GiB."""
    estimate = sparse_bytes(ngram)
    if estimate > MAX_BYTES:
        raise DataError(
            f"the n-gram would take {estimate / 1e9:,.1f} GB, for {len(ngram):,} contexts; at most "
            f"{MAX_BYTES / 1e9:.1f} GB fit a model file",
            (f"choose `order` below {ngram.order}, or " if ngram.order > 2 else "choose ")
            + '`preset="default"`, a network alone',
        )
