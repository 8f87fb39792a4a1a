"""What a run is: its settings, vocabulary and data set, in `config.toml` and `vocab.json`."""

import os
from dataclasses import dataclass
from pathlib import Path

from nplm.commandline import command_line
from nplm.config import MixtureConfig, ModelConfig, RunConfig, TrainConfig
from nplm.errors import DamagedError, DataError, NotFoundError, UsageError, keys
from nplm.files import read_json, read_toml, write_bytes, write_json
from nplm.runs.layout import CONFIG, NO_RUN, VOCAB
from nplm.runtime.modelcard import ModelCard
from nplm.text.dataset import Dataset, load
from nplm.text.vocab import Vocab


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
    )
    relative = os.path.relpath(dataset_folder.resolve(), run.resolve())
    return RunFacts(config, card, dataset.name, relative, device, threads, torch)


def write_facts(run: Path, facts: RunFacts) -> None:
    """Write `config.toml` and `vocab.json`. Needs the training extra."""
    import tomli_w

    tables = facts.config.as_tables() | {
        "dataset": {
            "name": facts.dataset_name,
            "path": facts.dataset,
            "sha256": facts.card.dataset_sha256,
        },
        "run": {"device": facts.device, "threads": facts.threads, "torch": facts.torch},
    }
    write_bytes(run / CONFIG, tomli_w.dumps(tables).encode("utf-8"))
    write_json(
        run / VOCAB,
        {
            "level": "character",
            "normalize": facts.card.normalize,
            "longest": facts.card.longest,
            "symbols": list(facts.card.vocab.symbols),
            **({"unknown": True} if facts.card.vocab.unknown else {}),
        },
    )


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
    if not (run / CONFIG).exists():
        raise NotFoundError(run, f"there is no run in {run}", NO_RUN)
    tables, vocab = read_toml(run / CONFIG, NO_RUN), read_json(run / VOCAB, NO_RUN)
    try:
        config = RunConfig(
            tables["preset"],
            ModelConfig(**tables["model"]),
            TrainConfig(**tables["train"]),
            MixtureConfig(**tables["mixture"]),
        )
        card = ModelCard(
            Vocab(tuple(vocab["symbols"]), vocab.get("unknown", False)),
            config.block_size,
            vocab["normalize"],
            vocab["longest"],
            tables["dataset"]["sha256"],
        )
        dataset, settings = tables["dataset"], tables["run"]
        return RunFacts(
            config,
            card,
            dataset["name"],
            dataset["path"],
            settings["device"],
            settings["threads"],
            settings["torch"],
        )
    except (DataError, KeyError, TypeError, UsageError) as error:
        raise DamagedError(
            run, f"{run / CONFIG} or {VOCAB} is damaged: {keys(str(error))}", "train again"
        ) from error
