"""The layers: what imports what, read from the sources and seen in a fresh interpreter."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nplm
from layers import ALLOWED, GROUND, SOURCE, arrows_up, files, functions, top_of
from nplm.extras import TRAIN_EXTRA

HEAVY = TRAIN_EXTRA
COMPAT = Path(__file__).parent / "compat" / "0.1.0"


def test_no_arrow_goes_back_up() -> None:
    assert arrows_up(SOURCE) == {}


def test_every_room_and_every_module_of_the_ground_is_in_the_list() -> None:
    assert top_of(SOURCE) == GROUND | set(ALLOWED) - {"ground"}


def test_no_two_modules_have_one_name() -> None:
    """So that nobody imports one as another word; a command's file is named after the command."""
    names = [path.stem for path in SOURCE.rglob("*.py") if path.parent.name != "cli"]
    twice = {name for name in names if names.count(name) > 1}
    assert twice == {"__init__"}


def test_no_function_outside_the_commands_is_longer_than_40_lines() -> None:
    """Docstrings apart. What a command's options take to declare is not counted either."""
    outside = [path for _, room, path in files(SOURCE) if room != "cli"]
    long = {name: lines for path in outside for lines, name in functions(path) if lines > 40}
    assert long == {}


@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        ("files.py", "from nplm.text import dataset", "nplm.text"),
        ("counts/info.py", "from nplm import training", "nplm.training"),
        ("counts/info.py", "import nplm.attic.old", "nplm.attic.old"),
        ("counts/info.py", "from nplm import load", "nplm.load"),
        ("counts/info.py", "from ..runtime import model", "nplm.runtime"),
        ("counts/info.py", "from .. import cli", "nplm.cli"),
        ("counts/info.py", "def f():\n    import torch.nn", "torch.nn"),
        ("counts/info.py", "import onnxruntime", "onnxruntime"),
        ("runtime/model.py", "from nplm.counts.info import describe", "nplm.counts.info"),
        ("training/trainer.py", "from nplm.report.page import render", "nplm.report.page"),
        ("attic/old.py", "from nplm import files", "nplm.files"),
        ("new.py", "from nplm.text.vocab import Vocab", "nplm.text.vocab"),
    ],
)
def test_an_arrow_that_goes_back_up_is_found(
    tmp_path: Path, file: str, line: str, wrong: str
) -> None:
    """Also one out of or into a room that is in no list."""
    for name in (*GROUND, *(f"{room}/__init__" for room in [*ALLOWED, "attic"])):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("from nplm.errors import NplmError\n" * (name in GROUND), "utf-8")
    assert arrows_up(tmp_path) == {}
    (tmp_path / file).write_text(f"from nplm import __version__\n{line}\n", encoding="utf-8")
    (name, modules), *others = arrows_up(tmp_path).items()
    assert name == f"nplm.{file.removesuffix('.py').replace('/', '.')}"
    assert wrong in modules
    assert not others


