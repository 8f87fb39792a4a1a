"""Numbers in front of lines of text, without Python work per line."""

import numpy as np
from numpy.typing import NDArray

PLACES = 6
MOST = 1e9  # below it a number's millionths are exact in float64
TAB, LINE_END, POINT, ZERO = b"\t\n.0"


def lines_with_numbers(values: NDArray[np.float64], lines: bytes) -> bytes:
    """(n,) numbers from 0 up and n lines, each with its end -> the lines after `%.6f` and a tab.

    A number that is too large, or none, is formatted by itself with all of its lines.
    """
    if not ((values >= 0) & (values < MOST)).all():
        texts = lines.decode("utf-8").split("\n")
        return "".join(
            f"{value:.{PLACES}f}\t{text}\n"
            for value, text in zip(values.tolist(), texts, strict=False)
        ).encode("utf-8")
    codes = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(codes == LINE_END) + 1
    numbers, digits = _written(_millionths(values))
    widths = np.empty(2 * len(values), np.int64)
    widths[::2], widths[1::2] = digits, np.diff(ends, prepend=0)
    is_line = np.repeat(np.arange(len(widths)) % 2 == 1, widths)
    text = np.empty(len(is_line), np.uint8)
    text[is_line], text[~is_line] = codes, numbers
    return text.tobytes()


def _written(millionths: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(n,) -> the codes of all of them, each with a point and a tab, and (n,) how many of each."""
    powers = 10 ** np.arange(PLACES + 1, len(str(int(millionths.max(initial=0)))))
    digits = PLACES + 1 + np.searchsorted(powers, millionths, "right")
    width = PLACES + 1 + len(powers) + 2
    codes = np.empty((len(millionths), width), np.uint8)
    codes[:, -1], codes[:, -2 - PLACES] = TAB, POINT
    left = millionths
    for column in [*range(width - 2, width - 2 - PLACES, -1), *range(width - 3 - PLACES, -1, -1)]:
        tenth = left // 10  # sooner than divmod
        codes[:, column] = ZERO + (left - 10 * tenth)
        left = tenth
    if not len(powers):
        return codes.ravel(), digits + 2
    return codes[np.arange(width) >= width - 2 - digits[:, None]], digits + 2


def _millionths(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rounded as `%.6f` rounds, by the exact binary value."""
    scaled = values * 10.0**PLACES
    numbers = np.rint(scaled)
    # A product is rounded, but to the side of a half that it is on, or to the half.
    unsure = np.abs(scaled - numbers) == 0.5
    for k in np.flatnonzero(unsure).tolist():
        numbers[k] = int(f"{values[k]:.{PLACES}f}".replace(".", ""))
    return numbers.astype(np.int64)
