"""Training from Python gives the run that the command gives, stopped and resumed or not."""

import io
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from rich.console import Console

import nplm
from nplm.config import MixtureConfig, ModelConfig, PresetName, RunConfig, TrainConfig
from nplm.errors import DataError, NotFoundError, UsageError
from nplm.presets import PRESETS, Settings, override, preset
from nplm.runs.layout import DATASET, LOSSES
from nplm.text.dataset import Dataset
from nplm.training.events import Evaluated, Stepped

pytestmark = pytest.mark.training
SETTINGS = [item for part in (ModelConfig, TrainConfig, MixtureConfig) for item in fields(part)]


def test_from_a_list_it_is_the_same_run_and_keeps_its_data(
    names: list[str], tiny_config: RunConfig, run_folder: Path, tmp_path: Path
) -> None:
    events: list[Any] = []
    run = nplm.train(names, tmp_path / "run", preset=tiny_config, on_event=events.append)
    assert (run.folder / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()
    assert [e for e in events if isinstance(e, Evaluated)] == run.metrics
    assert sum(len(e.losses) for e in events if isinstance(e, Stepped)) == 60
    assert [type(e).__name__ for e in (events[0], events[-1])] == ["Started", "Saved"]
    val = run.evaluate()
    run.folder.rename(tmp_path / "elsewhere")
    assert nplm.open_run(tmp_path / "elsewhere").evaluate() == val


def test_from_a_folder_the_data_stays_there(
    small: Dataset, small_folder: Path, tiny_config: RunConfig, tmp_path: Path
) -> None:
    run = nplm.train(small_folder, tmp_path / "a", preset=tiny_config, steps=20, seed=7)
    assert run.config == override(tiny_config, {"steps": 20, "seed": 7}, "")
    assert not (run.folder / DATASET).exists()
    same = nplm.train(small, tmp_path / "b", preset=run.config)
    assert same.evaluate() == run.evaluate()


def test_a_run_whose_callback_raised_is_resumed(
    names: list[str], tiny_config: RunConfig, run_folder: Path, tmp_path: Path
) -> None:
    """In the same process, while the traceback is alive: nothing holds the folder any more."""

    def stop(event: object) -> None:
        if isinstance(event, Stepped) and event.step == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nplm.train(names, tmp_path / "run", preset=tiny_config, on_event=stop)
    run = nplm.train(names, tmp_path / "run", resume=True)
    assert run.finished
    assert (run.folder / LOSSES).read_bytes() == (run_folder / LOSSES).read_bytes()
    shutil.rmtree(run.folder / DATASET)
    assert nplm.train(names, run.folder, preset=tiny_config, resume=True).evaluate()
    with pytest.raises(DataError, match="another data set"):
        nplm.train(names[1:], run.folder, resume=True)


def test_what_is_there_is_replaced_only_with_force(
    names: list[str], tiny_config: RunConfig, tmp_path: Path
) -> None:
    nplm.train(names, tmp_path / "run", preset=tiny_config, steps=20)
    with pytest.raises(DataError, match="already exists"):
        nplm.train(names, tmp_path / "run", preset=tiny_config)
    other = nplm.train(names[:500], tmp_path / "run", preset=tiny_config, steps=20, force=True)
    assert other.evaluate("train").symbols == nplm.build(names[:500]).symbols("train")
    (tmp_path / "mine" / DATASET).mkdir(parents=True)
    with pytest.raises(DataError, match="not a data set"):
        nplm.train(names, tmp_path / "mine", preset=tiny_config, force=True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": 5}, "^unknown setting 'hidden'; did you mean hidden_size"),
        ({"preset": "clasic"}, "choose classic"),
        ({"steps": -1}, "`steps` is -1"),
        ({"resume": True, "force": True}, "contradict"),
    ],
)
def test_what_makes_no_sense(names: list[str], tmp_path: Path, options: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        nplm.train(names, tmp_path / "run", **options)
    with pytest.raises(TypeError, match="`on_event` is 5"):
        nplm.train(names, tmp_path / "run", on_event=5)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_every_setting_and_every_preset_is_in_the_types() -> None:
    assert list(get_type_hints(Settings)) == [item.name for item in SETTINGS]
    assert list(get_args(PresetName)) == list(PRESETS)


def test_the_words_that_the_types_allow_are_allowed() -> None:
    base = {"draw": "notebook", "ngram_weight": "best"}
    for name, kind in get_type_hints(Settings).items():
        kinds = [kind, *get_args(kind)]
        for word in {word for part in kinds for word in get_args(part) if isinstance(word, str)}:
            override(preset(base.get(name, "default")), {name: word}, "")


def test_progress_is_nothing_where_there_is_no_terminal(
    names: list[str], tiny_config: RunConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nplm.train(names, tmp_path / "run", preset=tiny_config, steps=20, progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["terminal", "jupyter", "file"])
def test_a_bar_is_on_a_terminal_or_in_a_notebook(kind: str) -> None:
    from nplm.api.progressbar import RunBar

    console = Console(
        file=io.StringIO(), force_terminal=kind == "terminal", force_jupyter=kind == "jupyter"
    )
    assert RunBar(console, wanted=True)._bar.disable == (kind == "file")


def test_nothing_is_made_where_there_is_nothing_to_resume(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        nplm.train(names, tmp_path / "none", preset="classic", resume=True)
    assert not (tmp_path / "none").exists()
