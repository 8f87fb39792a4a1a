"""`nplm train`."""

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nplm.presets import PRESETS

if TYPE_CHECKING:
    from tests.cli.conftest import Nplm

pytestmark = [pytest.mark.training, pytest.mark.usefixtures("one_thread", "home")]
RUN = "checkpoints/names"
FILES = {
    *("config.toml", "vocab.json", "model.safetensors", "last.safetensors"),
    *("metrics.jsonl", "batch_loss.f32"),
}


def settings(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))


def test_it_ends_with_scores_place_samples_and_the_next_command(nplm: "Nplm", home: Path) -> None:
    done = nplm.train()
    assert (done.code, done.out) == (0, b"")
    using, started, scores, place, *samples, following = done.err.splitlines()
    assert using == "using data/names"
    size, _, device = started.partition(", 2,264 distinct contexts, ")
    assert device == "on cpu"
    assert size.endswith(" parameters")
    metrics = (home / RUN / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(metrics[-1])
    assert f"train {last['train_nats_per_symbol']:.4f}" in scores
    assert f"val {last['val_nats_per_symbol']:.4f} nats per symbol at step 60" in scores
    assert f", {size}, " in scores
    assert scores.endswith(" s of steps")
    assert place == f"run: {RUN}"
    assert len(samples) == 10
    assert all(len(sample) > 2 and sample.startswith("  ") for sample in samples)
    assert following == "next: nplm export onnx"
    assert {path.name for path in (home / RUN).iterdir() if path.name[0] != "."} == FILES
    assert (home / RUN / "batch_loss.f32").stat().st_size == 4 * 60


def test_out_is_named_in_the_next_command(nplm: "Nplm", home: Path) -> None:
    done = nplm.train("data/names", "--out", "runs/mine")
    assert done.err.splitlines()[-1] == "next: nplm export onnx runs/mine"
    assert not (home / "checkpoints").exists()


def test_the_same_seed_gives_the_same_bits_and_another_does_not(nplm: "Nplm", home: Path) -> None:
    for out, seed in (("a", "1"), ("b", "1"), ("c", str(2**64 - 1))):
        assert nplm.train("--out", out, "--seed", seed).code == 0
    losses = [(home / out / "batch_loss.f32").read_bytes() for out in "abc"]
    assert losses[0] == losses[1] != losses[2]


def test_flags_win_over_the_file_which_wins_over_the_preset(nplm: "Nplm", home: Path) -> None:
    (home / "mine.toml").write_text(
        'preset = "notebook"\n[model]\nhidden_size = 12\nembedding_size = 5\n'
        "[train]\nsteps = 10\nseed = 7\n",
        "utf-8",
    )
    options = ("--config", "mine.toml", "--hidden-size", "9", "--device", "cpu")
    nplm.ok("train", *options)
    used = settings(home / RUN)
    assert used["preset"] == "notebook"
    assert (used["model"]["hidden_size"], used["model"]["embedding_size"]) == (9, 5)
    assert (used["train"]["steps"], used["train"]["seed"]) == (10, 7)
    notebook = PRESETS["notebook"]
    assert used["model"]["block_size"] == notebook.model.block_size
    assert used["train"]["draw"] == "positions"


def test_flags_that_change_nothing_are_named(nplm: "Nplm") -> None:
    options = "--preset ngram --order 3 --hidden-size 9 --steps 7"
    done = nplm.ok("train", *options.split())
    said = [line for line in done.err.splitlines() if "changes nothing" in line]
    assert said == [
        "--hidden-size changes nothing: there are no networks",
        "--steps changes nothing: there are no networks",
    ]
    options = "--smoothing 0 --order 3 --optimizer sgd --weight-decay 0.1 --learning-rate 0.1"
    err = nplm.train("--out", "b", *options.split()).err
    assert "--order changes nothing: there is no n-gram" in err
    assert "--weight-decay" not in err  # sgd decays weights, too
    assert "changes nothing" not in nplm.train("--out", "c", "--hidden-size", "9").err


def test_a_file_may_be_flat(nplm: "Nplm", home: Path) -> None:
    (home / "mine.toml").write_text("hidden_size = 12\nsteps = 10\n", "utf-8")
    nplm.ok("train", "--config", "mine.toml", "--device", "cpu")
    assert settings(home / RUN)["model"]["hidden_size"] == 12


def test_the_settings_of_a_run_can_be_used_again(nplm: "Nplm", home: Path) -> None:
    """What a run writes as its `config.toml` is a configuration file."""
    nplm.train("--out", "a")
    done = nplm("train", "--config", "a/config.toml", "--out", "b", "--device", "cpu")
    assert done.code == 0, done.err
    assert settings(home / "b") == settings(home / "a")


def test_all_options_of_model_and_training(nplm: "Nplm", home: Path) -> None:
    options = (
        "--layers 2 --activation relu --dropout 0.1 --batch-size full --optimizer sgd "
        "--learning-rate 0.5 --schedule cosine"
    )
    assert nplm.train(*options.split()).code == 0
    used = settings(home / RUN)
    assert (used["model"]["layers"], used["model"]["dropout"]) == (2, 0.1)
    assert used["model"]["activation"] == "relu"
    assert (used["train"]["batch_size"], used["train"]["optimizer"]) == ("full", "sgd")
    assert (used["train"]["learning_rate"], used["train"]["schedule"]) == (0.5, "cosine")


def test_without_val_the_last_weights_are_kept_and_it_says_so(nplm: "Nplm", home: Path) -> None:
    content = (home / "data" / "names.txt").read_bytes()
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "all", stdin=content)
    done = nplm.train("all")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if line.startswith("train ")]
    assert "no val" in line
    assert "last weights" in line
    assert "at step 60" in line
    evaluated = nplm.ok("eval", "checkpoints/all", "--split", "train", "--json").json
    assert f"train {evaluated['nats_per_symbol']:.4f}" in line
    assert "kept nats" not in line  # two sentences, not one run into the other


