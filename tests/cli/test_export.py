"""`nplm export onnx` and `nplm export arpa`."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nplm.runtime.onnxmodel import open_model
from nplm.text.dataset import Dataset

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "trained")]
RUN, MODEL = "checkpoints/names", "exports/names.onnx"


def test_it_writes_a_model_that_says_what_it_is(nplm: "Nplm", trained: Path) -> None:
    shutil.rmtree(trained / "exports")
    done = nplm.ok("export", "onnx")
    assert done.out == b""
    using, proof, novelty, following, carried = done.err.splitlines()
    assert using == f"using {RUN}"
    assert proof.startswith(f"{MODEL}: ")
    assert "1,000 strings equal" in proof
    known = len(open_model(trained / MODEL).card.novelty.hashes)
    assert f"the {known:,} strings of its list by a filter of {4 * known:,} bytes" in novelty
    assert carried == (
        "of the list it carries the filter, by which short strings can be listed, hashes of data "
        "set and weights, which confirm a guess, what its networks learnt by heart, its symbols "
        "and its greatest length; --private leaves out filter and hashes"
    )
    assert following == "next: nplm generate"
    content = (trained / MODEL).read_bytes()
    facts = json.loads((trained / f"{MODEL}.json").read_bytes())
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()
    assert facts["vocab"] == list(open_model(trained / MODEL).card.vocab.symbols)
    assert len(list((trained / "exports").iterdir())) == 2
    assert len(nplm.ok("generate").lines) == 20


def test_force_and_out(nplm: "Nplm", trained: Path, model_file: Path) -> None:
    """The same run gives the same bytes, wherever they are written."""
    old = (trained / MODEL).read_bytes()
    nplm.ok("export", "onnx", "--force")
    new = (trained / MODEL).read_bytes()
    assert new == model_file.read_bytes() != old
    done = nplm.ok("export", "onnx", RUN, "--out", "deep/mine.onnx")
    assert done.err.splitlines()[-2] == "next: nplm generate deep/mine.onnx"
    assert (trained / "deep" / "mine.onnx").read_bytes() == new


def test_what_is_no_sidecar_is_not_replaced(nplm: "Nplm", trained: Path) -> None:
    for content in (b"{}", b"mine", b'{"format": "mine"}'):
        (trained / "new.onnx.json").write_bytes(content)
        says = ("new.onnx.json would be replaced", "--out")
        nplm.refuses(3, "export", "onnx", RUN, "--out", "new.onnx", "--force", says=says)
    nplm.refuses(2, "export", "onnx", RUN, "--private", "--novelty", says=("contradict",))


def test_a_link_is_followed_by_model_and_sidecar(nplm: "Nplm", trained: Path) -> None:
    (trained / "elsewhere").mkdir()
    (trained / "l.onnx").symlink_to("elsewhere/m.onnx")
    nplm.ok("export", "onnx", RUN, "--out", "l.onnx")
    found = sorted(path.name for path in (trained / "elsewhere").iterdir())
    assert found == ["m.onnx", "m.onnx.json"]
    assert not (trained / "l.onnx.json").exists()


def test_a_model_that_exists(nplm: "Nplm") -> None:
    nplm.refuses(3, "export", "onnx", says=(MODEL, "--force", "--out"))
    nplm.refuses(3, "export", "onnx", "--out", "data/names.txt", says=("data/names.txt", "--force"))


def test_a_sidecar_that_exists(nplm: "Nplm", trained: Path) -> None:
    """It is an output, too."""
    (trained / "mine.onnx.json").write_bytes(b"{}")
    nplm.refuses(3, "export", "onnx", "--out", "mine.onnx", says=("mine.onnx.json", "--force"))


def test_it_takes_the_run_finished_last(nplm: "Nplm", trained: Path) -> None:
    shutil.copytree(trained / RUN, trained / "checkpoints" / "new")
    os.utime(trained / RUN / "last.safetensors", (1, 1))
    done = nplm("export", "onnx", "--out", MODEL)
    assert done.err.startswith("using checkpoints/new\n")
    assert done.code == 3


def test_no_run(nplm: "Nplm", trained: Path) -> None:
    nplm.refuses(3, "export", "onnx", "no", says=("no run in no", "nplm train"))
    shutil.rmtree(trained / "checkpoints")
    nplm.refuses(3, "export", "onnx", says=("checkpoints/", "nplm train"))


def test_a_run_whose_data_was_built_differently(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "--force", "--seed", "1")
    says = ("data/names", RUN, "--data")
    nplm.refuses(3, "export", "onnx", "--force", says=says)
    nplm.refuses(3, "export", "onnx", "--force", "--data", "data/names", says=says)


def test_a_run_whose_data_is_gone(nplm: "Nplm", trained: Path) -> None:
    shutil.rmtree(trained / "data" / "names")
    nplm.refuses(3, "export", "onnx", "--force", says=("no data set in", "data/names"))


def test_a_damaged_run(nplm: "Nplm", trained: Path) -> None:
    path = trained / RUN / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    nplm.refuses(3, "export", "onnx", "--force", says=(f"{RUN}/model.safetensors",))


def test_an_output_that_cannot_be_written(nplm: "Nplm", trained: Path) -> None:
    (trained / "file").touch()
    nplm.refuses(3, "export", "onnx", "--out", "file/a.onnx", says=("file/a.onnx",))


def test_the_filter_can_be_left_out(nplm: "Nplm", trained: Path) -> None:
    done = nplm.ok("export", "onnx", "--no-novelty", "--out", "bare.onnx")
    assert "strings of its list" not in done.err
    assert "the filter, by which" not in done.err
    assert open_model(trained / "bare.onnx").card.novelty is None
    nplm.refuses(7, "generate", "bare.onnx", "--novel", says=("without the filter",))


def test_a_private_file(nplm: "Nplm", trained: Path) -> None:
    """Neither filter nor hashes; it says so itself, and commands that need them say what to do."""
    weights = open_model(trained / MODEL).card
    done = nplm.ok("export", "onnx", RUN, "--private", "--force")
    assert done.err.splitlines()[-1] == (
        "of the list it carries what its networks learnt by heart, its symbols and its greatest "
        "length"
    )
    card = open_model(trained / MODEL).card
    assert (card.novelty, card.dataset_sha256, card.extra["weights_sha256"]) == (None, None, None)
    assert card.extra["novelty_filter"] == {"holds": "nothing"}
    sidecar = json.loads((trained / f"{MODEL}.json").read_bytes())
    assert (sidecar["dataset_sha256"], sidecar["weights_sha256"]) == (None, None)
    for path in (MODEL, f"{MODEL}.json"):
        assert weights.dataset_sha256.encode() not in (trained / path).read_bytes()
    assert len(nplm.ok("generate", MODEL).lines) == 20
    assert nplm.ok("eval", MODEL, "--data", "data/names").out
    nplm.refuses(3, "eval", MODEL, says=("does not say what it was trained on", "--data DIR"))
    nplm.refuses(3, "generate", RUN, says=("does not say whose export", f"nplm generate {MODEL}"))
    nplm.refuses(7, "generate", MODEL, "--novel", says=("without the filter",))


def test_an_ngram_is_private_up_to_order_3(nplm: "Nplm", home: Path) -> None:
    for order in (3, 4):
        run, out = f"checkpoints/{order}", f"{order}.onnx"
        nplm.ok("train", "--preset", "ngram", "--order", str(order), "--out", run)
        done = nplm("export", "onnx", run, "--private", "--out", out)
        assert (done.code, (home / out).exists()) == ((0, True) if order == 3 else (3, False))
    assert "has an n-gram of order 4, which holds every 3 symbols" in done.err
    assert "--private takes orders up to 3; train one of order 3, or a network alone" in done.err


def test_novel_strings_are_of_no_split(nplm: "Nplm", trained: Path, small: Dataset) -> None:
    """Names of val and test too are no news; a file of 0.1.0 says that it does not know them."""
    nplm.ok("export", "onnx", "--force")
    metadata = json.loads((trained / f"{MODEL}.json").read_text(encoding="utf-8"))
    assert metadata["novelty_filter"]["splits"] == ["train", "val", "test"]
    held_out = {name for split in ("val", "test") for name in small.texts(split)}
    options = ("generate", "--indices", "20000", "--max-length", "5")
    assert held_out & set(nplm.ok(*options).lines)
    novel = nplm.ok(*options, "--novel")
    assert not held_out & set(novel.lines)
    assert "train split" not in novel.err


def test_rare_symbols_from_text_to_strings(nplm: "Nplm", home: Path, names: list[str]) -> None:
    """A list with symbols too rare to learn: one unknown symbol, never drawn, and scored."""
    text = "\n".join([*names[:300], "zo\u00eb", "x&y", "a+b"]).encode()
    built = nplm.ok("dataset", "build", "-", "--out", "data/rare", "--min-count", "9", stdin=text)
    assert "unknown" in built.err
    facts = nplm.ok("dataset", "info", "data/rare", "--json").json
    assert sum(facts["unknown"].values()) >= 3
    nplm.train("data/rare", "--preset", "classic", "--steps", "30")
    run = nplm.ok("eval", "checkpoints/rare", "--json").json
    nplm.ok("export", "onnx", "checkpoints/rare")
    file = nplm.ok("eval", "exports/rare.onnx", "--json").json
    assert file["nats_per_symbol"] == pytest.approx(run["nats_per_symbol"], abs=1e-6)
    options = ("exports/rare.onnx", "-n", "3000", "--max-length", "5", "--cut")
    assert "\ufffd" not in nplm.ok("generate", *options).out.decode()
    assert "\ufffd" in nplm.ok("generate", *options, "--allow-unknown").out.decode()
    scored = nplm.ok("score", "exports/rare.onnx", "-", stdin="zo\u00eb".encode()).lines
    assert scored[0].split("\t")[3] == "1"
    assert "inf" not in scored[0]
    # Trained anew on the same data under the same name: its weights tell that it is another run.
    nplm.train("data/rare", "--preset", "classic", "--steps", "20", "--force")
    times = (home / "checkpoints" / "rare" / "model.safetensors").stat().st_mtime + 9
    os.utime(home / "exports" / "rare.onnx", (times, times))
    nplm.refuses(3, "generate", "checkpoints/rare", says=("of another run",))


def test_an_arpa_file_of_an_n_gram(nplm: "Nplm", trained: Path) -> None:
    nplm.ok("train", "data/names", "--preset", "ngram", "--order", "3", "--out", "checkpoints/kn")
    done = nplm.ok("export", "arpa", "checkpoints/kn")
    assert "n-grams of 1 to 3 symbols; log10 p of 556 pairs computed from it within" in done.err
    lines = (trained / "exports" / "kn.arpa").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["\\data\\", "ngram 1=29"]
    nplm.refuses(3, "export", "arpa", "checkpoints/kn", says=("exports/kn.arpa", "--force"))
    nplm.ok("export", "arpa", "checkpoints/kn", "--force")


def test_an_arpa_file_of_a_network_is_refused(nplm: "Nplm") -> None:
    nplm.refuses(
        3, "export", "arpa", RUN, says=("this run has no n-gram", "nplm train --preset ngram")
    )


def test_a_loop_of_links_is_no_run(nplm: "Nplm", trained: Path) -> None:
    (trained / "loop").symlink_to("loop")
    for kind in ("onnx", "arpa"):
        nplm.refuses(3, "export", kind, "loop", says=("loop",))
