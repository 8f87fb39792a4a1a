"""Make tests/golden/tiny.onnx: a small model for the tests of the runtime, which have no torch.

    .venv/bin/python tests/golden/make.py

Block size 3, embedding 4, hidden 16, 300 steps on every 20th of the built-in names (the fixture
`small` of tests/conftest.py).
"""

import tempfile
from pathlib import Path

from nplm.config import DatasetConfig
from nplm.export.onnxfile import export
from nplm.presets import override, preset
from nplm.runs import run
from nplm.runs.opened import load_run
from nplm.text import dataset, sources

HERE = Path(__file__).parent
SETTINGS = {"block_size": 3, "embedding_size": 4, "hidden_size": 16, "steps": 300, "smoothing": 0.0}


def main() -> None:
    names = (HERE.parents[1] / "data" / "names.txt").read_text(encoding="utf-8").split()[::20]
    built = dataset.build(sources.Source("names.txt", names, 0), DatasetConfig())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "tiny"
        config = override(preset("default"), SETTINGS, "")
        list(run.train(folder, config, built, Path(scratch) / "names"))
        export(load_run(folder), built, HERE / "tiny.onnx", force=True)
    (HERE / "tiny.onnx.json").unlink()


if __name__ == "__main__":
    main()
