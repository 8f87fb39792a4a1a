"""Flip single bits of a model file: each is refused, or changes nothing that is computed.

    python tests/flips.py [MODEL] [--flips N] [--seed SEED]

Prints how many were refused, how many opened with the same strings and scores, and how many with
others: exit 1 where there is one.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path
from random import Random

from nplm.errors import DataError
from nplm.generation import SamplingConfig, StreamConfig
from nplm.runtime.generate import generate
from nplm.runtime.onnxmodel import open_bytes
from nplm.stepmodel import all_logits
from nplm.text.vocab import BOUNDARY

STRINGS = 20
REFUSED, SAME, OTHER = "refused", "opened, output the same", "opened, OUTPUT ANOTHER"
GOLDEN = Path(__file__).parent / "golden" / "signed.onnx"


def output(content: bytes) -> tuple[list[str], list[object], bytes]:
    """What a model file gives: strings, whether they are of the list, and logits of a row each."""
    model = open_bytes(content, "flipped.onnx")
    stream = StreamConfig(STRINGS, cut=True)
    strings = list(generate(model, model.card, SamplingConfig(), stream))
    contexts = [[BOUNDARY] * (model.block_size - 1) + [k] for k in range(model.vocab_size)]
    logits = all_logits(model, contexts)
    return [s.text for s in strings], [s.seen for s in strings], logits.tobytes()


def flip(content: bytes, flips: int, seed: int) -> Counter[str]:
    """What came of that many flipped bits, each in a copy of its own, no bit twice."""
    truth = output(content)
    outcomes: Counter[str] = Counter({REFUSED: 0, SAME: 0, OTHER: 0})
    bits = Random(seed).sample(range(8 * len(content)), min(flips, 8 * len(content)))
    for bit in bits:
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            outcomes[SAME if output(bytes(flipped)) == truth else OTHER] += 1
        except DataError:
            outcomes[REFUSED] += 1
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", type=Path, default=GOLDEN)
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    content = options.model.read_bytes()
    outcomes = flip(content, options.flips, options.seed)
    print(f"{outcomes.total():,} of {8 * len(content):,} bits of {options.model}, one at a time")
    for outcome, count in outcomes.items():
        print(f"{count:7,} {outcome}")
    return 1 if outcomes[OTHER] else 0


if __name__ == "__main__":
    sys.exit(main())
