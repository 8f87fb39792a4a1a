"""The models that benchmarks are given: a folder of a data set, runs and model files."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from places import names_file
from processes import Side


@dataclass
class Models:
    """The names list with the lesson's split, and the presets trained on it with seed 0.

    What is not in the folder is made when it is asked for, by `side`.
    """

    folder: Path
    side: Side

    @classmethod
    def of(cls, folder: Path | None, side: Side) -> "Models":
        """In a folder that is kept, or in one of the side's."""
        path = (folder or side.folder / "models").resolve()
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, side)

    @cached_property
    def data(self) -> Path:
        folder = self.folder / "data"
        if not folder.exists():
            self.side.build(names_file(), folder, "line")
        return folder

    def run(self, preset: str) -> Path:
        folder = self.folder / preset
        if not folder.exists():
            self.side.train(self.data, preset, 0, str(folder))
        return folder

    def file(self, preset: str) -> Path:
        file = self.folder / f"{preset}.onnx"
        if not file.exists():
            self.side.export(self.run(preset), self.data, file)
        return file
