"""Make tests/golden/signed.onnx: a small model for the tests of the runtime, which have no torch.

    .venv/bin/python tests/golden/make.py

It is tiny.onnx, described as format 2 wants it. That one is of format 1: version 0.1.0 made it
(block size 3, embedding 4, hidden 16, 300 steps on every 20th of the built-in names, the fixture
`small` of tests/conftest.py), and it is never made again.
"""

from dataclasses import replace
from pathlib import Path

import onnx

from nplm.runtime.checksum import insert_checksum
from nplm.runtime.modelcard import FORMAT_2, SHA256
from nplm.runtime.onnxguard import read_envelope
from nplm.runtime.onnxmodel import open_model

HERE = Path(__file__).parent


def main() -> None:
    old = HERE / "tiny.onnx"
    card = open_model(old).card
    described = {"holds": "strings", "splits": ["train"], **card.extra["novelty_filter"]}
    extra = card.extra | {"novelty_filter": described, "weights_sha256": None}
    model = onnx.load(old)
    del model.metadata_props[:]
    signed = replace(card, format=FORMAT_2, extra=extra)
    onnx.helper.set_model_props(model, signed.to_metadata())
    content = model.SerializeToString(deterministic=True)
    place = read_envelope(content, "signed.onnx").places[SHA256]
    (HERE / "signed.onnx").write_bytes(insert_checksum(content, place))


if __name__ == "__main__":
    main()
