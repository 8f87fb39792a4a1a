"""Numbers in front of lines against Python's own formatting."""

import numpy as np
import pytest

from nplm.text.decimals import lines_with_numbers

RANDOM = np.random.default_rng(0)
EDGES = [0.0, 5e-7, 1.5e-6, 2.5e-6, 0.9999995, 0.99999949999, 9.9999995, 10.0, 99.9999999, 1234.5]


@pytest.mark.parametrize(
    "values",
    [
        EDGES,
        RANDOM.random(5000) * 30,
        np.round(RANDOM.random(5000) * 1e4, 6) + 5e-7,  # halves, but for what binary leaves of them
        RANDOM.random(5000) * 9e8,
        [3.0, 2e9],
        [1.0, np.inf, np.nan],
        [],
    ],
)
def test_as_python_formats(values: "list[float]") -> None:
    texts = ["", "anna", "é\t", "安", "-1.5"]
    lines = [texts[k % len(texts)] for k in range(len(values))]
    written = lines_with_numbers(np.array(values), "".join(f"{s}\n" for s in lines).encode())
    assert written.decode() == "".join(
        f"{value:.6f}\t{line}\n" for value, line in zip(values, lines, strict=True)
    )
