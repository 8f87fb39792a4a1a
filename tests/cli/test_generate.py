"""`nplm generate`. Needs no torch, but for `--runtime torch`."""

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nplm.runtime.onnxmodel import available_providers

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = pytest.mark.usefixtures("home")
MODEL = "exports/names.onnx"


def test_without_arguments_it_names_the_model_it_takes(nplm: "Nplm") -> None:
    done = nplm.ok("generate")
    assert done.err == f"using {MODEL}\n"
    assert len(done.lines) == 20
    assert all(done.lines)


def test_it_takes_the_model_exported_last(nplm: "Nplm", home: Path) -> None:
    shutil.copyfile(home / MODEL, home / "exports" / "new.onnx")
    os.utime(home / MODEL, (1, 1))
    assert nplm.ok("generate", "-n", "1").err == "using exports/new.onnx\n"


def test_a_model_that_is_given_is_not_announced(nplm: "Nplm") -> None:
    assert nplm.ok("generate", MODEL, "-n", "1").err == ""


def test_a_longer_stream_starts_with_the_shorter(nplm: "Nplm") -> None:
    long, short = (nplm.ok("generate", "-n", n, "--seed", "3").lines for n in ("50", "10"))
    assert len(long) == 50
    assert long[:10] == short


def test_shards_join(nplm: "Nplm") -> None:
    whole = nplm.ok("generate", "-n", "30", "--format", "jsonl").out
    shards = [
        nplm.ok("generate", "-n", n, "--start-index", start, "--format", "jsonl").out
        for start, n in (("0", "7"), ("7", "1"), ("8", "22"))
    ]
    assert b"".join(shards) == whole


def test_the_seed_chooses_the_stream(nplm: "Nplm") -> None:
    default, zero, other = (
        nplm.ok("generate", *options).out
        for options in ((), ("--seed", "0"), ("--seed", str(2**64 - 1)))
    )
    assert default == zero != other


def test_the_last_index_of_a_stream(nplm: "Nplm") -> None:
    assert len(nplm.ok("generate", "-n", "1", "--start-index", str(2**63 - 2)).lines) == 1


def test_none_at_all(nplm: "Nplm") -> None:
    for output in ("text", "jsonl"):
        assert nplm.ok("generate", "-n", "0", "--format", output).out == b""


def test_jsonl(nplm: "Nplm") -> None:
    options = ("-n", "50", "--start-index", "5", "--max-length", "5")
    found = [json.loads(line) for line in nplm.ok("generate", *options, "--format", "jsonl").lines]
    keys = ("index", "text", "nats", "nats_per_symbol", "seen", "complete")
    assert {tuple(item) for item in found} == {keys}
    assert len(found) == 50
    assert [item["text"] for item in found] == nplm.ok("generate", *options).lines
    assert all(item["nats"] > 0 for item in found)
    assert {item["complete"] for item in found} == {True}


def test_whole_strings_only_unless_asked(nplm: "Nplm") -> None:
    """An index that would be cut is left out and counted; `--cut` keeps it, marked."""
    options = ("generate", "--max-length", "5", "--format", "jsonl")
    done = nplm.ok(*options, "--cut", "--indices", "200")
    every = {item["index"]: item for item in map(json.loads, done.lines)}
    assert list(every) == list(range(200))
    cut = [item for item in every.values() if not item["complete"]]
    assert 10 < len(cut) < 190
    assert all(len(item["text"]) == 5 for item in cut)
    assert "left out" not in done.err
    done = nplm.ok(*options, "--indices", "200")
    assert list(map(json.loads, done.lines)) == [i for i in every.values() if i["complete"]]
    assert f"{len(cut)} left out: longer than 5 symbols (--max-length N" in done.err
    texts = [item["text"] for item in every.values() if item["complete"]]
    done = nplm.ok("generate", "--max-length", "5", "-n", str(len(texts)))
    assert done.lines == texts  # -n counts what is printed
    assert nplm.ok("generate", "--max-length", "5", "-n", "0").lines == []


@pytest.mark.parametrize("count", [1, 5, 40])
def test_what_is_left_out_is_counted_up_to_the_last_string_printed(
    nplm: "Nplm", count: int
) -> None:
    """With --novel more are drawn than are wanted; what was drawn in vain was not left out."""
    options = ("generate", "--max-length", "5", "--format", "jsonl")
    done = nplm.ok(*options, "--novel", "-n", str(count))
    last = json.loads(done.lines[-1])["index"]
    every = nplm.ok(*options, "--cut", "--indices", str(last + 1)).lines
    cut = sum(not json.loads(line)["complete"] for line in every)
    assert (f"{cut} left out: longer than 5 symbols" in done.err) == (cut > 0)
    assert "left out" in done.err or not cut


