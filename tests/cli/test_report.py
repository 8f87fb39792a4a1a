"""`nplm report`: the file, its command lines, what is refused. The page itself: tests/report."""

import html
import json
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nplm.cli.report import commands
from nplm.corpus.dataset import load

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "trained")]
RUN = "checkpoints/names"
PAGE = f"{RUN}/report.html"


def command_lines(page: Path) -> list[list[str]]:
    (block,) = re.findall(r"<pre>(.*?)</pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line) for line in html.unescape(block).strip().splitlines()]


def tables(folder: Path) -> dict[str, Any]:
    kept = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    return {part: kept[part] for part in ("preset", "model", "train", "mixture")} | {
        "sha256": kept["dataset"]["sha256"]
    }


def test_the_page_and_the_command_lines_on_it(nplm: "Nplm", trained: Path) -> None:
    """Typed in another folder with the list alone, they make the same run."""
    done = nplm.ok("report")
    size = (trained / PAGE).stat().st_size
    assert done.out == b""
    assert done.err.splitlines() == [f"using {RUN}", f"{PAGE}: {size:,} bytes"]
    lines = command_lines(trained / PAGE)
    assert [line[:2] for line in lines] == [
        *(["nplm", "dataset"], ["nplm", "train"], ["nplm", "eval"], ["nplm", "export"]),
    ]
    names = (trained / "data" / "names.txt").read_bytes()
    old = (trained / RUN).rename(trained / "old")
    shutil.rmtree(trained / "data")
    shutil.rmtree(trained / "exports")
    (trained / "names.txt").write_bytes(names)
    for _, *words in lines:
        nplm.ok(*words)
    assert tables(trained / RUN) == tables(old)
    for name in ("batch_loss.f32", "model.safetensors"):
        assert (trained / RUN / name).stat().st_size == (old / name).stat().st_size
    assert (trained / RUN / "batch_loss.f32").read_bytes() == (old / "batch_loss.f32").read_bytes()
    assert (trained / "exports" / "names.onnx").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--split 0.5,0.25,0.25 --seed 7",
        "--split-by line",
        "--distinct --normalize none",
        "--split 1,0,0",
        "--split 5e-1,1/2,0",
    ],
)
def test_the_command_line_of_a_data_set(nplm: "Nplm", trained: Path, options: str) -> None:
    text = "ana\nana\ne\u0301va\nmaria\nnina\nrosa\nrosa\n" * 3 + "one two\n"
    (trained / "my list.txt").write_text(text, "utf-8")
    nplm.ok("dataset", "build", "my list.txt", *options.split(), "--out", "data/my list")
    nplm.ok("train", "data/my list", *nplm.tiny, "--steps", "5", "--order", "2", "--out", "run")
    from nplm.training.facts import read_facts

    folder = trained / "data" / "my list"
    data = load(folder)
    build, *_ = commands(trained / "run", read_facts(trained / "run"), data)
    shutil.rmtree(folder)
    nplm.ok(*shlex.split(build)[1:])
    assert load(folder).sha256 == data.sha256


def test_force_and_out(nplm: "Nplm", trained: Path) -> None:
    (trained / PAGE).write_bytes(b"old")
    nplm.refuses(3, "report", says=(f"{PAGE} already exists", "--force"))
    nplm.ok("report", "--force")
    new = (trained / PAGE).read_bytes()
    nplm.ok("report", RUN, "--out", "deep/a.html")
    assert (trained / "deep" / "a.html").read_bytes() == new != b"old"


def test_an_output_that_cannot_be_written(nplm: "Nplm", trained: Path) -> None:
    (trained / "file").touch()
    nplm.refuses(3, "report", RUN, "--out", "file/a.html", says=("file/a.html",))


def test_no_run(nplm: "Nplm", trained: Path) -> None:
    nplm.refuses(3, "report", "no", says=("no run in no", "nplm train"))
    shutil.rmtree(trained / "checkpoints")
    nplm.refuses(3, "report", says=("checkpoints/", "nplm train"))


def test_data_that_has_moved_is_gone_or_is_another(nplm: "Nplm", trained: Path) -> None:
    (trained / "data" / "names").rename(trained / "moved")
    nplm.refuses(3, "report", RUN, says=("no data set in", "data/names"))
    nplm.ok("report", RUN, "--data", "moved")
    nplm.ok("dataset", "build", "--seed", "1")
    says = ("data/names is not the data set", RUN, "--data DIR")
    nplm.refuses(3, "report", RUN, "--force", says=says)


def test_it_is_no_look_at_test(nplm: "Nplm", trained: Path) -> None:
    nplm.ok("report", "--out", "a.html")
    assert not (trained / RUN / "test_looks.jsonl").exists()
    assert "not looked at" in (trained / "a.html").read_text(encoding="utf-8")
    nplm.ok("eval", RUN, "--split", "test")
    nplm.ok("report", "--out", "b.html")
    assert "looked at 1 time" in (trained / "b.html").read_text(encoding="utf-8")


def test_damaged_files(nplm: "Nplm", trained: Path) -> None:
    path = trained / RUN / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    nplm.refuses(3, "report", RUN, says=("model.safetensors",))
    path.unlink()
    (trained / RUN / "metrics.jsonl").write_bytes(json.dumps({"step": 1}).encode() + b"\n")
    nplm.refuses(3, "report", RUN, says=("metrics.jsonl",))


@pytest.mark.parametrize("preset_name", ["ngram", "best"])
def test_an_n_gram_and_a_mixture(nplm: "Nplm", trained: Path, preset_name: str) -> None:
    options = ("--preset", preset_name, "--order", "3", "--steps", "5")
    assert nplm.train(*options, "--out", "run").code == 0
    nplm.ok("report", "run")
    _, train, *_ = command_lines(trained / "run" / "report.html")
    nplm.ok(*train[1:])
    assert tables(trained / "checkpoints" / "run") == tables(trained / "run")
