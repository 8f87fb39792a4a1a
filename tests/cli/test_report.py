"""`nplm report`: the file, its command lines, what is refused. The page itself: tests/report."""

import html
import json
import re
import shlex
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nplm.cli.report import commands
from nplm.text.datafolder import load

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "trained")]
RUN = "checkpoints/names"
PAGE = f"{RUN}/report.html"


def command_lines(page: Path) -> str:
    (block,) = re.findall(r"<pre>(.*?)</pre>", page.read_text(encoding="utf-8"), re.DOTALL)
    return html.unescape(block).strip()


def same_run(one: Path, two: Path) -> None:
    assert tables(one) == tables(two)
    losses, weights = (
        [(folder / name).read_bytes() for folder in (one, two)]
        for name in ("batch_loss.f32", "model.safetensors")
    )
    assert losses[0] == losses[1]
    assert len(weights[0]) == len(weights[1])


def tables(folder: Path) -> dict[str, Any]:
    kept = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    return {part: kept[part] for part in ("preset", "model", "train", "mixture")} | {
        "sha256": kept["dataset"]["sha256"]
    }


def test_the_page_and_the_command_lines_on_it(nplm: "Nplm", trained: Path) -> None:
    """Pasted where the run was made they leave it as it is, and make another that is the same."""
    nplm.ok("dataset", "build", "--force")
    done = nplm.ok("report")
    size = (trained / PAGE).stat().st_size
    assert done.out == b""
    assert done.err.splitlines() == [f"using {RUN}", f"{PAGE}: {size:,} bytes"]
    lines = nplm.pasted(command_lines(trained / PAGE))
    assert [line[0] for line in lines] == ["dataset", "train", "eval", "export"]
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    for words in lines:
        nplm.ok(*words)
    assert {path: path.read_bytes() for path in before} == before
    same_run(trained / "again" / RUN, trained / RUN)
    nplm.ok("export", "onnx", "--force")
    one, two = (trained / folder / "exports" / "names.onnx" for folder in (".", "again"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("known", [True, False], ids=["now", "0.1.0"])
def test_a_list_in_a_folder_and_names_with_spaces(nplm: "Nplm", trained: Path, known: bool) -> None:
    """A data set of 0.1.0 knows the name of its list alone: that is looked for where one types."""
    there = replace(nplm, cwd=trained / "my folder")
    lists = there.cwd / "my lists"
    lists.mkdir(parents=True)
    (trained / "data" / "names.txt").rename(lists / "it's names.txt")
    there.ok("dataset", "build", "my lists/it's names.txt", "--out", "data/my names")
    if not known:
        described = there.cwd / "data" / "my names" / "dataset.json"
        facts = json.loads(described.read_bytes())
        assert facts["source"].pop("path") == "my lists/it's names.txt"
        described.write_text(json.dumps(facts), "utf-8")
        (lists / "it's names.txt").rename(there.cwd / "it's names.txt")
    options = ("--preset", "ngram", "--order", "2", "--out", "deep/my run")
    assert there.train("data/my names", *options).code == 0
    there.ok("report", "deep/my run")
    for words in there.pasted(command_lines(there.cwd / "deep" / "my run" / "report.html")):
        there.ok(*words)
    same_run(there.cwd / "again" / "checkpoints" / "my run", there.cwd / "deep" / "my run")
    assert (there.cwd / "again" / "exports" / "my run.onnx").exists()


def test_a_list_that_train_made_a_data_set_of(nplm: "Nplm", trained: Path) -> None:
    (trained / "lists").mkdir()
    (trained / "data" / "names.txt").rename(trained / "lists" / "few.txt")
    assert nplm.train("lists/few.txt", "--preset", "ngram", "--order", "2").code == 0
    nplm.ok("report", "checkpoints/few", "--out", "a.html")
    build, train, *_ = nplm.pasted(command_lines(trained / "a.html"))
    assert build[:3] == ["dataset", "build", "lists/few.txt"]
    nplm.ok(*build)
    nplm.ok(*train)


@pytest.mark.parametrize(
    "options",
    [
        "--split 0.5,0.25,0.25 --seed 7",
        "--split-by line",
        "--distinct --normalize none",
        "--split 1,0,0",
        "--split 5e-1,1/2,0",
        "--min-count 3",
    ],
)
def test_the_command_line_of_a_data_set(nplm: "Nplm", trained: Path, options: str) -> None:
    text = "ana\nana\ne\u0301va\nmaria\nnina\nrosa\nrosa\n" * 3 + "one two\n"
    (trained / "my list.txt").write_text(text, "utf-8")
    nplm.ok("dataset", "build", "my list.txt", *options.split(), "--out", "data/my list")
    nplm.ok("train", "data/my list", *nplm.tiny, "--steps", "5", "--order", "2", "--out", "run")
    from nplm.runs.facts import read_facts

    data = load(trained / "data" / "my list")
    build, *_ = commands(trained / "run", read_facts(trained / "run"), data)
    (words,) = nplm.pasted(build)
    nplm.ok(*words)
    assert load(trained / "again" / "data" / "my list").sha256 == data.sha256


def test_the_command_lines_of_a_run_made_in_python(nplm: "Nplm", trained: Path) -> None:
    """There is no file to build its data set of: they begin with that of the run."""
    import nplm as package
    from nplm.runs.facts import read_facts

    strings = [f"{a}{b}a" for a in "abcd" for b in "efgh"]
    run = package.train(strings, trained / "run", preset="classic", steps=3)
    data = load(trained / "run" / "dataset")
    first, *_ = commands(run.folder, read_facts(run.folder), data)
    (words,) = nplm.pasted(first)
    assert words[:2] == ["train", str(trained / "run" / "dataset")]
    nplm.ok(*words)


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
    nplm.ok("dataset", "build", "--force")
    options = ("--preset", preset_name, "--order", "3", "--steps", "5")
    assert nplm.train(*options, "--out", "run").code == 0
    nplm.ok("report", "run")
    build, train, *_ = nplm.pasted(command_lines(trained / "run" / "report.html"))
    nplm.ok(*build)
    nplm.ok(*train)
    same_run(trained / "again" / "checkpoints" / "run", trained / "run")


@pytest.mark.parametrize("document", ["line", "stream"])
def test_a_run_of_words(nplm: "Nplm", document: str) -> None:
    """From files of its splits to a page, whose commands build the same data set again."""
    lines = [f"the {name} sat on the {other} ." for name in NAMES for other in NAMES]
    for k, name in enumerate(("train", "val")):
        text = "\n".join(lines[k::2]) + "\n"
        (nplm.cwd / f"{name}.txt").write_text(text, encoding="utf-8")
    files = ("--train", "train.txt", "--val", "val.txt")
    options = ("--level", "word", "--document", document, "--min-count", "2", "--count-on", "all")
    nplm.ok("dataset", "build", *files, *options, "--out", "data/words")
    nplm.ok("train", "data/words", *QUICK, "--out", "checkpoints/words")
    nplm.ok("plot", "embedding", "checkpoints/words", "--out", "embedding.png")
    nplm.ok("report", "checkpoints/words", "--out", "page.html")
    page = (nplm.cwd / "page.html").read_text(encoding="utf-8")
    again = html.unescape(re.search(r"nplm (dataset build .*)", page)[1])
    assert again.startswith("dataset build --train train.txt --val val.txt --level word ")
    words = shlex.split(again)
    nplm.ok(*words)
    built, made = (
        json.loads((nplm.cwd / folder / "dataset.json").read_bytes())
        for folder in ("data/words", words[words.index("--out") + 1])
    )
    assert built == made


NAMES = ["cat", "dog", "bird", "mouse", "cow"]
QUICK = ("--steps", "6", "--eval-every", "3", "--hidden-size", "8", "--embedding-size", "3")