def test_ranges_of_indices_join(nplm: "Nplm") -> None:
    whole = nplm.ok("generate", "--indices", "90", "--max-length", "6", "--novel").lines
    parts = [
        nplm.ok(
            *("generate", "--indices", "30", "--start-index", str(start)),
            *("--max-length", "6", "--novel"),
        ).lines
        for start in (0, 30, 60)
    ]
    assert [text for part in parts for text in part] == whole
    assert 0 < len(whole) < 90
    assert nplm.ok("generate", "--indices", "3", "--max-length", "1", "--min-length", "1").code == 0
    nplm.refuses(2, "generate", "--indices", "3", "-n", "3", says=("-n and --indices",))
    nplm.refuses(2, "generate", "--indices", "-1", says=("--indices is -1",))


def test_when_every_string_is_too_long(nplm: "Nplm") -> None:
    nplm.refuses(
        7,
        *("generate", "--max-length", "1", "--min-length", "1", "--prefix", "z", "--top-k", "1"),
        says=("only 0 of 20", "longer than --max-length", "--cut"),
    )


def test_greedy_is_one_string(nplm: "Nplm") -> None:
    assert len(set(nplm.ok("generate", "--temperature", "0").lines)) == 1


def test_one_candidate_is_greedy(nplm: "Nplm") -> None:
    greedy = nplm.ok("generate", "--temperature", "0").out
    for options in (("--top-k", "1"), ("--top-p", "1e-9"), ("--temperature", "1e-6")):
        assert nplm.ok("generate", *options).out == greedy


def test_a_temperature_near_zero_is_greedy_and_quiet(nplm: "Nplm") -> None:
    done = nplm.ok("generate", MODEL, "--temperature", "1e-320")
    assert done.out == nplm.ok("generate", MODEL, "--temperature", "0").out
    assert done.err == ""


def test_options_that_leave_everything_change_nothing(nplm: "Nplm") -> None:
    plain = nplm.ok("generate").out
    for options in (
        ("--temperature", "1"),
        ("--top-k", "1000"),
        ("--top-p", "1"),
        ("--prefix", ""),
    ):
        assert nplm.ok("generate", *options).out == plain


def test_prefix_and_lengths(nplm: "Nplm") -> None:
    bounds = ("--min-length", "5", "--max-length", "8")
    lines = nplm.ok("generate", "--prefix", "mar", *bounds, "-n", "100").lines
    assert all(line.startswith("mar") and 5 <= len(line) <= 8 for line in lines)
    assert {len(line) for line in lines} == {5, 6, 7, 8}


def test_a_prefix_as_long_as_allowed(nplm: "Nplm") -> None:
    assert nplm.ok("generate", "-n", "2", "--prefix", "mar", "--max-length", "3").lines == [
        "mar",
        "mar",
    ]


def test_out_holds_what_stdout_would(nplm: "Nplm", home: Path) -> None:
    done = nplm.ok("generate", "--out", "deep/new.txt")
    assert done.out == b""
    written = (home / "deep" / "new.txt").read_bytes()
    assert written == nplm.ok("generate").out == nplm.ok("generate", "--out", "-").out
    assert [path.name for path in (home / "deep").iterdir()] == ["new.txt"]


def test_out_that_exists_is_replaced_with_force_only(nplm: "Nplm", home: Path) -> None:
    (home / "old.txt").write_bytes(b"old\n")
    out = ("generate", "--out", "old.txt")
    nplm.refuses(3, *out, says=("old.txt already exists", "--force", "--out"))
    nplm.refuses(3, *out, "--force", "--prefix", "Q", says=("Q",))
    nplm.ok(*out, "--force")
    assert (home / "old.txt").read_bytes() == nplm.ok("generate").out


def test_out_that_cannot_be_written(nplm: "Nplm", home: Path) -> None:
    (home / "file").touch()
    nplm.refuses(3, "generate", "--out", "file/new.txt", says=("file/new.txt",))
    nplm.refuses(3, "generate", "--out", "data", "--force", says=("data is a folder",))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-n", "-1"), "-n is -1"),
        (("-n", str(10**30)), "-n is 1000"),
        (("--seed", "-1"), "--seed is -1"),
        (("--seed", str(2**64)), "--seed is 1844"),
        (("--start-index", "-1"), "--start-index is -1"),
        (("--start-index", str(2**63)), "--start-index is 9223"),
        (("--temperature", "-0.5"), "--temperature is -0.5"),
        (("--temperature", "nan"), "--temperature is nan"),
        (("--temperature", "inf"), "--temperature is inf"),
        (("--top-k", "0"), "--top-k is 0"),
        (("--top-k", "-3"), "--top-k is -3"),
        (("--top-p", "0"), "--top-p is 0"),
        (("--top-p", "1.5"), "--top-p is 1.5"),
        (("--top-p", "-0.1"), "--top-p is -0.1"),
        (("--min-length", "-1"), "--min-length is -1"),
        (("--max-length", "0"), "--max-length is 0"),
        (("--format", "csv"), "'text', 'jsonl'"),
        (("--runtime", "tensorflow"), "'onnx', 'torch'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_out_of_bounds(nplm: "Nplm", options: tuple[str, ...], says: str) -> None:
    nplm.refuses(2, "generate", *options, says=(says,))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--prefix", "maria", "--max-length", "4"), ("--prefix", "5", "--max-length", "4")),
        (("--min-length", "9", "--max-length", "8"), ("--min-length 9", "--max-length 8")),
    ],
)
def test_constraints_that_cannot_be_met(
    nplm: "Nplm", options: tuple[str, ...], says: tuple[str, ...]
) -> None:
    nplm.refuses(7, "generate", *options, says=says)


@pytest.mark.parametrize("prefix", ["Q", "ma.", "a b", "a\nb", "\udcff", "ж", "e\u0301"])
def test_symbols_unseen_in_training(nplm: "Nplm", prefix: str) -> None:
    nplm.refuses(3, "generate", "--prefix", prefix, says=("never saw", "it knows abc"))


def test_a_length_beyond_memory_is_refused_in_one_line(nplm: "Nplm") -> None:
    done = nplm("generate", MODEL, "-n", "1", "--max-length", str(10**16))
    assert done.code != 0
    (line,) = done.err.splitlines()
    assert line.startswith("nplm: ")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in available_providers(), reason="this onnxruntime has CUDA"
)
def test_cuda_where_there_is_none(nplm: "Nplm") -> None:
    nplm.refuses(5, "generate", "--device", "cuda", says=("CUDA", "--device cpu"))


def test_a_device_that_does_not_exist(nplm: "Nplm") -> None:
    nplm.refuses(5, "generate", "--device", "nonsense", says=("nonsense", "auto, cpu or cuda"))


def test_no_model(nplm: "Nplm", home: Path) -> None:
    nplm.refuses(3, "generate", "no.onnx", says=("no.onnx", "nplm export onnx"))
    shutil.rmtree(home / "exports")
    nplm.refuses(3, "generate", says=("exports/", "nplm export onnx"))


@pytest.mark.parametrize("kept", [0, 100, 2000, -100])
def test_a_truncated_model(nplm: "Nplm", home: Path, kept: int) -> None:
    (home / "cut.onnx").write_bytes((home / MODEL).read_bytes()[:kept])
    nplm.refuses(3, "generate", "cut.onnx", says=("cut.onnx", "nplm export onnx"))


def test_a_model_with_a_damaged_description(nplm: "Nplm", home: Path) -> None:
    content = (home / MODEL).read_bytes()
    for key in (b"nplm.vocab", b"nplm.longest", b"nplm.normalize"):
        (home / "bad.onnx").write_bytes(content.replace(key, b"\xff" + key[1:]))
        nplm.refuses(3, "generate", "bad.onnx", says=("bad.onnx",))
        (home / "bad.onnx").write_bytes(content.replace(key, b"x" + key[1:]))
        nplm.refuses(3, "generate", "bad.onnx", says=("bad.onnx",))


def test_what_is_no_model(nplm: "Nplm", home: Path) -> None:
    nplm.refuses(3, "generate", "data/names.txt", says=("data/names.txt", "nplm export onnx"))
    nplm.refuses(3, "generate", "data", says=("data", "directory"))
    content = (home / MODEL).read_bytes()
    (home / "other.onnx").write_bytes(content.replace(b"nplm.", b"xplm."))
    nplm.refuses(3, "generate", "other.onnx", says=("other.onnx", "nplm export onnx"))


