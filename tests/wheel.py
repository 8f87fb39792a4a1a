"""The wheel, in an environment of its own: no extras, the oldest versions that its metadata allow.

python tests/wheel.py    builds it from the sources, installs it, and runs what needs no torch
"""

import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "tests" / "golden" / "tiny.onnx"
RUNS = {  # commands, and what must stand in what they print
    f"generate {MODEL} -n 3": "aici\nmavyrfanokhan\nfar\n",  # docs/conformance.md
    f"score {MODEL} -": "12.541123\t2.508225\t5\t0\temma\n",
    f"suggest {MODEL} ma -n 2 --json": '"text": "man"',
    "doctor": "all is well for generating",
}


def build(folder: Path) -> Path:
    """The wheel, built in `folder`."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def oldest(wheel: Path) -> list[str]:
    """What it requires without extras, each at its lower bound."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode("utf-8")
    required = re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata, re.MULTILINE)
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", requirement) for requirement in required), required
    return [requirement.replace(">=", "==") for requirement in required]


def run(*words: str | Path, stdin: str = "") -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        list(map(str, words)), input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout + done.stderr


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        wheel = build(Path(name))
        pins = oldest(wheel)
        print(wheel.name, *pins)
        environment = Path(name) / "environment"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", wheel, *pins)
        for line, expected in RUNS.items():
            printed = run(environment / "bin" / "nplm", *line.split(), stdin="emma\n")
            if expected not in printed:
                raise SystemExit(f"nplm {line} printed {printed!r}, without {expected!r}")
            print("ok: nplm", line.replace(str(ROOT), "."))


if __name__ == "__main__":
    main()