def test_odd_symbols_are_generated_back(nplm: "Nplm") -> None:
    strings = ["d. e\tf", "x.y", "\u00e9\u00e0 \u65e5\u672c"]
    text = "".join(f"{string}\n" for string in strings).encode()
    nplm.ok("dataset", "build", "-", "--split", "1,0,0", "--out", "odd", stdin=text)
    options = ("--steps", "300", "--learning-rate", "0.05", "--batch-size", "full")
    assert nplm.train("odd", *options).code == 0
    done = nplm.ok("generate", "checkpoints/odd", "--runtime", "torch", "-n", "200")
    assert set(strings) <= set(done.lines)


def test_a_text_file_becomes_a_data_set_first(nplm: "Nplm", home: Path) -> None:
    (home / "towns.txt").write_bytes((home / "data" / "names.txt").read_bytes())
    done = nplm.train("towns.txt")
    assert done.code == 0
    assert "data/towns" in done.err
    assert (home / "data" / "towns" / "dataset.json").exists()
    assert (home / "checkpoints" / "towns" / "model.safetensors").exists()
    assert nplm.train("towns.txt", "--force").code == 0
    (home / "towns.txt").write_text("".join(f"town {k}\n" for k in range(99)), "utf-8")
    says = ("data/towns", "towns.txt", "nplm dataset build")
    nplm.refuses(2, "train", "towns.txt", "--force", says=says)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "no strings"), (b"a\xff\n", "line 1, byte 2"), (b"one\n", "split would be empty")],
)
def test_a_text_file_that_cannot_be_used(
    nplm: "Nplm", home: Path, content: bytes, says: str
) -> None:
    (home / "towns.txt").write_bytes(content)
    nplm.refuses(3, "train", "towns.txt", says=(says,))


