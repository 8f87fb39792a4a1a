"""`nplm plot`: files, their names and what is refused. What is in a picture: tests/report."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "trained")]
RUN = "checkpoints/names"
KINDS = ["loss", "embedding"]


def assert_picture(path: Path) -> None:
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_beside_the_run(nplm: "Nplm", trained: Path, kind: str) -> None:
    done = nplm.ok("plot", kind)
    assert done.out == b""
    assert done.err.splitlines() == [f"using {RUN}", f"{RUN}/{kind}.png"]
    assert_picture(trained / RUN / f"{kind}.png")
    says = (f"{RUN}/{kind}.png already exists", "--force")
    nplm.refuses(3, "plot", kind, says=says)
    (trained / RUN / f"{kind}.png").write_bytes(b"old")
    nplm.ok("plot", kind, "--force")
    assert_picture(trained / RUN / f"{kind}.png")


@pytest.mark.parametrize("kind", KINDS)
def test_svg(nplm: "Nplm", trained: Path, kind: str) -> None:
    nplm.ok("plot", kind, RUN, "--out", "deep/a.svg")
    nplm.ok("plot", kind, RUN, "--out", "deep/b.svg")
    one, two = ((trained / "deep" / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert one == two
    assert ET.fromstring(one).tag.endswith("svg")


@pytest.mark.parametrize("kind", [*KINDS, "sweep"])
@pytest.mark.parametrize("name", ["a.jpg", "a", "a.pdf"])
def test_other_endings(nplm: "Nplm", kind: str, name: str) -> None:
    nplm.refuses(2, "plot", kind, RUN, "--out", name, says=(name, ".png or .svg"))


@pytest.mark.parametrize("kind", KINDS)
def test_no_run(nplm: "Nplm", trained: Path, kind: str) -> None:
    nplm.refuses(3, "plot", kind, "no", says=("no run in no", "nplm train"))
    shutil.rmtree(trained / "checkpoints")
    nplm.refuses(3, "plot", kind, says=("checkpoints/", "nplm train"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_cannot_be_written(nplm: "Nplm", trained: Path, kind: str) -> None:
    (trained / "file").touch()
    nplm.refuses(3, "plot", kind, RUN, "--out", "file/a.png", says=("file/a.png",))


def test_no_sweep(nplm: "Nplm") -> None:
    nplm.refuses(3, "plot", "sweep", says=("no sweep under checkpoints/", "nplm sweep"))
    nplm.refuses(3, "plot", "sweep", RUN, says=("no sweep in", RUN))


def test_a_sweep_of_which_nothing_has_ended(nplm: "Nplm", trained: Path) -> None:
    (trained / "s").mkdir()
    (trained / "s" / "sweep.jsonl").touch()
    nplm.refuses(3, "plot", "sweep", "s", says=("no trial of s has ended",))


def test_a_run_without_evaluations(nplm: "Nplm", trained: Path) -> None:
    (trained / RUN / "metrics.jsonl").unlink()
    nplm.ok("plot", "loss", RUN)
    assert_picture(trained / RUN / "loss.png")


def test_a_run_without_losses(nplm: "Nplm", trained: Path) -> None:
    (trained / RUN / "batch_loss.f32").unlink()
    nplm.ok("plot", "loss", RUN)
    assert_picture(trained / RUN / "loss.png")
    (trained / RUN / "metrics.jsonl").unlink()
    says = (f"{RUN} has logged no loss", "--resume")
    nplm.refuses(3, "plot", "loss", RUN, "--out", "a.png", says=says)


def test_a_run_that_was_killed(nplm: "Nplm", trained: Path) -> None:
    """In the middle of a line and of a number."""
    for name, part in (("metrics.jsonl", b'{"step": 8'), ("batch_loss.f32", b"\0\0")):
        with (trained / RUN / name).open("ab") as file:
            file.write(part)
    nplm.ok("plot", "loss", RUN)
    assert_picture(trained / RUN / "loss.png")


@pytest.mark.parametrize("line", [b"\xff\n", b"[]\n", b'{"step": 1}\n'])
def test_a_damaged_log(nplm: "Nplm", trained: Path, line: bytes) -> None:
    (trained / RUN / "metrics.jsonl").write_bytes(line)
    nplm.refuses(3, "plot", "loss", RUN, says=("metrics.jsonl",))


def test_damaged_weights(nplm: "Nplm", trained: Path) -> None:
    path = trained / RUN / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    nplm.refuses(3, "plot", "embedding", RUN, says=("model.safetensors",))
    path.unlink()
    nplm.refuses(3, "plot", "embedding", RUN, says=("model.safetensors",))


def test_an_n_gram(nplm: "Nplm", trained: Path) -> None:
    assert nplm.train("--preset", "ngram", "--out", "run").code == 0
    nplm.ok("plot", "loss", "run")
    assert_picture(trained / "run" / "loss.png")
    nplm.refuses(3, "plot", "embedding", "run", says=("run is an n-gram", "no embedding"))


def test_a_mixture_and_a_list_of_anything(nplm: "Nplm", trained: Path) -> None:
    text = "😀🧿 x\nسلام שלום\n日本語\ne\u0301\u0308\n$x\\y$\n\ta\n<b>\n"
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "odd", stdin=text.encode())
    options = ("--preset", "best", "--steps", "10", "--embedding-size", "1")
    assert nplm.train("odd", *options, "--out", "run").code == 0
    for kind in KINDS:
        nplm.ok("plot", kind, "run")
        nplm.ok("plot", kind, "run", "--out", f"{kind}.svg")
        assert_picture(trained / "run" / f"{kind}.png")
        ET.fromstring((trained / f"{kind}.svg").read_bytes())


def test_which_picture(nplm: "Nplm") -> None:
    nplm.refuses(2, "plot", "losses", says=("losses",))
