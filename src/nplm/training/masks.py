"""Dropout whose masks are a function of (seed, step): no state to save, whoever takes the step.

torch's own takes a tenth of a step of Bengio's network with a second layer to draw a mask of one
layer on the CPU; 16 random bits a unit take a sixth of that (docs/log.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

UNITS_PER_WORD = 4  # of 64 random bits


class Masks:
    """The masks of one step after the other: which units of each layer stay, and their scale.

    Mask k of a step is drawn from the Philox4x64-10 stream of the seed that starts at counter
    (1, step, k + 1, 0); of its words, 16 bits at a time, each decides about one unit.
    """

    def __init__(self, seed: int) -> None:
        self._seed, self._step, self._drawn = seed, 0, 0

    @contextmanager
    def of_step(self, step: int) -> Iterator[None]:
        """The masks drawn meanwhile are those of `step`, counted from 0."""
        self._step, self._drawn = step, 0
        yield

    def draw(self, rows: int, units: int, share: float) -> Tensor:
        """(R, D) float32: 0 for a share of the units, to 2^-17, else what keeps the mean."""
        self._drawn += 1
        stream = np.random.Philox(key=self._seed, counter=[0, self._step, self._drawn, 0])
        words = stream.random_raw(-(-rows * units // UNITS_PER_WORD)).astype("<u8", copy=False)
        dropped = round(share * 2**16)
        kept = words.view("<u2")[: rows * units].reshape(rows, units) >= dropped
        return torch.from_numpy(kept * np.float32(2**16 / (2**16 - dropped)))


class Dropout(nn.Module):
    """As `nn.Dropout`, with the masks of a step."""

    def __init__(self, share: float, masks: Masks) -> None:
        super().__init__()
        self._share, self._masks = share, masks

    def forward(self, h: Tensor) -> Tensor:
        """Hidden units (B, D) -> the same, some of them 0."""
        if not self.training or not self._share:
            return h
        rows, units = h.shape
        return h * self._masks.draw(rows, units, self._share)
