"""Names of files in a run's folder that more than one module asks for. Loads no torch."""

from pathlib import Path

from nplm.files import read_bytes, sha256

CONFIG, VOCAB, LOCK = "config.toml", "vocab.json", ".lock"
BEST, NGRAM = "model.safetensors", "ngram.safetensors"


def weights_digest(run: Path) -> str:
    """A hash of the files of the best weights: it tells two runs apart.

    Raises:
        DataError: one of them cannot be read.
    """
    files = (run / name for name in (BEST, NGRAM))
    return sha256(*(read_bytes(file) for file in files if file.exists()))