def all_after(code: str, cwd: Path) -> set[str]:
    """Modules that a fresh interpreter has loaded after `code`."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def modules_after(code: str, cwd: Path) -> set[str]:
    """The top-level ones."""
    return {name.partition(".")[0] for name in all_after(code, cwd)}


def ends(words: list[str], code: int = 0) -> str:
    """Code of `nplm WORDS`, which ends with that exit code."""
    return (
        f"sys.argv = ['nplm', *{words!r}]\nfrom nplm.cli.main import main\n"
        f"try:\n    main()\nexcept SystemExit as done:\n    assert (done.code or 0) == {code}"
    )


def modules_after_command(words: list[str], cwd: Path, code: int = 0) -> set[str]:
    return modules_after(ends(words, code), cwd)


def test_generate_loads_nothing_of_the_training_half(tiny_model: Path, tmp_path: Path) -> None:
    loaded = modules_after_command(["generate", str(tiny_model), "-n", "3"], tmp_path)
    assert "onnxruntime" in loaded
    assert not loaded & (HEAVY | {"rich"})  # which draws on terminals


def test_a_command_loads_no_other(tiny_model: Path, tmp_path: Path) -> None:
    loaded = all_after(ends(["generate", str(tiny_model)]), tmp_path)
    assert "nplm.cli.generate" in loaded
    assert not loaded & {
        f"nplm.cli.{name}" for name in ("dataset", "evaluate", "settings", "train")
    }


@pytest.mark.parametrize(
    "command",
    [
        "eval {model} --data {data} --split test",
        "score {model} {names}",
        "suggest {model} mar",
        "doctor",
        "sweep --help",
        "plot --help",
        "report --help",
    ],
)
def test_what_draws_is_loaded_only_to_draw(
    tiny_model: Path, small_folder: Path, names_file: Path, tmp_path: Path, command: str
) -> None:
    model = shutil.copy(tiny_model, tmp_path)  # a look at test is recorded beside it
    words = command.format(model=model, data=small_folder, names=names_file).split()
    may = {"torch"} if command == "doctor" else set()  # to name its devices
    assert not modules_after_command(words, tmp_path) & (HEAVY - may)


def test_help_loads_no_arrays(tmp_path: Path) -> None:
    loaded = modules_after_command(["--help"], tmp_path)
    assert not loaded & (HEAVY | {"numpy", "onnxruntime"})


def test_a_log_of_evaluations_is_read_without_torch(tmp_path: Path) -> None:
    code = "from nplm.training.events import Evaluated; Evaluated(1, 0.0, 2.0, None, 0.1)"
    assert not modules_after(code, tmp_path) & (HEAVY | {"numpy"})


def test_generate_runs_with_a_torch_that_cannot_be_imported(
    tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')\n")
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        f"sys.argv = ['nplm', 'generate', {str(tiny_model)!r}]\n"
        "from nplm.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 20), done.stderr


def test_a_run_is_read_without_the_training_half(tmp_path: Path) -> None:
    """Facts, how far it came, its log, looks at test; and what became of the trials of a sweep."""
    code = f"""
from pathlib import Path
sys.modules.update(dict.fromkeys({sorted(HEAVY)!r}))
from nplm.runs.facts import read_facts
from nplm.runs.header import is_evaluated, is_finished
from nplm.runs.looks import looks
from nplm.runs.metrics import batch_losses, metrics
from nplm.runs.trials import best, results
folder = Path({str(COMPAT / "checkpoints")!r})
names, stopped = folder / "names", folder / "stopped"
steps = read_facts(names).config.steps
assert len(batch_losses(names)) == steps == metrics(names)[-1].step
assert is_finished(names) and is_evaluated(names) and not is_finished(stopped)
assert (looks(names), looks(folder / 'ngram')) == (0, 1)
assert best(results(folder / "names-sweep")).status == "done"
"""
    modules_after(code, tmp_path)


@pytest.mark.training
@pytest.mark.parametrize(
    ("command", "ends"),
    [
        ("plot loss checkpoints/names", 0),
        ("plot sweep", 0),
        ("report checkpoints/ngram", 0),  # its evaluations are removed: it has no more than curves
        ("report checkpoints/no", 3),
        ("report checkpoints/names --data data/lesson", 3),
        ("report checkpoints/names --out data/names.txt", 3),
    ],
)
def test_what_needs_no_weights_loads_no_torch(tmp_path: Path, command: str, ends: int) -> None:
    shutil.copytree(COMPAT, tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoints" / "ngram" / "metrics.jsonl").unlink()
    loaded = modules_after_command(command.split(), tmp_path, ends)
    assert not loaded & (HEAVY - {"matplotlib", "jinja2"})


def test_importing_nplm_loads_nothing() -> None:
    """Not even what takes time in Python: until `main` runs, a Ctrl-C is a traceback."""
    code = """
import sys
before = set(sys.modules)
import nplm
print(*sorted(set(sys.modules) - before), issubclass(nplm.errors.DataError, Exception))
"""
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, cwd=SOURCE.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "nplm True\n"
    with pytest.raises(AttributeError, match="no attribute 'eroors'"):
        nplm.eroors  # type: ignore[attr-defined] # noqa: B018


def test_from_python_too_only_weights_need_the_training_half(tmp_path: Path) -> None:
    code = f"""
sys.modules.update(dict.fromkeys({sorted(HEAVY)!r}))
import nplm
from nplm.errors import MissingExtraError
assert nplm.build(["anna", "maria"], split=(1, 0, 0)).strings("train") == 2
run = nplm.open_run({str(COMPAT / "checkpoints" / "names")!r})
assert run.finished and run.metrics[-1].step == run.config.steps
for needs in (run.evaluate, lambda: run.export("a.onnx"), lambda: nplm.train(["anna"], "run")):
    try:
        needs()
    except MissingExtraError as error:
        assert "pip install" in str(error)
    else:
        raise AssertionError
"""
    modules_after(code, tmp_path)