@pytest.mark.training
@pytest.mark.usefixtures("one_thread")
class TestTorch:
    """`--runtime torch`: the same strings from a run folder."""

    def test_it_agrees_with_onnx(self, nplm: "Nplm", trained: Path, model_file: Path) -> None:
        shutil.copyfile(model_file, trained / MODEL)  # the export of this very run
        options = ("-n", "100", "--seed", "5", "--temperature", "0.8", "--prefix", "a")
        done = nplm.ok("generate", "--runtime", "torch", *options)
        assert done.err.startswith("using checkpoints/names\n")
        assert done.lines == nplm.ok("generate", "--runtime", "onnx", *options).lines

    def test_cuda_where_there_is_none(self, nplm: "Nplm", trained: Path) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("torch sees CUDA")
        torch_runtime = ("generate", "--runtime", "torch", "--device")
        nplm.refuses(5, *torch_runtime, "cuda", says=("CUDA", "--device cpu"))
        nplm.refuses(5, *torch_runtime, "cuda:3", says=("CUDA", "--device cpu"))

    def test_a_device_that_does_not_exist(self, nplm: "Nplm", trained: Path) -> None:
        torch_runtime = ("generate", "--runtime", "torch", "--device")
        for device in ("nonsense", "cuda:x", "cuda:-1", ""):
            nplm.refuses(5, *torch_runtime, device, says=(repr(device), "auto, cpu, cuda"))

    def test_no_run(self, nplm: "Nplm") -> None:
        nplm.refuses(3, "generate", "--runtime", "torch", says=("checkpoints/", "nplm train"))
        nplm.refuses(3, "generate", "no", "--runtime", "torch", says=("no run in no", "nplm train"))

    def test_a_model_file_where_a_run_is_needed(self, nplm: "Nplm", trained: Path) -> None:
        nplm.refuses(3, "generate", MODEL, "--runtime", "torch", says=(MODEL,))

    def test_a_run_where_a_model_file_is_needed(self, nplm: "Nplm", trained: Path) -> None:
        """It is there: what is missing is its export, or another runtime."""
        says = ("nplm export onnx checkpoints/names", "--runtime torch")
        run, export = trained / "checkpoints" / "names", trained / MODEL
        expected = nplm.ok("generate", MODEL).lines
        done = nplm.ok("generate", "checkpoints/names")
        assert (done.lines, done.err) == (expected, f"using {MODEL}\n")
        os.utime(export, (0, 0))
        older = (f"{MODEL} is older than checkpoints/names", "--force", "--runtime torch")
        nplm.refuses(3, "generate", "checkpoints/names", says=older)
        export.unlink()
        nplm.refuses(3, "generate", "checkpoints/names", says=says)
        shutil.copyfile(Path(__file__).parents[1] / "golden" / "signed.onnx", export)
        config = run / "config.toml"
        digest = tomllib.loads(config.read_text("utf-8"))["dataset"]["sha256"]
        config.write_text(config.read_text("utf-8").replace(digest, "0" * 64), "utf-8")
        line = nplm("generate", "checkpoints/names").err
        assert "is the export of a run on other data than checkpoints/names" in line
        export.unlink()
        shutil.move(run, run.with_name("my run"))
        nplm.refuses(3, "generate", "checkpoints/my run", says=("onnx 'checkpoints/my run'",))


@pytest.mark.parametrize(
    "command", ["generate -n 3", "score", "eval --data data/names --json", "suggest"]
)
def test_a_file_without_a_hash_of_itself_is_told_of(
    nplm: "Nplm", home: Path, tiny_model: Path, command: str
) -> None:
    """Damage of a file of format 1 may go unnoticed; what is printed stays what it was."""
    shutil.copyfile(tiny_model, home / "old.onnx")
    name, *options = command.split()
    words = ["ma"] if name == "suggest" else []
    done = nplm.ok(name, "old.onnx", *words, *options, stdin=b"anna\n")
    said = "old.onnx is of format 1, without a hash of itself: export it again for format 2"
    assert done.err.splitlines().count(said) == 1
    assert done.out == nplm.ok(name, MODEL, *words, *options, stdin=b"anna\n").out


@pytest.mark.parametrize("megabytes", ["nan", "-1", "inf", "1e308"])
def test_a_cache_of_no_size(nplm: "Nplm", megabytes: str) -> None:
    nplm.refuses(2, "generate", "--cache-mb", megabytes, says=("--cache-mb is",))
