"""A run opened from Python: its figures are those of the command, its export opens."""

import pickle
import shutil
from pathlib import Path

import pytest

import nplm
from nplm.api.openrun import Run
from nplm.config import RunConfig
from nplm.errors import DataError, UsageError
from nplm.runs.looks import looks
from nplm.text.dataset import Dataset

pytestmark = pytest.mark.training


@pytest.fixture
def run(run_folder: Path, small_folder: Path, tmp_path: Path) -> Run:
    """A copy, beside its data set as the original is."""
    shutil.copytree(run_folder, tmp_path / "checkpoints" / "names")
    data = tmp_path / small_folder.parent.name / small_folder.name
    shutil.copytree(small_folder, data)
    return nplm.open_run(tmp_path / "checkpoints" / "names")


def test_what_it_is(run: Run, tiny_config: RunConfig, small: Dataset) -> None:
    assert run.config == tiny_config
    assert run.card.dataset_sha256 == small.sha256
    assert [evaluation.step for evaluation in run.metrics] == [20, 40, 60]
    assert run.finished


def test_its_evaluation_is_the_best_that_was_logged(run: Run) -> None:
    best = min(run.metrics, key=lambda e: e.val_nats_per_symbol or 0)
    assert run.evaluate().per_symbol == pytest.approx(best.val_nats_per_symbol, rel=1e-12)
    train = run.evaluate("train").per_symbol
    assert train == pytest.approx(best.train_nats_per_symbol, rel=1e-12)
    with pytest.raises(UsageError, match="`split` is 'dev'"):
        run.evaluate("dev")  # type: ignore[arg-type]


def test_a_look_at_test_counts_on_its_own_data_alone(run: Run, names: list[str]) -> None:
    run.evaluate("test", data=nplm.build(names, seed=1))
    run.evaluate("val")
    assert looks(run.folder) == 0
    run.evaluate("test")
    assert looks(run.folder) == 1


def test_its_export_opens_and_is_not_replaced_unasked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "names.onnx"
    proof = run.export(file)
    assert proof.largest <= proof.tolerance
    strings = [string.text for string in nplm.load(file).sample(5, novel=True)]
    assert len(strings) == 5
    with pytest.raises(DataError, match=r"already exists; give `force=True` .* another `out`"):
        run.export(file)
    assert run.export(file, novelty=False, force=True).novelty is None


def test_data_that_has_moved(run: Run, names: list[str], tmp_path: Path) -> None:
    place = run._facts.dataset_folder(run.folder)
    place.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="no data set in"):
        run.evaluate()
    assert run.evaluate(data=tmp_path / "moved") == run.evaluate(data=nplm.build(names))
    assert run.export(tmp_path / "a.onnx", data=tmp_path / "moved").contexts
    nplm.build(names, seed=1, out=place)
    with pytest.raises(DataError, match="is not the data set"):
        run.evaluate()
    with pytest.raises(DataError, match="is not the data set"):
        run.export(tmp_path / "b.onnx", data=place)


def test_it_is_pickled_by_its_path(run: Run) -> None:
    run.evaluate()
    again = pickle.loads(pickle.dumps(run))
    assert (again.folder, again.config) == (run.folder, run.config)
    assert len(pickle.dumps(run)) < 1000


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no run in"):
        nplm.open_run(tmp_path)


def test_a_file_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "names.onnx").write_bytes(b"")
    with pytest.raises(nplm.errors.NotFoundError, match="there is no run in"):
        nplm.open_run(tmp_path / "names.onnx")
