"""A run's folder, opened from Python: what it is, how good it is, its export.

import nplm
run = nplm.open_run("checkpoints/names")
print(run.evaluate("val").per_symbol)
run.export("exports/names.onnx")
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nplm.api.datasource import open_data
from nplm.checks import SplitName, check_choice, check_path
from nplm.config import RunConfig
from nplm.counts.evaluate import Nats, evaluate
from nplm.counts.tables import table_of
from nplm.extras import training_extra
from nplm.runs.facts import dataset_of, read_facts
from nplm.runs.header import is_finished
from nplm.runs.looks import record_look
from nplm.runs.metrics import metrics
from nplm.runtime.modelcard import ModelCard
from nplm.text.dataset import Dataset, reencode
from nplm.training.events import Evaluated

if TYPE_CHECKING:
    from nplm.export.arpa import ArpaProof
    from nplm.export.proof import Proof
    from nplm.runs.opened import LoadedRun

CURE = "give the folder it is in now as data"


class Run:
    """A run that was trained, or is being trained.

    Opening it reads the settings alone, without torch. The best weights are read by the first call
    that needs them and kept: open a run again after more training. What is pickled is the path.

    Args:
        path: the run's folder.

    Attributes:
        folder: the same.

    Raises:
        DataError: there is no run in the folder, or its settings are damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = check_path("path", path)
        self._facts = read_facts(self.folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return Run, (self.folder,)

    def __repr__(self) -> str:
        return f"nplm.open_run({str(self.folder)!r})"

    @property
    def config(self) -> RunConfig:
        """The settings it is trained with."""
        return self._facts.config

    @property
    def card(self) -> ModelCard:
        """What its model is: vocabulary, block size, normalisation, data set."""
        return self._facts.card

    @property
    def metrics(self) -> list[Evaluated]:
        """Its evaluations so far, read now: step, seconds, train and val nats per symbol.

        Raises:
            DataError: the log is damaged.
        """
        return metrics(self.folder)

    @property
    def finished(self) -> bool:
        """Whether it is trained to its end, read now.

        Raises:
            DataError: its last checkpoint is damaged.
        """
        return is_finished(self.folder)

    def evaluate(
        self,
        split: Literal["train", "val", "test"] = "val",
        *,
        data: Dataset | str | Path | None = None,
    ) -> Nats:
        """How many nats per symbol its best weights need for a split: exact, over all contexts.

        A look at the test split that it was trained beside is recorded in the folder, as by
        `nplm eval`.

        Args:
            data: another data set, or its folder; None for the one trained on.

        Raises:
            DataError: the weights were never evaluated or are damaged; the data set is not there,
                the split is empty, or it has symbols that the model never saw.
            MissingExtraError: torch is not installed.
            UsageError: there is no such split.
        """
        check_choice("split", split, SplitName)
        run = self._loaded
        dataset = open_data(data)[0] if data else dataset_of(self.folder, self._facts, None, CURE)
        own = reencode(dataset, self.card.vocab, self.card.normalize)
        nats = evaluate(run.model, table_of(own, split, self.card.block_size))
        if split == "test" and dataset.sha256 == self.card.dataset_sha256:
            record_look(self.folder, nats.per_symbol, run.best_step)
        return nats

    def export(
        self,
        out: str | Path,
        *,
        novelty: bool = True,
        private: bool = False,
        force: bool = False,
        data: str | Path | None = None,
    ) -> "Proof":
        """Write its best weights as one ONNX file, proved equal to torch, for `nplm.load`.

        Args:
            out: the file; what describes it is written beside it, as `out`.json.
            novelty: carry a filter of the data set's strings, 4 bytes each, for `novel=True`.
            private: carry neither that filter nor hashes of the data set and of the weights.
            force: replace what exists.
            data: the folder of the data set trained on, where that has moved.

        Returns:
            What was compared with torch, and how it came out.

        Raises:
            DataError: the file exists, the weights were never evaluated or are damaged, the data
                set is not there or is another one, or a private file would hold an n-gram of an
                order above 3.
            MissingExtraError: a package of the training extra is not installed.
            VerificationError: the file does not compute what torch does; `out` is as it was.
        """
        run = self._loaded
        with training_extra("Run.export"):
            from nplm.export.onnxfile import export
        dataset = dataset_of(self.folder, self._facts, Path(data) if data else None, CURE)
        place = check_path("out", out)
        return export(run, dataset, place, novelty=novelty, private=private, force=force)

    def export_arpa(
        self, out: str | Path, *, force: bool = False, data: str | Path | None = None
    ) -> "ArpaProof":
        """Write its n-gram as an ARPA file, for KenLM and SRILM. Needs no torch.

        Args:
            out: the file.
            force: replace what exists.
            data: the folder of the data set trained on, where that has moved.

        Returns:
            What was computed again from the file, and how it came out.

        Raises:
            DataError: the run has no n-gram, the file exists, or the data set is not there or is
                another one.
            VerificationError: the file does not say what the n-gram has; `out` is as it was.
        """
        from nplm.export.arpa import export_arpa

        dataset = dataset_of(self.folder, self._facts, Path(data) if data else None, CURE)
        return export_arpa(self._facts, dataset, check_path("out", out), force=force)

    @cached_property
    def _loaded(self) -> "LoadedRun":
        with training_extra("the weights of a run"):
            from nplm.runs.opened import load_run
        return load_run(self.folder)
