"""Train a neural probabilistic language model on any list of strings; ship it as one ONNX file.

All that is public from Python is here; docs/api.md lists it. Importing loads nothing: each function
loads what it needs, and `load` and `open_run` need no torch.
"""

TYPE_CHECKING = False  # `typing` takes as long to load as a Ctrl-C needs to come in between
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path
    from types import ModuleType
    from typing import Literal, Unpack

    from nplm import errors
    from nplm.api.openrun import Run
    from nplm.config import PresetName, RunConfig
    from nplm.presets import Settings
    from nplm.runs.run import RunEvent
    from nplm.runtime.model import Model
    from nplm.text.dataset import Dataset

__version__ = "0.1.0"
__all__ = ["__version__", "build", "errors", "load", "open_run", "train"]


def __getattr__(name: str) -> "ModuleType":
    """The module `errors`, once it is asked for."""
    if name == "errors":
        from importlib import import_module

        return import_module("nplm.errors")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build(
    strings: "str | Path | Iterable[str] | Mapping[str, str | Path | Iterable[str]]",
    *,
    out: "str | Path | None" = None,
    split: "tuple[float | str, float | str, float | str]" = (0.8, 0.1, 0.1),
    split_by: "Literal['string', 'line', 'order'] | None" = None,
    distinct: bool = False,
    normalize: "Literal['nfc', 'none']" = "nfc",
    seed: int = 0,
    min_count: int = 0,
    max_vocab: int = 0,
    count_on: "Literal['train', 'all']" = "train",
    level: "Literal['character', 'word']" = "character",
    document: "Literal['line', 'stream']" = "line",
    max_mb: float = 256.0,  # checks.MAX_TEXT_MB
    force: bool = False,
) -> "Dataset":
    """Make a data set of strings: split, with ids, as `nplm dataset build` does.

    Args:
        strings: a text file with one string a line (a `str` is its path), or the strings; empty
            ones are left out. Or a dictionary of such, by split: "train", and "val" and "test".
        out: a folder to save it in; None keeps it in memory.
        split: shares of train, val and test that add up to 1, as numbers or as text ("1/3").
        split_by: "string" keeps all copies of a string in one split; "line" splits them too;
            "order" shuffles nothing. None is "order" for a stream, else "string".
        distinct: drop copies first.
        normalize: the Unicode form.
        seed: of the shuffle.
        min_count: symbols seen less often become one unknown symbol; 0: none do.
        max_vocab: ids that there may be, the boundary and the unknown symbol among them: the rarer
            symbols become the unknown one; 0: any number.
        count_on: the splits that say how often a symbol is seen.
        level: what a symbol is: a character, or a word between white space.
        document: what a string is: a line, or the whole split, whose contexts cross line ends.
        max_mb: megabytes that a text file may have; a build takes up to twenty times that.
        force: replace a data set that is in `out`.

    Raises:
        DataError: the file cannot be read or is not UTF-8, a string has a line end in it, a split
            would be empty, no symbol is frequent enough, or `out` exists or cannot be written.
        TypeError: an item is not a string.
        UsageError: an option is out of bounds.
    """
    from nplm.api.datasource import build_dataset, shares_of
    from nplm.config import DatasetConfig, usual_split

    config = DatasetConfig(
        shares_of(split),
        split_by or usual_split(document),
        distinct,
        normalize,
        seed,
        min_count,
        max_vocab,
        count_on,
        level,
        document,
    )
    return build_dataset(strings, config, out, force=force, max_mb=max_mb)


def train(
    data: "Dataset | str | Path | Iterable[str]",
    out: "str | Path",
    *,
    preset: "PresetName | RunConfig | None" = None,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    on_event: "Callable[[RunEvent], object] | None" = None,
    progress: bool = False,
    **settings: "Unpack[Settings]",
) -> "Run":
    """Train a model in the folder `out`, as `nplm train` does, and open the run.

    It is saved every two seconds: after a Ctrl-C or a kill, `resume` goes on from there.

    Args:
        data: the folder of a data set, a data set, or strings to `build` one of. All but a folder
            is saved in `out`, so that the run finds it again.
        out: the run's folder.
        preset: the settings to begin with, by name or whole (as `Run.config`); None is "default"
            or, to resume, the run's own.
        device: "cpu", "cuda", "cuda:N" or "auto": CUDA for ten minutes' work.
        resume: go on with the run that is in `out`, with the same data and settings.
        force: replace the run that is in `out`, when the new one is trained to its end: until
            then that is in the folder `out`.new, which can be given with `resume`.
        on_event: called with all that happens: `Started`, `Stepped`, `Evaluated` and `Saved`.
        progress: show a bar, on a terminal (on stderr) or in a notebook.
        settings: single settings, which win over the preset: `steps=500, hidden_size=100`.

    Raises:
        DataError: `out` exists, is in use, or holds a run of other settings or data; there is no
            data set in the folder, or it cannot be made; or the n-gram's order does not fit it.
        DeviceError: the device is unknown or not there.
        DivergedError: a loss or parameter is not finite; the best weights so far are saved.
        MissingExtraError: a package of the training extra is not installed.
        UsageError: a setting is unknown or out of bounds, or there is no such preset.
    """
    from nplm.api.trainrun import train_run

    return train_run(
        data,
        out,
        preset,
        settings,
        device=device,
        resume=resume,
        force=force,
        on_event=on_event,
        progress=progress,
    )


def open_run(path: "str | Path") -> "Run":
    """Open a run's folder: its settings and metrics, to evaluate or to export it.

    Raises:
        DataError: there is no run in the folder, or its settings are damaged.
    """
    from nplm.api.openrun import Run

    return Run(path)


def load(
    path: "str | Path",
    device: str = "cpu",
    threads: int = 1,
    cache_mb: float = 1024.0,  # generation.DEFAULT_CACHE_MB, whose import takes as long as Python's
) -> "Model":
    """Open an exported model for sampling, scoring and suggestions, without torch.

    Args:
        path: what `Run.export` or `nplm export onnx` wrote.
        device: "cpu", "cuda" or "auto".
        threads: of onnxruntime.
        cache_mb: megabytes for what is known of the model.

    Raises:
        DataError: the file is missing, not ONNX, or not a model of ours.
        DeviceError: the device is not available.
        UsageError: an option is out of bounds.
    """
    from nplm.runtime.model import Model

    return Model(path, device, threads, cache_mb)
