"""Every reader against damaged files: an answer or a refusal in one line, and never anything else.

python -m pytest tests/fuzz runs a few cases of each; `attack` with more of them is the same.
"""

import random
from pathlib import Path

import pytest

from fuzz.readers import DAMAGES, Target, attack, damaged, readers

CASES, SEED = 300, 13


@pytest.mark.parametrize("target", readers(), ids=lambda target: target.name)
def test_a_damaged_file_is_read_or_refused(target: Target, tmp_path: Path) -> None:
    if target.name.startswith(("tensors", "signed")):
        pytest.importorskip("torch")
    result = attack(target, tmp_path, SEED, CASES)
    assert result.read + result.refused == CASES


def test_a_seed_gives_its_cases() -> None:
    valid = readers()[0].valid
    assert [*damaged(valid, 1, 50)] == [*damaged(valid, 1, 50)] != [*damaged(valid, 2, 50)]
    assert all(damage(random.Random(0), b"") is not None for damage in DAMAGES)


@pytest.mark.parametrize("error", [KeyError("a"), RecursionError(), ValueError("b" * 9)])
def test_anything_else_is_a_defect(tmp_path: Path, error: Exception) -> None:
    def read(path: Path) -> None:
        if path.read_bytes() != b"valid":
            raise error

    with pytest.raises(AssertionError, match="seed 0, case"):
        attack(Target("f.txt", b"valid", read), tmp_path, 0, 20)
