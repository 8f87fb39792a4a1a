"""The data set that a run was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING

from nplm.errors import DataError

if TYPE_CHECKING:
    from nplm.runs.facts import RunFacts
    from nplm.text.dataset import Dataset


def dataset_of(run: Path, facts: "RunFacts", data: Path | None, cure: str) -> "Dataset":
    """The data set of a run, from where it was or from the folder `data`.

    Raises:
        DataError: it is not there, or is another one; `cure` says what to do then.
    """
    from nplm.text.dataset import load

    folder = data or facts.dataset_folder(run)
    dataset = load(folder)
    if dataset.sha256 != facts.card.dataset_sha256:
        raise DataError(f"{folder} is not the data set that {run} was trained on", cure)
    return dataset
