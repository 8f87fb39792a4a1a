"""Arrays that grow."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def grown(array: NDArray[Scalar], rows: int, used: int) -> NDArray[Scalar]:
    """A copy of `array` with `rows` rows, of which the first `used` are filled.

    The others are not touched, so that the system gives no memory for them yet: while it is copied
    an array takes no more than it will when it is full.
    """
    larger = np.empty((rows, *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger
