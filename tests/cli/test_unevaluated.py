"""A run that stopped before its first evaluation: no weights of it have been chosen by anything."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nplm.config import RunConfig
from nplm.text.dataset import Dataset

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread")]
RUN, WEIGHTS = "checkpoints/names", "model.safetensors"


def as_0_1_0_left_it(folder: Path) -> None:
    """It saved the weights of step 0, in both files, before anything was evaluated."""
    from nplm.runs.checkpoint import Writer
    from nplm.runs.header import read_header
    from nplm.runs.layout import BEST, LAST
    from nplm.runs.tensorfile import read_tensors, write_tensors

    writer = Writer(folder)
    _, tensors = read_tensors(folder / LAST, writer._hashes)
    names = [name.removeprefix("weights.") for name in tensors if name.startswith("weights.")]
    first = {name: tensors[f"weights.{name}"].clone().zero_() for name in names}
    keys = ("step", "train_seconds", "best_step", "best_nats")
    numbers = {key: float(read_header(folder / LAST)[key]) for key in keys}
    numbers |= {key: int(numbers[key]) for key in ("step", "best_step")}
    assert numbers["best_step"] == 0
    tensors |= {f"best.{name}": tensor for name, tensor in first.items()}
    write_tensors(folder / LAST, numbers, writer._hashes, tensors)
    write_tensors(folder / BEST, {"step": 0}, writer._hashes, first)


def as_it_is(_: Path) -> None:
    pass


def killed_before_a_save(folder: Path) -> None:
    (folder / "last.safetensors").unlink()
    (folder / WEIGHTS).unlink(missing_ok=True)


def evaluated_but_not_saved(folder: Path) -> None:
    """A kill between the line of an evaluation and the next save, as 0.1.0 left it."""
    as_0_1_0_left_it(folder)
    line = (
        '{"step": 20, "train_seconds": 0.1, "train_nats_per_symbol": 2.5, '
        '"val_nats_per_symbol": 2.5, "learning_rate": 0.1}\n'
    )
    (folder / "metrics.jsonl").write_text(line, encoding="utf-8")


def stopped_after(steps: int) -> Callable[[], bool]:
    asked = iter(range(steps))
    return lambda: next(asked, None) is None


def train(home: Path, config: RunConfig, small: Dataset, steps: int) -> None:
    from nplm.runs import run

    stop = stopped_after(steps)
    list(run.train(home / RUN, config, small, home / "data" / "names", stop=stop))


@pytest.fixture(
    params=[as_it_is, as_0_1_0_left_it, killed_before_a_save, evaluated_but_not_saved],
    ids=lambda state: state.__name__,
)
def unevaluated(
    home: Path, tiny_config: RunConfig, small: Dataset, request: pytest.FixtureRequest
) -> Path:
    train(home, tiny_config, small, 10)
    request.param(home / RUN)
    return home


@pytest.mark.parametrize(
    "command",
    [
        f"eval {RUN}",
        f"export onnx {RUN} --out mine.onnx",
        f"generate {RUN} --runtime torch",
        f"plot embedding {RUN} --out mine.svg",
    ],
)
@pytest.mark.usefixtures("unevaluated")
def test_its_weights_are_not_used(nplm: "Nplm", command: str) -> None:
    line = nplm.refuses(3, *command.split(), says=(RUN, "never evaluated"))
    assert line.endswith("; go on: nplm train data/names --out checkpoints/names --resume")


def test_what_it_says_helps(nplm: "Nplm", unevaluated: Path, finished: Path) -> None:
    """Gone on with, it is the run that was never stopped."""
    from nplm.runs.layout import LOSSES
    from nplm.runs.opened import load_run

    line = nplm.refuses(3, "eval", RUN)
    nplm.ok(*shlex.split(line.partition("go on: nplm ")[2]))
    whole, resumed = finished / RUN, unevaluated / RUN
    assert (resumed / LOSSES).read_bytes() == (whole / LOSSES).read_bytes()
    expected, found = load_run(whole).module.state_dict(), load_run(resumed).module.state_dict()
    assert all(expected[name].equal(found[name]) for name in expected)


def test_a_report_has_its_curves_alone(nplm: "Nplm", unevaluated: Path) -> None:
    nplm.ok("report", RUN)
    page = (unevaluated / RUN / "report.html").read_text(encoding="utf-8")
    assert "This run is not finished" in page
    assert "What it writes" not in page


@pytest.mark.parametrize("steps", [0, 19])
def test_no_weights_are_kept_before_an_evaluation(
    home: Path, tiny_config: RunConfig, small: Dataset, steps: int
) -> None:
    train(home, tiny_config, small, steps)
    assert not (home / RUN / WEIGHTS).exists()
    assert (home / RUN / "last.safetensors").exists()


def test_stopped_after_an_evaluation_it_is_used_as_ever(
    nplm: "Nplm", home: Path, tiny_config: RunConfig, small: Dataset
) -> None:
    train(home, tiny_config, small, 30)
    (logged,) = (home / RUN / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = nplm.ok("eval", RUN, "--json").json["nats_per_symbol"]
    assert f'"val_nats_per_symbol": {found!r}' in logged
    nplm.ok("export", "onnx", RUN, "--out", "mine.onnx")
    assert nplm.ok("generate", "mine.onnx").out == (
        nplm.ok("generate", RUN, "--runtime", "torch").out
    )


def test_an_n_gram_is_evaluated_at_step_0(nplm: "Nplm", home: Path) -> None:
    assert nplm.train("--preset", "ngram", "--order", "4").code == 0
    assert re.match(r'\{"step": 0, ', (home / RUN / "metrics.jsonl").read_text(encoding="utf-8"))
    nplm.ok("eval", RUN)


def test_a_finished_run_without_its_logs_still_has_a_summary(nplm: "Nplm", trained: Path) -> None:
    (trained / RUN / "metrics.jsonl").unlink()
    done = nplm.ok("train", "--resume", "--device", "cpu")
    assert f"run: {RUN}" in done.err
    assert done.err.endswith("next: nplm export onnx\n")


def test_weights_that_are_lost_are_written_again(nplm: "Nplm", trained: Path) -> None:
    before = nplm.ok("eval", RUN).out
    (trained / RUN / WEIGHTS).unlink()
    line = nplm.refuses(3, "eval", RUN, says=(f"there is no {RUN}/{WEIGHTS}",))
    nplm.ok(*shlex.split(line.partition("writes it again: nplm ")[2]))
    assert nplm.ok("eval", RUN).out == before


def diverging(nplm: "Nplm", *options: str) -> str:
    done = nplm.train("--optimizer", "sgd", "--activation", "relu", *options)
    assert (done.code, done.out) == (8, b"")
    _, _, line = done.err.splitlines()  # the data set and the size of the network
    assert line.startswith("nplm: ")
    assert "not finite at step" in line
    assert "--learning-rate" in line
    return line


def test_diverged_before_an_evaluation_nothing_is_kept(nplm: "Nplm", home: Path) -> None:
    line = diverging(nplm, "--learning-rate", "1e30")
    assert "there are no best weights: nothing was evaluated before" in line
    assert not (home / RUN / WEIGHTS).exists()
    nplm.refuses(3, "eval", RUN, says=("never evaluated",))


@pytest.mark.parametrize("options", [(), ("--preset", "best", "--order", "4")], ids=" ".join)
def test_diverged_after_an_evaluation_the_best_is_kept(
    nplm: "Nplm", home: Path, options: tuple[str, ...]
) -> None:
    from nplm.runs.metrics import metrics

    line = diverging(nplm, "--learning-rate", "300", "--eval-every", "1", *options)
    vals = {e.step: e.val_nats_per_symbol or 0.0 for e in metrics(home / RUN)}
    best = min(vals, key=vals.__getitem__)
    assert f"the best weights are those of step {best}" in line
    assert nplm.ok("eval", RUN, "--json").json["nats_per_symbol"] == vals[best]


def test_an_evaluation_that_is_not_finite_is_no_evaluation(nplm: "Nplm", home: Path) -> None:
    """The parameters are finite, but what they give is not."""
    line = diverging(nplm, "--learning-rate", "1e30", "--eval-every", "1")
    assert "at step 1;" in line
    assert "best weights" in line
    assert not (home / RUN / "metrics.jsonl").exists()


def test_a_header_that_lacks_its_step_is_damaged(nplm: "Nplm", trained: Path) -> None:
    path = trained / RUN / "last.safetensors"
    shutil.copytree(trained / RUN, trained / "checkpoints" / "whole")
    path.write_bytes(path.read_bytes().replace(b'"step"', b'"stop"'))
    nplm.refuses(3, "train", "--resume", says=("last.safetensors is damaged",))
    assert "using checkpoints/whole" in nplm.ok("eval").err


def test_what_is_typed_is_what_there_is(
    nplm: "Nplm", home: Path, tiny_config: RunConfig, small: Dataset
) -> None:
    """Names with spaces are quoted; a data set elsewhere is named in full."""
    from nplm.runs import run

    options: dict[str, Any] = {"stop": stopped_after(3)}
    there, data = home / "my run", home.parent / f"{home.name} data"
    shutil.copytree(home / "data" / "names", data)
    list(run.train(there, tiny_config, small, data, **options))
    line = nplm.refuses(3, "eval", "my run")
    assert line.endswith(f"go on: nplm train '{data.resolve()}' --out 'my run' --resume")
    nplm.ok(*shlex.split(line.partition("go on: nplm ")[2]))
