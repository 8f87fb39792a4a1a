"""`nplm eval`. A model file needs no torch."""

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wire

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm, Result

pytestmark = pytest.mark.usefixtures("home")
MODEL, RUN = "exports/names.onnx", "checkpoints/names"
LOOKS = f"{MODEL}.test_looks.jsonl"
KEYS = {
    *("split", "nats_per_symbol", "bits_per_symbol", "perplexity", "symbols", "strings"),
    *("parts", "baselines", "ngram_order"),
}
BASELINES = ["uniform", "unigram", "bigram", "bigram_whole_list", "ngram"]


def results(done: "Result") -> dict[str, Any]:
    """The JSON lines of a command by split."""
    return {item["split"]: item for item in map(json.loads, done.lines)}


def test_json_of_a_model_file(nplm: "Nplm") -> None:
    done = nplm.ok("eval", MODEL, "--json")
    assert done.err == ""
    found = done.json
    assert set(found) == KEYS
    assert (found["split"], found["symbols"], found["strings"]) == ("val", 791, 110)
    assert found["bits_per_symbol"] == pytest.approx(found["nats_per_symbol"] / math.log(2))
    assert found["perplexity"] == pytest.approx(math.exp(found["nats_per_symbol"]))
    baselines = found["baselines"]
    assert baselines["uniform"] == pytest.approx(math.log(27))
    assert baselines["uniform"] > baselines["unigram"] > found["nats_per_symbol"]
    assert list(baselines) == BASELINES
    assert baselines["bigram_whole_list"] < baselines["bigram"]
    assert baselines["ngram"] < baselines["bigram"]
    assert (found["parts"], found["ngram_order"] >= 2) == ({}, True)


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("network", "this network"), ("[/x]\x1b[31m", "this model"), ("k" * 9999, "this model")],
)
def test_the_kind_of_a_model_is_one_that_there_is(
    nplm: "Nplm", home: Path, kind: str, shown: str
) -> None:
    """A file may say anything: marks of a table or of a terminal."""
    (home / "m.onnx").write_bytes(wire.model(entries=wire.metadata(kind=kind)))
    (home / "ab.txt").write_text("ab\nba\naab\n", "utf-8")
    nplm.ok("dataset", "build", "ab.txt", "--split", "1,0,0")
    printed = nplm.ok("eval", "m.onnx", "--data", "data/ab", "--split", "train").out.decode()
    assert f" {shown} " in printed
    assert "\x1b" not in printed


def test_splits_may_be_repeated(nplm: "Nplm") -> None:
    splits = ("train", "test", "val")
    options = [part for split in splits for part in ("--split", split)]
    found = results(nplm.ok("eval", MODEL, *options, "--json"))
    assert tuple(found) == splits
    for split in splits:
        alone = nplm.ok("eval", MODEL, "--split", split, "--json").json
        for item in (alone, found[split]):
            item.pop("earlier_looks", None)
        assert alone == found[split]


def test_the_table_shows_model_baselines_and_units(nplm: "Nplm") -> None:
    done = nplm.ok("eval", MODEL, "--split", "val", "--split", "test")
    shown = done.out.decode()
    found = results(nplm.ok("eval", MODEL, "--split", "val", "--split", "test", "--json"))
    for item in found.values():
        for value in (
            item["nats_per_symbol"],
            item["bits_per_symbol"],
            *item["baselines"].values(),
        ):
            assert f"{value:.4f}" in shown
    for part in ("nats", "bits per symbol", "perplexity", "791 symbols", "uniform", "bigram"):
        assert part in shown


def test_other_data_with_known_symbols(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "new", stdin=b"maria\nanna\n")
    found = nplm.ok("eval", MODEL, "--data", "new", "--split", "train", "--json").json
    assert (found["symbols"], found["strings"]) == (11, 2)


def test_other_data_with_unseen_symbols(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "new", stdin=b"Ma.ia\nanna\n")
    says = ("new", "never saw", ".M", "it knows abc")
    nplm.refuses(3, "eval", MODEL, "--data", "new", "--split", "train", says=says)


def test_a_split_that_is_empty(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "new", stdin=b"maria\nanna\n")
    nplm.refuses(3, "eval", MODEL, "--data", "new", says=("val split of new is empty",))


def test_a_split_that_does_not_exist(nplm: "Nplm") -> None:
    says = ("--split", "'dev'", "'train', 'val', 'test'")
    nplm.refuses(2, "eval", MODEL, "--split", "val", "--split", "dev", says=says)


def test_data_that_is_not_there(nplm: "Nplm") -> None:
    nplm.refuses(3, "eval", MODEL, "--data", "no", says=("no data set in no", "dataset build"))


def test_a_model_whose_data_was_built_differently(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "--force", "--seed", "1")
    nplm.refuses(3, "eval", MODEL, says=(MODEL, "data/", "--data"))
    assert nplm.ok("eval", MODEL, "--data", "data/names", "--json").json["split"] == "val"


def test_a_damaged_neighbour_of_the_data_does_not_matter(nplm: "Nplm", home: Path) -> None:
    (home / "data" / "a").mkdir()
    (home / "data" / "a" / "dataset.json").write_bytes(b"{")
    nplm.ok("eval", MODEL, "--json")


def test_a_model_file_that_is_not_there(nplm: "Nplm") -> None:
    nplm.refuses(3, "eval", "exports/no.onnx", says=("exports/no.onnx", "nplm export onnx"))


def test_a_model_file_that_is_none(nplm: "Nplm", home: Path) -> None:
    nplm.refuses(3, "eval", "data/names.txt", says=("data/names.txt",))
    (home / "cut.onnx").write_bytes((home / MODEL).read_bytes()[:-100])
    nplm.refuses(3, "eval", "cut.onnx", says=("cut.onnx", "nplm export onnx"))


class TestLooksOfAFile:
    """A look at test with a model file: recorded beside it, and told."""

    def test_they_are_counted(self, nplm: "Nplm", home: Path) -> None:
        nplm.ok("eval", MODEL, "--split", "train", "--split", "val")
        assert not (home / LOOKS).exists()
        said = (
            "the first look at the test split with this model\n",
            "the test split was looked at once before with this model; choose settings on val\n",
            "the test split was looked at 2 times before with this model; choose settings on val\n",
        )
        digest = hashlib.sha256((home / MODEL).read_bytes()).hexdigest()
        for before, words in enumerate(said):
            done = nplm.ok("eval", MODEL, "--split", "val", "--split", "test", "--json")
            assert done.err == words
            found = results(done)
            assert set(found["val"]) == KEYS
            assert set(found["test"]) == {*KEYS, "earlier_looks"}
            assert found["test"]["earlier_looks"] == before
            *lines, rest = (home / LOOKS).read_text(encoding="utf-8").split("\n")
            assert (len(lines), rest) == (before + 1, "")
            nats = found["test"]["nats_per_symbol"]
            assert json.loads(lines[-1]) == {"nats_per_symbol": nats, "sha256": digest}
        assert [path.name for path in (home / "exports").iterdir()] == [
            "names.onnx",
            Path(LOOKS).name,
        ]

    def test_one_command_is_one_look(self, nplm: "Nplm", home: Path) -> None:
        done = nplm.ok("eval", MODEL, "--split", "test", "--split", "test", "--json")
        assert [json.loads(line)["earlier_looks"] for line in done.lines] == [0, 0]
        assert (home / LOOKS).read_bytes().count(b"\n") == 1

    def test_the_data_counts_wherever_it_lies_and_no_other(self, nplm: "Nplm", home: Path) -> None:
        nplm.ok("dataset", "build", "--seed", "1", "--out", "other")
        done = nplm.ok("eval", MODEL, "--split", "test", "--data", "other", "--json")
        assert (done.err, set(done.json)) == ("", KEYS)
        assert not (home / LOOKS).exists()
        (home / "data" / "names").rename(home / "moved")
        nplm.ok("eval", MODEL, "--split", "test", "--data", "moved")
        assert (home / LOOKS).exists()

    @pytest.mark.training
    def test_of_another_model_in_its_place_none_was_taken(
        self, nplm: "Nplm", home: Path, model_file: Path
    ) -> None:
        old = (home / MODEL).read_bytes()
        nplm.ok("eval", MODEL, "--split", "test")
        for content, before in ((model_file.read_bytes(), 0), (old, 1), (old, 2)):
            (home / MODEL).write_bytes(content)
            done = nplm.ok("eval", MODEL, "--split", "test", "--json")
            assert done.json["earlier_looks"] == before

    def test_a_record_cut_short_by_a_kill(self, nplm: "Nplm", home: Path) -> None:
        nplm.ok("eval", MODEL, "--split", "test")
        (home / LOOKS).write_bytes((home / LOOKS).read_bytes()[:-2])
        for before in (1, 2):
            done = nplm.ok("eval", MODEL, "--split", "test", "--json")
            assert done.json["earlier_looks"] == before

    def test_where_it_cannot_be_recorded_that_is_said(self, nplm: "Nplm", home: Path) -> None:
        (home / LOOKS).symlink_to(home / "no" / "folder")
        for _ in range(2):
            done = nplm.ok("eval", MODEL, "--split", "test", "--json")
            first, second = done.err.splitlines()
            assert first == "the first look at the test split with this model"
            assert second.startswith(f"this look is not counted: cannot write {LOOKS}")
            assert done.json["earlier_looks"] == 0

    def test_where_it_cannot_be_read_that_is_said(self, nplm: "Nplm", home: Path) -> None:
        (home / LOOKS).mkdir()
        done = nplm.ok("eval", MODEL, "--split", "test", "--json")
        (line,) = done.err.splitlines()
        assert line.startswith(f"this look is not counted: cannot read {LOOKS}")
        assert done.json["earlier_looks"] is None

    @pytest.mark.training
    @pytest.mark.usefixtures("one_thread")
    def test_an_export_that_gives_the_same_bytes_keeps_the_count(
        self, nplm: "Nplm", trained: Path
    ) -> None:
        nplm.ok("eval", MODEL, "--split", "test")
        for before in (0, 1):
            nplm.ok("export", "onnx", RUN, "--force")
            done = nplm.ok("eval", MODEL, "--split", "test", "--json")
            assert done.json["earlier_looks"] == before
        assert not (trained / RUN / "test_looks.jsonl").exists()


