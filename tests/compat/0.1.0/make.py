"""How this folder was made, with the code of commit 05e7e4c. Never run again: for the record only.

    git worktree add ../base 05e7e4c
    .venv/bin/python tests/compat/0.1.0/make.py ../base/src

`expected.json` holds, by command line, what the command printed then, as JSON; of generated strings
only the complete ones. It imports nothing of nplm: all is done by the command of that commit.
"""

import hashlib
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import load_file

HERE = Path(__file__).parent
NPLM = [sys.executable, "-c", "from nplm.cli.main import main; main()"]
MORE = (
    *("Ana María", "ana maría", "Ångström", "émile", "zoë", "søren", "jose\u0301", "josé"),
    *("мария", "o'neil", "anna-lena", "maria", "maria", "anna", "anna", "anna", "maria", "émile"),
)
SCORED = (
    *("maria", "anna", "marianna", "émile", "e\u0301mile", "Ana María", "o'neil", "мария", "a"),
    *("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "qqq", "xzqj", "MARIA"),
    *("ma7ia", "7", "日本", "\U0001f600", "a\tb", " ", "-"),
)
NETWORK = "--block-size 4 --embedding-size 6 --hidden-size 24 --batch-size 64"
RUNS = {
    "names": f"data/names {NETWORK} --steps 300 --eval-every 50",
    "ngram": "data/lesson --preset ngram --order 3",
    "mixture": f"data/names --preset best --order 3 {NETWORK} --steps 200 --eval-every 50",
    "stopped": (
        f"data/lesson {NETWORK} --dropout 0.3 --learning-rate 0.001 --steps 800 --eval-every 100"
    ),
}
BUILD = {
    "data/names": "dataset build data/names.txt",
    "data/lesson": "dataset build data/names.txt --split-by line --seed 314 --out data/lesson",
}
RESUME = "train data/lesson --out checkpoints/stopped --resume"
SWEEP = (
    f"sweep data/names {NETWORK} --eval-every 20 --workers 1 --grid steps=40,60,1000 "
    "--grid learning-rate=0.01"
)
SWEPT = Path("checkpoints", "names-sweep")
UNFINISHED = SWEPT / "trials" / "steps=1000,learning_rate=0.01"
GENERATE = {
    "names": (
        "",
        "--seed 7",
        "--prefix ma",
        "--temperature 0.7 --top-k 5",
        "--start-index 1000000",
    ),
    "names-no-novelty": ("",),
    "stopped": ("",),
}


def main() -> None:
    source = Path(sys.argv[1]).resolve()
    head = ["git", "-C", str(source), "rev-parse", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=True).stdout
    assert commit.startswith("05e7e4c")
    os.environ.update(PYTHONPATH=str(source), PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    make()
    printed = {command: output(command) for command in commands()}
    facts = {
        "torch": torch.__version__,
        "machine": machine(),
        "build": BUILD,
        "resume": {"command": RESUME, **elsewhere(resumed)},
        "sweep": {"command": SWEEP, **elsewhere(swept)},
    }
    for lock in HERE.rglob(".lock"):
        lock.unlink()
    lines = [f"  {json.dumps(key)}: {compact(value)}" for key, value in printed.items()]
    whole = [f" {json.dumps(key)}: {compact(value)}" for key, value in facts.items()]
    whole.append(' "printed": {\n' + ",\n".join(lines) + "\n }")
    (HERE / "expected.json").write_text("{\n" + ",\n".join(whole) + "\n}\n", encoding="utf-8")


def make() -> None:
    """The list, data sets, runs, model files."""
    for name in ("data", "checkpoints", "exports"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    (HERE / "data").mkdir()
    names = (HERE.parents[2] / "data" / "names.txt").read_text(encoding="utf-8").split()[::120]
    (HERE / "data" / "names.txt").write_text("\n".join([*names, *MORE, ""]), encoding="utf-8")
    (HERE / "strings.txt").write_text("\n".join([*SCORED, ""]), encoding="utf-8")
    for command in BUILD.values():
        nplm(command)
    for name, words in RUNS.items():
        command = f"train {words} --device cpu --out checkpoints/{name}"
        if name == "stopped":
            stop(command, lambda: lines_of("checkpoints/stopped/metrics.jsonl") >= 3)
        else:
            nplm(command)
        nplm(f"export onnx checkpoints/{name}")
    nplm("export onnx checkpoints/names --no-novelty --out exports/names-no-novelty.onnx")
    nplm("eval checkpoints/ngram --split test")  # a look at test is on record
    stop(
        SWEEP,
        lambda: lines_of(SWEPT / "sweep.jsonl") == 2 and lines_of(UNFINISHED / "metrics.jsonl") > 3,
    )


def commands() -> list[str]:
    """The command lines whose output is kept."""
    models = [f"exports/{name}.onnx" for name in (*RUNS, "names-no-novelty")]
    runs = [f"checkpoints/{name}" for name in RUNS]
    trial = str(SWEPT / "trials" / "steps=60,learning_rate=0.01")
    found = [f"dataset info {folder} --json" for folder in BUILD]
    found += [f"eval {it} --split train --split val --json" for it in (*runs, trial, *models)]
    found += [f"score {model} strings.txt --format jsonl" for model in models]
    found += [f"suggest {model} ma --json" for model in models[:3]]
    found.append("suggest exports/names.onnx '' -n 5 --json")
    for model in models:
        for options in GENERATE.get(Path(model).stem, GENERATE["names"]):
            found.append(f"generate {model} -n 200 --format jsonl {options}".rstrip())
    return found


def output(command: str) -> Any:
    """What a command prints: one JSON value, or a list of one a line."""
    text = nplm(command)
    if "--format jsonl" not in command and not command.startswith("eval"):
        return json.loads(text)
    values = [json.loads(line) for line in text.splitlines()]
    if not command.startswith("generate"):
        return values
    return [value for value in values if value.pop("complete")]


def nplm(command: str, folder: Path = HERE) -> str:
    words = [*NPLM, *shlex.split(command)]
    return subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, check=True).stdout.decode()


def stop(command: str, ready: Callable[[], bool]) -> None:
    """Ctrl-C as soon as it is `ready`."""
    with subprocess.Popen([*NPLM, *shlex.split(command)], cwd=HERE) as process:
        while not ready():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130


def lines_of(path: str | Path) -> int:
    return (HERE / path).read_bytes().count(b"\n") if (HERE / path).exists() else 0


def elsewhere(work: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives in a copy of this folder."""
    with tempfile.TemporaryDirectory() as scratch:
        return work(Path(shutil.copytree(HERE, Path(scratch) / "copy")))


def resumed(folder: Path) -> dict[str, Any]:
    """How the stopped run ends."""
    run = folder / "checkpoints" / "stopped"
    stopped_at = (run / "batch_loss.f32").stat().st_size // 4
    nplm(RESUME, folder)
    weights = hashlib.sha256()
    for name, values in sorted(load_file(run / "model.safetensors").items()):
        weights.update(name.encode() + values.tobytes())
    last = json.loads((run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    del last["train_seconds"]
    return {"stopped_at": stopped_at, "last": last, "weights_sha256": weights.hexdigest()}


def swept(folder: Path) -> dict[str, Any]:
    """How the trials end."""
    nplm(SWEEP, folder)
    lines = (folder / SWEPT / "sweep.jsonl").read_text(encoding="utf-8").splitlines()
    kept = ("values", "status", "step", "val_nats_per_symbol", "train_nats_per_symbol")
    return {"outcomes": [{key: json.loads(line)[key] for key in kept} for line in lines]}


def machine() -> str:
    """What torch's last bits depend on beside its version."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    model = next((line for line in lines if line.startswith("model name")), platform.processor())
    return f"{torch.backends.cpu.get_cpu_capability()}, {model.partition(': ')[2]}"


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