def test_no_data(nplm: "Nplm", home: Path) -> None:
    nplm.refuses(3, "train", "no", says=("no data set in no", "nplm dataset build"))
    nplm.refuses(3, "train", "towns.txt", says=("towns.txt", "nplm dataset build"))
    shutil.rmtree(home / "data")
    nplm.refuses(3, "train", says=("no data set under data/", "nplm dataset build"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--preset", "defaults"), ("'defaults'", "'default', 'notebook'")),
        (("--preset", "zzz"), ("'zzz'", "'default', 'notebook'")),
        (("--steps", "-1"), ("steps is -1",)),
        (("--block-size", "0"), ("--block-size is 0",)),
        (("--block-size", "65"), ("--block-size is 65",)),
        (("--hidden-size", "-1"), ("--hidden-size is -1",)),
        (("--embedding-size", "0"), ("--embedding-size is 0",)),
        (("--layers", "0"), ("--layers is 0",)),
        (("--activation", "sigmoid"), ("'sigmoid'", "'tanh', 'relu', 'gelu'")),
        (("--dropout", "1"), ("--dropout is 1",)),
        (("--batch-size", "0"), ("--batch-size is 0",)),
        (("--batch-size", "-5"), ("--batch-size is -5",)),
        (("--batch-size", "all"), ("--batch-size is 'all'", "full")),
        (("--optimizer", "adam"), ("'adam'", "'sgd', 'adamw'")),
        (
            ("--schedule", "exponential"),
            ("'exponential'", "'constant', 'step'"),
        ),
        (("--learning-rate", "0"), ("--learning-rate is 0",)),
        (("--learning-rate", "-1"), ("--learning-rate is -1",)),
        (("--learning-rate", "nan"), ("--learning-rate is nan",)),
        (("--learning-rate", "inf"), ("--learning-rate is inf",)),
        (("--eval-every", "-1"), ("--eval-every is -1",)),
        (("--seed", "-1"), ("seed is -1",)),
        (("--seed", str(2**64)), ("seed is 1844",)),
        (("--preset", "notebook", "--batch-size", "full"), ("full", "positions")),
        (("--preset", "notebook", "--smoothing", "0.4"), ("smoothing is 0.4", "positions")),
        (("--smoothing", "-0.1"), ("smoothing is -0.1",)),
        (("--networks", "0"), ("networks is 0", "no n-gram")),
        (("--networks", "17"), ("networks is 17", "between 0 and 16")),
        (("--order", "1"), ("order is 1", "at least 2")),
        (("--order", "66"), ("order is 66", "between 0 and 65")),
        (("--ngram-weight", "1.5"), ("--ngram-weight is 1.5", "between 0 and 1")),
        (("--preset", "best", "--ngram-weight", "1.5"), ("--ngram-weight is 1.5",)),
        (("--ngram-weight", "0.5"), ("--ngram-weight", "--preset best")),
        (("--preset", "ngram", "--ngram-weight", "0.5"), ("--ngram-weight", "--preset best")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_options_out_of_bounds(
    nplm: "Nplm", options: tuple[str, ...], says: tuple[str, ...]
) -> None:
    nplm.refuses(2, "train", *options, says=says)


@pytest.mark.parametrize(
    ("code", "content", "says"),
    [
        (2, b"hiden_size = 3\n", ("'hiden_size'", "did you mean hidden_size?")),
        (2, b"[model]\nhiden_size = 3\n", ("'model.hiden_size'", "did you mean hidden_size?")),
        (2, b"[train]\nhidden_size = 3\n", ("'train.hidden_size'",)),
        (2, b"[modle]\nhidden_size = 3\n", ("'modle'", "did you mean model?")),
        (2, b"[model]\nhidden_size = 'x'\n", ("hidden_size is 'x'", "whole number")),
        (2, b"[model]\nhidden_size = 2.5\n", ("hidden_size is 2.5", "whole number")),
        (2, b"model = 3\n", ("model is 3", "[model]")),
        (2, b"preset = 'defualt'\n", ("'defualt'", "choose default")),
        (2, b"preset = 3\n", ("preset", "3")),
        (2, b"preset = ['default']\n", ("preset",)),
        (3, b"[model\n", ("not valid TOML", "line 1")),
        (3, b"steps = 1\nsteps = 2\n", ("not valid TOML", "line 2")),
        (3, b"\xff", ("not valid TOML",)),
    ],
    ids=lambda value: value.decode("latin-1").strip() if isinstance(value, bytes) else "",
)
def test_configuration_files_that_are_wrong(
    nplm: "Nplm", home: Path, code: int, content: bytes, says: tuple[str, ...]
) -> None:
    (home / "mine.toml").write_bytes(content)
    nplm.refuses(code, "train", "--config", "mine.toml", says=("mine.toml", *says))


def test_a_configuration_file_that_is_not_there(nplm: "Nplm") -> None:
    nplm.refuses(3, "train", "--config", "no.toml", says=("no.toml", "No such file"))
    nplm.refuses(3, "train", "--config", "data", says=("data", "Is a directory"))


def test_devices_that_do_not_exist(nplm: "Nplm") -> None:
    for device in ("nonsense", "cuda:x", "cuda:-1", ""):
        says = (repr(device), "auto, cpu, cuda")
        nplm.refuses(5, "train", "--device", device, says=says)


def test_cuda_where_there_is_none(nplm: "Nplm") -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch sees CUDA")
    for device in ("cuda", "cuda:0"):
        nplm.refuses(5, "train", "--device", device, says=("CUDA", "--device cpu"))


def test_a_run_that_exists_is_replaced_with_force_only(nplm: "Nplm", trained: Path) -> None:
    nplm.refuses(3, "train", "--seed", "1", says=(RUN, "--force", "--out", "--resume"))
    (trained / "notes").mkdir()
    (trained / "notes" / "mine.txt").touch()
    nplm.refuses(3, "train", "--out", "notes", says=("notes already exists",))
    old = (trained / RUN / "model.safetensors").read_bytes()
    assert nplm.train("--seed", "1", "--force").code == 0
    assert (trained / RUN / "model.safetensors").read_bytes() != old
    assert settings(trained / RUN)["train"]["seed"] == 1


def test_a_stopped_force_names_the_line_that_goes_on(
    nplm: "Nplm", trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is typed as it stands; until its end the old run is used, and then the new one."""

    @contextmanager
    def stopped() -> Iterator[Callable[[], bool]]:
        asked = iter(range(30))
        yield lambda: next(asked, None) is None

    old = (trained / RUN / "model.safetensors").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("nplm.cli.train.stop_on_signal", stopped)
        done = nplm.train("--seed", "1", "--force")
    assert done.code == 130
    found = re.search(rf"everything is saved in {RUN}\.new; go on: nplm (.*--resume)\n", done.err)
    assert found
    assert (trained / RUN / "model.safetensors").read_bytes() == old
    assert nplm.ok("eval").err.splitlines()[0] == f"using {RUN}"
    resumed = nplm.ok(*shlex.split(found[1]))
    assert "from step 30" in resumed.err
    assert f"run: {RUN}\n" in resumed.err
    assert settings(trained / RUN)["train"]["seed"] == 1
    assert not (trained / f"{RUN}.new").exists()


def test_files_of_somebody_else_in_a_run(nplm: "Nplm", trained: Path) -> None:
    (trained / RUN / "mine.svg").touch()
    nplm.refuses(3, "train", "--force", says=(RUN, "holds mine.svg", "--out"))


def test_an_output_that_cannot_be_written(nplm: "Nplm") -> None:
    nplm.refuses(3, "train", "--out", "data/names.txt/run", says=("data/names.txt/run",))
    nplm.refuses(3, "train", "--out", "data/names.txt", "--force", says=("data/names.txt",))


def test_a_run_in_use(nplm: "Nplm", trained: Path) -> None:
    from filelock import FileLock

    with FileLock(trained / RUN / ".lock"):
        nplm.refuses(3, "train", "--force", says=(RUN, "in use"))
        nplm.refuses(3, "train", "--resume", says=(RUN, "in use"))


def test_resuming_what_is_finished_changes_no_weights(nplm: "Nplm", trained: Path) -> None:
    names = ("metrics.jsonl", "batch_loss.f32", "config.toml", "vocab.json")
    before = [(trained / RUN / name).read_bytes() for name in names]
    score = nplm.ok("eval", RUN, "--json").out
    done = nplm.ok("train", "--resume", "--device", "cpu")
    assert "from step 60" in done.err
    assert "was trained to its end" in done.err
    assert [(trained / RUN / name).read_bytes() for name in names] == before
    assert nplm.ok("eval", RUN, "--json").out == score


def test_resuming_what_is_not_there(nplm: "Nplm") -> None:
    nplm.refuses(3, "train", "--resume", says=(f"no run in {RUN}", "nplm train"))


@pytest.mark.usefixtures("trained")
def test_resuming_with_other_settings(nplm: "Nplm") -> None:
    says = (RUN, "hidden_size 16, not 17", "--force")
    nplm.refuses(3, "train", "--resume", "--hidden-size", "17", says=says)


@pytest.mark.usefixtures("trained")
def test_resuming_with_data_that_was_built_differently(nplm: "Nplm") -> None:
    nplm.ok("dataset", "build", "--force", "--seed", "1")
    nplm.refuses(3, "train", "--resume", says=(RUN, "another data set", "--force"))


def test_resuming_a_damaged_run(nplm: "Nplm", trained: Path) -> None:
    path = trained / RUN / "last.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    says = (f"{RUN}/last.safetensors", "damaged")
    nplm.refuses(3, "train", "--resume", "--device", "cpu", says=says)


@pytest.mark.parametrize(
    "options",
    [
        ("--optimizer", "sgd", "--learning-rate", "1e38"),
        ("--optimizer", "sgd", "--learning-rate", "1e30", "--activation", "relu"),
        ("--optimizer", "adamw", "--learning-rate", "1e38"),
    ],
    ids=" ".join,
)
def test_a_run_that_diverges_says_so_in_one_line(nplm: "Nplm", options: tuple[str, ...]) -> None:
    done = nplm.train(*options)
    assert (done.code, done.out) == (8, b"")
    _, _, *lines = done.err.splitlines()  # the data set and the size of the network
    (line,) = lines
    assert line.startswith("nplm: ")
    for part in ("not finite at step", "--learning-rate", "best weights"):
        assert part in line


@pytest.mark.parametrize("option", ["hidden-size", "batch-size", "embedding-size"])
def test_sizes_beyond_any_memory_are_refused(nplm: "Nplm", option: str) -> None:
    says = (f"--{option} is {10**15}", "between 1 and 1048576")
    nplm.refuses(2, "train", f"--{option}", str(10**15), says=says)


def test_an_n_gram_needs_no_steps(nplm: "Nplm", home: Path) -> None:
    done = nplm.train("--preset", "ngram", "--order", "4")
    assert (done.code, done.out) == (0, b"")
    told = [line for line in done.err.splitlines() if "changes nothing" not in line]
    _, started, scores, place, *samples, _ = told
    assert started.startswith("a 4-gram of ")
    assert started.endswith(" distinct contexts, on cpu")
    assert "val " in scores
    assert place == f"run: {RUN}"
    assert len(samples) == 10
    names = {path.name for path in (home / RUN).iterdir() if path.name[0] != "."}
    assert names == FILES | {"ngram.safetensors"}
    assert settings(home / RUN)["mixture"]["order"] == 4
    assert nplm.ok("train", "--resume").code == 0


def test_a_mixture_says_what_its_parts_weigh(nplm: "Nplm", home: Path) -> None:
    options = ("--networks", "3", "--order", "4", "--ngram-weight", "0.4", "--smoothing", "0.2")
    done = nplm.train("--preset", "best", *options)
    assert done.code == 0, done.err
    assert " parameters and a 4-gram of " in done.err.splitlines()[1]
    weights = "mixture: n-gram 0.400, network 1 0.200, network 2 0.200, network 3 0.200"
    assert weights in done.err.splitlines()
    used = settings(home / RUN)
    assert used["mixture"] == {"networks": 3, "ngram": True, "order": 4, "ngram_weight": 0.4}
    assert used["train"]["smoothing"] == 0.2


def test_the_settings_of_an_n_gram_can_be_used_again(nplm: "Nplm", home: Path) -> None:
    assert nplm.train("--preset", "ngram", "--out", "a").code == 0
    nplm.ok("train", "--config", "a/config.toml", "--out", "b", "--device", "cpu")
    assert settings(home / "b") == settings(home / "a")
    assert settings(home / "a")["mixture"]["order"] >= 2  # settled, not 0


@pytest.mark.parametrize("preset", ["default", "ngram", "best"])
def test_an_order_larger_than_any_string(nplm: "Nplm", preset: str) -> None:
    says = ("order 40 is larger than any string", "--order")
    nplm.refuses(3, "train", "--preset", preset, "--order", "40", says=says)


@pytest.mark.parametrize("preset", ["ngram", "best"])
def test_from_training_to_scores(nplm: "Nplm", home: Path, preset: str) -> None:
    from nplm.text.datafolder import load

    model = "exports/mine.onnx"
    assert nplm.train("--preset", preset, "--order", "5").code == 0
    assert "1,000 strings equal" in nplm.ok("export", "onnx", RUN, "--out", model).err
    generated = nplm.ok("generate", model, "-n", "50").lines
    assert generated == nplm.ok("generate", RUN, "--runtime", "torch", "-n", "50").lines
    run, file = (
        nplm.ok("eval", target, "--split", "test", "--json").json for target in (RUN, model)
    )
    assert file["nats_per_symbol"] == pytest.approx(run["nats_per_symbol"], abs=1e-6)
    assert file["baselines"] == run["baselines"]
    kind = {"ngram": "this n-gram", "best": "this mixture"}[preset]
    for target in (RUN, model):
        assert kind in nplm.ok("eval", target).out.decode()
    strings = "\n".join(load(home / "data" / "names").texts("test")).encode()
    scored = nplm.ok("score", model, "-", "--format", "jsonl", stdin=strings).lines
    total = sum(json.loads(line)["nats"] for line in scored)
    assert total == pytest.approx(file["nats_per_symbol"] * file["symbols"], rel=1e-6)


@pytest.mark.parametrize("preset", ["default", "ngram", "best"])
@pytest.mark.parametrize(
    ("strings", "options"),
    [
        (b"anna\n", ("--split", "1,0,0")),
        (b"anna\n" * 10, ("--split-by", "line")),
        (b"a\nb\nc\n" * 10, ("--split", "1,0,0")),
        (b"a\nb\nc\n" * 10, ("--split-by", "line")),
    ],
    ids=["one string", "identical", "length one without val", "length one"],
)
def test_lists_that_hardly_are_any(
    nplm: "Nplm", strings: bytes, options: tuple[str, ...], preset: str
) -> None:
    nplm.ok("dataset", "build", "-", *options, "--out", "odd", stdin=strings)
    done = nplm.train("odd", "--preset", preset)
    assert done.code == 0, done.err
    nplm.ok("train", "odd", "--resume")
    run = "checkpoints/odd"
    found = nplm.ok("eval", run, "--split", "train", "--json").json
    assert 0 < found["nats_per_symbol"] < found["baselines"]["uniform"]
    generated = nplm.ok("generate", run, "--runtime", "torch", "-n", "20").lines
    assert set("".join(generated)) <= set(strings.decode())
    assert len(generated) == 20
