"""What a run is: its settings, vocabulary and data set, in `config.toml` and `vocab.json`."""

import os
from dataclasses import dataclass
from pathlib import Path

from nplm.checks import Normalization
from nplm.commandline import command_line
from nplm.config import (
    MixtureConfig,
    ModelConfig,
    PresetName,
    RunConfig,
    TrainConfig,
)
from nplm.errors import DataError, NotFoundError, UsageError
from nplm.record import Record
from nplm.runs.layout import CONFIG, NO_RUN, VOCAB
from nplm.runtime.modelcard import ModelCard
from nplm.stored import read_json, read_toml
from nplm.text.datafolder import load, read_document, read_vocab
from nplm.text.dataset import Dataset
from nplm.together import write_together
from nplm.transaction import as_json

CURE = "train again"
MAX_THREADS = 1024


@dataclass(frozen=True)
class RunFacts:
    """What `config.toml` and `vocab.json` say.

    Attributes:
        dataset: path of the data set, relative to the run folder where that is possible.
        threads: torch's thread count; the same count gives the same bits.
        torch: its version when the run began.
    """

    config: RunConfig
    card: ModelCard
    dataset_name: str
    dataset: str
    device: str
    threads: int
    torch: str

    def dataset_folder(self, run: Path) -> Path:
        return Path(os.path.normpath(run.resolve() / self.dataset))

    def resume_command(self, run: Path) -> str:
        """What to type to go on with a run: its data set relative, where it lies below here."""
        dataset, here = self.dataset_folder(run), Path.cwd()
        short = dataset.relative_to(here) if dataset.is_relative_to(here) else dataset
        return resume_command(short, run)


def new_facts(
    config: RunConfig,
    dataset: Dataset,
    dataset_folder: Path,
    run: Path,
    device: str,
    threads: int,
    torch: str,
) -> RunFacts:
    """The facts of a run about to start."""
    card = ModelCard(
        dataset.vocab,
        config.block_size,
        dataset.normalize,
        dataset.longest,
        dataset.sha256,
        document=dataset.document,
    )
    relative = os.path.relpath(dataset_folder.resolve(), run.resolve())
    return RunFacts(config, card, dataset.name, relative, device, threads, torch)


def write_facts(run: Path, facts: RunFacts) -> None:
    """Write `config.toml` and `vocab.json`, as one. Needs the training extra."""
    import tomli_w

    tables = facts.config.as_tables() | {
        "dataset": {
            "name": facts.dataset_name,
            "path": facts.dataset,
            "sha256": facts.card.dataset_sha256,
        },
        "run": {"device": facts.device, "threads": facts.threads, "torch": facts.torch},
    }
    vocab = {
        "level": facts.card.vocab.level,
        "normalize": facts.card.normalize,
        "longest": facts.card.longest,
        "symbols": list(facts.card.vocab.symbols),
        **({"unknown": True} if facts.card.vocab.unknown else {}),
        **({"document": facts.card.document} if facts.card.document != "line" else {}),
    }
    settings = tomli_w.dumps(tables).encode("utf-8")
    write_together({run / CONFIG: settings, run / VOCAB: as_json(vocab)})


def resume_command(dataset: Path, run: Path) -> str:
    """What to type to go on with a run."""
    return command_line("train", dataset, "--out", run, "--resume")


def dataset_of(run: Path, facts: RunFacts, given: Path | None, cure: str) -> Dataset:
    """The data set that a run was trained on, from where it was or from a folder that is given.

    Raises:
        DataError: it is not there, or is another one; `cure` says what to do then.
    """
    folder = given or facts.dataset_folder(run)
    dataset = load(folder)
    if dataset.sha256 != facts.card.dataset_sha256:
        raise DataError(f"{folder} is not the data set that {run} was trained on", cure)
    return dataset


def read_facts(run: Path) -> RunFacts:
    """Read a run's settings.

    Raises:
        NotFoundError: there is no run in `run`.
        DamagedError: a file is damaged; the message names it.
    """
    try:
        tables = Record(read_toml(run / CONFIG, NO_RUN), run / CONFIG, CURE)
    except NotFoundError:
        raise NotFoundError(run, f"there is no run in {run}", NO_RUN) from None
    vocab = Record(read_json(run / VOCAB, NO_RUN), run / VOCAB, CURE)
    parts = (
        tables.choice("preset", PresetName),
        tables.settings("model", ModelConfig),
        tables.settings("train", TrainConfig),
        tables.settings("mixture", MixtureConfig),
    )
    try:
        config = RunConfig(*parts)
    except UsageError as error:
        raise tables.wrong(error.problem) from error
    if config.mixture.ngram and not config.mixture.order:
        raise tables.wrong("mixture.order is 0, which training would have settled")
    if config.mixture.networks and not config.steps:
        raise tables.wrong("train.steps is 0, which training would have settled")
    dataset, settings = tables.table("dataset"), tables.table("run")
    card = ModelCard(
        read_vocab(vocab),
        config.block_size,
        vocab.choice("normalize", Normalization),
        vocab.integer("longest"),
        dataset.digest("sha256"),
        document=read_document(vocab),
    )
    return RunFacts(
        config,
        card,
        dataset.text("name"),
        dataset.text("path"),
        settings.text("device"),
        settings.integer("threads", 1, MAX_THREADS),
        settings.text("torch"),
    )
