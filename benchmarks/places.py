"""Where the benchmarks find things. Only the standard library, as `processes` wants it."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("NPLM_SHARED_DATA", ROOT.parent / "shared" / "data"))


def names_file() -> Path:
    """The lesson's names list, or the built-in one where it is not."""
    shared = SHARED / "names.txt"
    return shared if shared.exists() else ROOT / "data" / "names.txt"
