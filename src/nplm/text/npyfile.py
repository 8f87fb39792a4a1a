"""Arrays of ids in `.npy` files: one dimension of unsigned numbers, and nothing else numpy takes.

The header is matched against the one line that `numpy.save` writes for such an array, so nothing in
a file is evaluated, unpickled, unzipped or allocated by what it declares.
"""

import re
from pathlib import Path
from typing import IO

import numpy as np

from nplm.errors import DamagedError
from nplm.stored import MAX_IDS, open_stored
from nplm.text.strings import Ids

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {b"\1\0": 2, b"\2\0": 4}  # of the header's length, by version
LONGEST_HEADER = 4096
HEADER = re.compile(
    rb"\{'descr': '(\|u1|<u2|<u4)', 'fortran_order': False, 'shape': \(([0-9]{1,15}),\), \} *\n"
)
CURE = "build the data set again"


def read_ids(path: Path) -> Ids:
    """(N,) the ids in a file, which cannot be written: no map, whose file could be cut below it.

    Raises:
        DamagedError: it is not such a file, or not as long as it says.
        PathError: it cannot be read.
    """
    with open_stored(path, MAX_IDS, CURE) as file:
        match = HEADER.fullmatch(_header(file))
        if match is None:
            raise DamagedError(path, f"{path} is not an array of ids", CURE)
        dtype, count, start = np.dtype(match[1].decode("ascii")), int(match[2]), file.tell()
        size = file.seek(0, 2)
        if size != start + count * dtype.itemsize:
            problem = f"{path} has {size:,} bytes, not the {count:,} ids that it declares"
            raise DamagedError(path, problem, CURE)
        file.seek(start)
        content = file.read(size - start)
    if len(content) != size - start:
        raise DamagedError(path, f"{path} became shorter while it was read", CURE)
    return np.frombuffer(content, dtype)


def _header(file: IO[bytes]) -> bytes:
    """What describes the array; empty in a file of another kind."""
    start = file.read(len(MAGIC) + 2)
    digits = LENGTH_BYTES.get(start[len(MAGIC) :])
    if not start.startswith(MAGIC) or digits is None:
        return b""
    length = int.from_bytes(file.read(digits), "little")
    return file.read(min(length, LONGEST_HEADER))
