"""Masks of dropout: functions of (seed, step), fair, and those of a naive reading of the words."""

import numpy as np
import pytest
import torch

from nplm.training.masks import Dropout, Masks


def masks_of(seed: int, step: int, count: int = 2, share: float = 0.25) -> list[torch.Tensor]:
    masks = Masks(seed)
    with masks.of_step(step):
        return [masks.draw(50, 30, share) for _ in range(count)]


def test_masks_depend_on_seed_step_and_place_alone() -> None:
    first, second = masks_of(3, 7)
    again = Masks(3)
    with again.of_step(99):
        again.draw(8, 8, 0.5)
    with again.of_step(7):
        assert torch.equal(again.draw(50, 30, 0.25), first)
        assert torch.equal(again.draw(50, 30, 0.25), second)
    others = [first, second, *masks_of(4, 7), *masks_of(3, 8)]
    assert len({tuple(mask.flatten().tolist()) for mask in others}) == 6


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5, 0.95])
def test_a_share_of_the_units_is_dropped_and_the_mean_kept(share: float) -> None:
    masks = Masks(1)
    with masks.of_step(0):
        mask = masks.draw(1000, 1001, share).double()  # not a whole number of words
    n = mask.numel()
    dropped = float((mask == 0).sum()) / n
    assert dropped == pytest.approx(share, abs=5 * (share * (1 - share) / n) ** 0.5 + 2**-16)
    scales = mask[mask != 0].unique().tolist()
    assert len(scales) == 1
    assert scales[0] == pytest.approx(1 / (1 - share), rel=2e-4)


def test_units_are_16_bits_of_the_words_of_a_philox_stream() -> None:
    words = np.random.Philox(key=9, counter=[0, 5, 2, 0]).random_raw(3)
    bits = [int(word) >> 16 * place & 0xFFFF for word in words for place in range(4)]
    masks = Masks(9)
    with masks.of_step(5):
        masks.draw(1, 1, 0.3)
        mask = masks.draw(2, 5, 0.3)
    dropped = round(0.3 * 65536)
    expected = [0.0 if number < dropped else 65536 / (65536 - dropped) for number in bits[:10]]
    assert mask.flatten().tolist() == pytest.approx(expected, rel=1e-6)


def test_nothing_is_dropped_outside_of_training() -> None:
    dropout, h = Dropout(0.5, Masks(0)), torch.ones(4, 6)
    assert torch.equal(dropout.eval()(h), h)
    assert not torch.equal(dropout.train()(h), h)
    assert torch.equal(Dropout(0.0, Masks(0)).train()(h), h)
