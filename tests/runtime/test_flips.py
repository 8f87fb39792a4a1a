"""Single bits of a model file; `make flips` does 2,000."""

from pathlib import Path

from flips import OTHER, REFUSED, SAME, flip


def test_a_flipped_bit_of_a_signed_file_is_refused(signed_model: Path) -> None:
    assert flip(signed_model.read_bytes(), 60, seed=1) == {REFUSED: 60, SAME: 0, OTHER: 0}


def test_those_of_a_file_without_a_hash_are_not(tiny_model: Path) -> None:
    """What the hash is for: without it some of them pass."""
    outcomes = flip(tiny_model.read_bytes(), 30, seed=1)
    assert outcomes[REFUSED] < 30
    assert outcomes[OTHER]
