"""The layers: what imports what, read from the sources and seen in a fresh interpreter."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nplm

SOURCE = Path(nplm.__file__).parent
GROUND = {"errors", "config", "files", "vocab", "textids", "stepmodel", "presets"}
ALLOWED = {
    "ground": {"ground"},
    "corpus": {"ground", "corpus"},
    "runtime": {"ground", "runtime"},
    "training": {"ground", "corpus", "runtime", "training"},
    "report": {"ground", "corpus", "runtime", "training", "report"},
    "cli": {"ground", "corpus", "runtime", "training", "report", "cli"},
}
HEAVY = {"torch", "onnx", "onnxscript", "matplotlib", "safetensors", "jinja2"}


def room(module: str) -> str:
    first = module.removeprefix("nplm").lstrip(".").partition(".")[0]
    return "ground" if first in GROUND or not first else first


def imports(path: Path) -> set[str]:
    """Every module imported anywhere in a file, bodies included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_arrow_goes_back_up(path: Path) -> None:
    relative = path.relative_to(SOURCE)
    own = "ground" if len(relative.parts) == 1 else relative.parts[0]
    own = "runtime" if path == SOURCE / "__init__.py" else own  # the door of the Python side
    reached = {
        room(module) for module in imports(path) if module.partition(".")[0] == "nplm"
    } & set(ALLOWED)
    assert reached <= ALLOWED[own]
    if own in {"ground", "corpus", "runtime"}:
        assert not {module.partition(".")[0] for module in imports(path)} & HEAVY


def modules_after(code: str, cwd: Path) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `code`."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


def test_generate_loads_nothing_of_the_training_half(tiny_model: Path, tmp_path: Path) -> None:
    code = (
        f"sys.argv = ['nplm', 'generate', {str(tiny_model)!r}, '-n', '3']\n"
        "from nplm.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code"
    )
    loaded = modules_after(code, tmp_path)
    assert "onnxruntime" in loaded
    assert not loaded & HEAVY


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
    code = (
        f"sys.argv = ['nplm', *{words!r}]\nfrom nplm.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code"
    )
    may = {"torch"} if command == "doctor" else set()  # to name its devices
    assert not modules_after(code, tmp_path) & (HEAVY - may)


def test_help_loads_no_arrays(tmp_path: Path) -> None:
    code = (
        "sys.argv = ['nplm', '--help']\nfrom nplm.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code"
    )
    assert not modules_after(code, tmp_path) & (HEAVY | {"numpy", "onnxruntime"})


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