@pytest.mark.training
@pytest.mark.usefixtures("one_thread")
class TestRun:
    """A run folder as the thing to evaluate."""

    def test_without_arguments_it_takes_the_last_run(self, nplm: "Nplm", trained: Path) -> None:
        done = nplm.ok("eval", "--json")
        assert done.err == "using checkpoints/names\n"
        assert set(done.json) == KEYS
        logged = (trained / "checkpoints" / "names" / "metrics.jsonl").read_text(encoding="utf-8")
        best = min(json.loads(line)["val_nats_per_symbol"] for line in logged.splitlines())
        assert done.json["nats_per_symbol"] == pytest.approx(best, abs=1e-6)

    def test_a_mixture_beside_its_parts_and_baselines(self, nplm: "Nplm") -> None:
        assert nplm.train("--preset", "best", "--out", "run").code == 0
        found = nplm.ok("eval", "run", "--json").json
        assert list(found["parts"]) == ["n-gram", "network 1", "network 2"]
        assert found["nats_per_symbol"] < min(found["parts"].values())
        assert found["parts"]["n-gram"] == pytest.approx(found["baselines"]["ngram"], abs=1e-3)
        labels = [
            *("uniform", "unigram", "bigram", "bigram of the whole list, on itself"),
            f"best n-gram ({found['ngram_order']}-gram, Kneser-Ney)",
            *("its n-gram", "its network 1", "its network 2", "this mixture"),
        ]
        values = [*found["baselines"].values(), *found["parts"].values(), found["nats_per_symbol"]]
        cells = [line.split("\u2502") for line in nplm.ok("eval", "run").out.decode().splitlines()]
        shown = [(row[1].strip(), row[2].strip()) for row in cells if len(row) == 4]
        assert shown == [(a, f"{b:.4f}") for a, b in zip(labels, values, strict=True)]

    def test_a_network_has_no_parts(self, nplm: "Nplm", trained: Path) -> None:
        assert nplm.ok("eval", "checkpoints/names", "--json").json["parts"] == {}
        assert "this network" in nplm.ok("eval", "checkpoints/names").out.decode()

    def test_an_n_gram_is_the_best_baseline(self, nplm: "Nplm") -> None:
        assert nplm.train("--preset", "ngram", "--out", "run").code == 0
        splits = ("--split", "train", "--split", "val", "--split", "test")
        for item in results(nplm.ok("eval", "run", *splits, "--json")).values():
            assert item["nats_per_symbol"] == pytest.approx(item["baselines"]["ngram"], abs=1e-3)
            assert item["parts"] == {}

    @pytest.mark.parametrize("place", [0, 8, 60, 500, -1])
    def test_one_changed_byte_of_the_n_gram(self, nplm: "Nplm", home: Path, place: int) -> None:
        assert nplm.train("--preset", "ngram", "--order", "2", "--out", "run").code == 0
        path = home / "run" / "ngram.safetensors"
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        nplm.refuses(3, "eval", "run", says=("run/ngram.safetensors",))

    def test_run_and_export_agree(self, nplm: "Nplm", trained: Path, model_file: Path) -> None:
        shutil.copyfile(model_file, trained / MODEL)  # the export of this very run
        options = ("--split", "train", "--split", "val", "--split", "test", "--json")
        run = results(nplm.ok("eval", "checkpoints/names", *options))
        onnx = results(nplm.ok("eval", MODEL, *options))
        for split, item in run.items():
            assert item["baselines"] == onnx[split]["baselines"]
            assert item["nats_per_symbol"] == pytest.approx(
                onnx[split]["nats_per_symbol"], abs=1e-5
            )

    def test_a_run_whose_data_was_built_differently(self, nplm: "Nplm", trained: Path) -> None:
        nplm.ok("dataset", "build", "--force", "--seed", "1")
        nplm.refuses(3, "eval", says=("data/names", "checkpoints/names", "--data"))
        assert nplm.ok("eval", "--data", "data/names", "--json").json["split"] == "val"

    def test_a_run_whose_data_is_gone(self, nplm: "Nplm", trained: Path) -> None:
        shutil.rmtree(trained / "data" / "names")
        nplm.refuses(3, "eval", says=("no data set in", "data/names"))

    def test_a_copied_run_with_its_data_named(self, nplm: "Nplm", trained: Path) -> None:
        (trained / "deep").mkdir()
        (trained / "checkpoints" / "names").rename(trained / "deep" / "run")
        assert nplm.ok("eval", "deep/run", "--data", "data/names", "--json").json["symbols"] == 791

    def test_looks_at_test_are_counted(self, nplm: "Nplm", trained: Path) -> None:
        """Beside the run, and told; val does not count."""
        path = trained / RUN / "test_looks.jsonl"
        nplm.ok("eval", RUN, "--json")
        nplm.ok("eval", RUN, "--split", "train", "--split", "val")
        assert not path.exists()
        said = (
            "the first look at the test split",
            "was looked at once before",
            "was looked at 2 times before",
        )
        for before, words in enumerate(said):
            done = nplm.ok("eval", RUN, "--split", "val", "--split", "test", "--json")
            assert words in done.err
            found = results(done)
            assert found["test"]["earlier_looks"] == before
            assert set(found["val"]) == KEYS
            assert set(found["test"]) == {*KEYS, "earlier_looks"}
            *_, last = path.read_text(encoding="utf-8").splitlines()
            assert json.loads(last)["nats_per_symbol"] == found["test"]["nats_per_symbol"]
        assert len(path.read_bytes().splitlines()) == 3
        done = nplm.ok("eval", RUN, "--split", "test")
        assert "looked at 3 times before" in done.err

    def test_one_command_is_one_look(self, nplm: "Nplm", trained: Path) -> None:
        done = nplm.ok("eval", RUN, "--split", "test", "--split", "test", "--json")
        assert [json.loads(line)["earlier_looks"] for line in done.lines] == [0, 0]
        assert len((trained / RUN / "test_looks.jsonl").read_bytes().splitlines()) == 1

    def test_a_look_at_other_data_does_not_count(self, nplm: "Nplm", trained: Path) -> None:
        nplm.ok("dataset", "build", "--seed", "1", "--out", "other")
        done = nplm.ok("eval", RUN, "--split", "test", "--data", "other", "--json")
        assert "earlier_looks" not in done.json
        assert not (trained / RUN / "test_looks.jsonl").exists()

    def test_naming_the_runs_own_data_is_no_way_round(self, nplm: "Nplm", trained: Path) -> None:
        (trained / "data" / "names").rename(trained / "moved")
        done = nplm.ok("eval", RUN, "--split", "test", "--data", "moved", "--json")
        assert done.json["earlier_looks"] == 0
        assert (trained / RUN / "test_looks.jsonl").exists()

    def test_a_new_run_in_the_folder_starts_the_count_anew(
        self, nplm: "Nplm", trained: Path
    ) -> None:
        nplm.ok("eval", RUN, "--split", "test")
        assert nplm.train("--resume").code == 0
        assert nplm.ok("eval", RUN, "--split", "test", "--json").json["earlier_looks"] == 1
        assert nplm.train("--force").code == 0
        assert not (trained / RUN / "test_looks.jsonl").exists()
        assert nplm.ok("eval", RUN, "--split", "test", "--json").json["earlier_looks"] == 0

    def test_a_look_that_cannot_be_recorded_is_not_shown(self, nplm: "Nplm", trained: Path) -> None:
        (trained / RUN / "test_looks.jsonl").symlink_to(trained / "no" / "folder")
        nplm.refuses(3, "eval", RUN, "--split", "test", says=("test_looks.jsonl", "writable"))
        (trained / RUN / "test_looks.jsonl").unlink()
        (trained / RUN / "test_looks.jsonl").mkdir()
        nplm.refuses(3, "eval", RUN, "--split", "test", says=("test_looks.jsonl",))

    def test_no_run(self, nplm: "Nplm") -> None:
        nplm.refuses(3, "eval", says=("no finished run under checkpoints/", "nplm train"))
        nplm.refuses(3, "eval", "checkpoints/no", says=("checkpoints/no", "nplm train"))

    @pytest.mark.parametrize("place", [0, 8, 60, 500, -1])
    def test_one_changed_byte_of_the_weights(self, nplm: "Nplm", trained: Path, place: int) -> None:
        path = trained / "checkpoints" / "names" / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        nplm.refuses(3, "eval", "checkpoints/names", says=("checkpoints/names/model.safetensors",))

    @pytest.mark.parametrize("name", ["config.toml", "vocab.json", "model.safetensors"])
    def test_a_missing_or_broken_file_of_a_run(
        self, nplm: "Nplm", trained: Path, name: str
    ) -> None:
        path = trained / "checkpoints" / "names" / name
        path.write_bytes(b"\xff")
        nplm.refuses(3, "eval", "checkpoints/names", says=(f"checkpoints/names/{name}",))
        path.unlink()
        nplm.refuses(3, "eval", "checkpoints/names", says=("checkpoints/names", "nplm train"))

    def test_settings_changed_by_hand(self, nplm: "Nplm", trained: Path) -> None:
        path = trained / "checkpoints" / "names" / "config.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('activation = "tanh"', 'activation = "relu"'), "utf-8")
        nplm.refuses(3, "eval", "checkpoints/names", says=("checkpoints/names/config.toml",))
