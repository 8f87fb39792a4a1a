"""Thirty deliberate faults, and whether the tests notice them.

python tests/mutants.py [NUMBER ...]    each fault, alone, in a copy of the tree, against the tests
                                        of its module until one fails; exit 1 if more than 2 survive

They were chosen before any test was written for them. Where the place of one is no longer in its
file, it has to be chosen anew.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "docs", "data", "pyproject.toml", "README.md", "Makefile")
TIMEOUT = 300  # seconds of one fault's tests; one that hangs is noticed
MAY_SURVIVE = 2


@dataclass(frozen=True)
class Mutant:
    """A fault: in `file` (below src/nplm) `new` stands for the one `old`.

    Attributes:
        why: what would be wrong for a user.
        tests: those of the module, below tests, separated by spaces.
    """

    file: str
    old: str
    new: str
    why: str
    tests: str


SAMPLING = "runtime/test_sampling.py test_conformance.py runtime/test_generate.py"
AUTOMATON = (
    "runtime/test_automaton.py runtime/test_keytable.py runtime/test_constraint.py "
    "runtime/test_generate.py runtime/test_score.py runtime/test_model.py"
)
CONTEXTS = "counts/test_contexts.py counts/test_ngram.py counts/test_evaluate.py"
NGRAM = "counts/test_ngram.py counts/test_sparserows.py training/test_targets.py"
CHECKPOINT = "runs/test_run.py runs/test_kills.py"
EXPORT = "export/test_onnxfile.py export/test_bad_models.py"
FILES = "test_transaction.py"

MUTANTS = (
    # sampling
    Mutant(
        "runtime/sampling.py",
        "counter=[start, block, 0, 0]",
        "counter=[start, 0, block, 0]",
        "draws 4 and later of a string differ from the documented stream",
        SAMPLING,
    ),
    Mutant(
        "runtime/sampling.py",
        "(raw >> np.uint64(11)) * 2.0**-53",
        "(raw >> np.uint64(12)) * 2.0**-52",
        "uniforms lose their last bit: other languages draw other strings now and then",
        SAMPLING,
    ),
    Mutant(
        "runtime/sampling.py",
        "ranked[before >= top_p] = 0.0",
        "ranked[before > top_p] = 0.0",
        "top-p keeps a symbol too many where the mass is met exactly",
        SAMPLING,
    ),
    Mutant(
        "runtime/sampling.py",
        'order = np.argsort(-p, axis=1, kind="stable")',
        'order = np.argsort(p, axis=1, kind="stable")[:, ::-1]',
        "ties of top-k go to the higher id",
        SAMPLING,
    ),
    Mutant(
        "runtime/sampling.py",
        "        ranked /= ranked.sum(axis=1, keepdims=True)\n",
        "",
        "top-p counts mass that top-k has taken away",
        SAMPLING,
    ),
    Mutant(
        "runtime/rows.py",
        "np.take(flat, low + (half - 1)) <= u",
        "np.take(flat, low + (half - 1)) < u",
        "a uniform on a boundary draws a symbol of probability 0",
        SAMPLING + " " + AUTOMATON,
    ),
    # automaton
    Mutant(
        "runtime/lazy.py",
        "if len(self) + len(keys) > self.capacity:",
        "if len(self) > self.capacity:",
        "memory grows past the cap",
        AUTOMATON,
    ),
    Mutant(
        "runtime/lazy.py",
        """        for chunk, cdf, log in self._maker.make(keys):
            place = slice(start + chunk.start, start + chunk.stop)
            self._cdf[place], self._log[place] = cdf, log
        self._table.add(keys)  # last: only now are they states
""",
        """        self._table.add(keys)
        for chunk, cdf, log in self._maker.make(keys):
            place = slice(start + chunk.start, start + chunk.stop)
            self._cdf[place], self._log[place] = cdf, log
""",
        "after a model's failure or Ctrl-C, later calls read rows that were never made",
        AUTOMATON,
    ),
    Mutant(
        "runtime/keytable.py",
        " & (entries < self._size)",
        "",
        "after an interrupted call a context is taken for one that is not there",
        AUTOMATON,
    ),
    Mutant(
        "runtime/rows.py",
        "self.constraint.after(len(symbols))",
        "self.constraint.after(len(recent))",
        "a prefix longer than the block counts too little for the least length",
        AUTOMATON,
    ),
    Mutant(
        "runtime/automatoncache.py",
        'prefix="", max_length=SamplingConfig.max_length)',
        'prefix="", max_length=SamplingConfig.max_length, min_length=0)',
        "a second call with another least length draws with the first one's",
        AUTOMATON,
    ),
    Mutant(
        "runtime/walk.py",
        "u[:, t % LANES][alive]",
        "u[: len(alive), t % LANES]",
        "a string depends on which others are drawn beside it",
        AUTOMATON,
    ),
    # contexts
    Mutant(
        "counts/contexts.py",
        "np.where(places >= back, column",
        "np.where(places > back, column",
        "the first symbol of a string is taken for padding",
        CONTEXTS,
    ),
    Mutant(
        "counts/contexts.py",
        "reach = min(start, block_size)",
        "reach = 0",
        "contexts at the start of a chunk have forgotten what stands before",
        CONTEXTS,
    ),
    Mutant(
        "counts/contexts.py",
        "int(63 / math.log2(max(2, vocab_size)))",
        "int(64 / math.log2(max(2, vocab_size)))",
        "packed contexts overflow where a word is full to the last bit",
        CONTEXTS,
    ),
    Mutant(
        "counts/contexts.py",
        "np.lexsort(words[::-1])",
        "np.lexsort(words)",
        "long contexts are sorted by their oldest symbols",
        CONTEXTS,
    ),
    # n-gram
    Mutant(
        "counts/ngram.py",
        "n[1] / (n[1] + 2 * n[2])",
        "n[1] / (n[1] + n[2])",
        "other discounts than Chen and Goodman's",
        NGRAM,
    ),
    Mutant(
        "counts/ngram.py",
        "counts = np.where(start, positions.counts, kinds.counts)",
        "counts = kinds.counts",
        "starts of strings are counted by what stands before them, which is nothing",
        NGRAM,
    ),
    Mutant(
        "counts/ngram.py",
        "estimated if min(estimated) > 0 else FALLBACK",
        "estimated",
        "small lists get discounts below zero and probabilities above one",
        NGRAM,
    ),
    Mutant(
        "counts/ngram.py",
        "shares[present] *= level.left[numbers[present]]",
        "shares[present] = level.left[numbers[present]]",
        "smoothed targets do not add up to one",
        NGRAM,
    ),
    # checkpoint
    Mutant(
        "runs/metrics.py",
        "_evaluation(run / METRICS, 0, line).step <= step",
        "_evaluation(run / METRICS, 0, line).step < step",
        "a resumed run loses the evaluation of its last step",
        CHECKPOINT,
    ),
    Mutant(
        "runs/checkpoint.py",
        "np.full(step, np.nan, np.float32)  # where the log has lost some\n"
        "        logged = batch_losses(self.folder)[:step]\n",
        "np.full(step + 1, np.nan, np.float32)\n"
        "        logged = batch_losses(self.folder)[: step + 1]\n",
        "losses that ran ahead of the checkpoint stay, and all later ones are shifted",
        CHECKPOINT,
    ),
    Mutant(
        "runs/checkpoint.py",
        """        self.save_best(recipe)  # first: a best that is ahead of the state is found again
        write_tensors(self.folder / LAST, numbers, self._hashes, state.tensors)
""",
        """        write_tensors(self.folder / LAST, numbers, self._hashes, state.tensors)
        self.save_best(recipe)
""",
        "a kill between the two leaves a best that the state says is another",
        CHECKPOINT,
    ),
    Mutant(
        "runs/tensorfile.py",
        'if header.get("sha256") != ',
        'if "sha256" in header and header["sha256"] != ',
        "weights without a hash are believed",
        CHECKPOINT,
    ),
    # export
    Mutant(
        "export/proof.py",
        "largest = float(np.maximum(largest, difference.max()))",
        "largest = max(largest, float(difference.max()))",
        "a model that computes NaN passes its proof",
        EXPORT,
    ),
    Mutant(
        "export/proof.py",
        "for model in (truth, candidate):\n",
        "for model in (truth,):\n",
        "a string that differs is explained by the network alone, whatever the file computes",
        EXPORT,
    ),
    Mutant(
        "export/onnxfile.py",
        "        del part.metadata_props[:]\n",
        "",
        "a model file tells of paths of the machine that made it",
        EXPORT,
    ),
    # transaction (these three stand where the first three of files.py stood)
    Mutant(
        "transaction.py",
        "                os.fsync(self._file.fileno())\n",
        "                pass\n",
        "a new file may be empty after the power fails",
        FILES,
    ),
    Mutant(
        "together.py",
        """            if output in kept:
                output.kept.replace(output.place)
""",
        """            if output in kept:
                pass
""",
        "a model that could not be replaced together with its sidecar is gone",
        FILES,
    ),
    Mutant(
        "transaction.py",
        "    if not force:\n        rename_free(source, output)\n",
        "    if not force:\n        source.replace(output.place)\n",
        "of two writers without --force the second replaces the first",
        FILES,
    ),
)


def stands(mutant: Mutant) -> bool:
    """Whether the file still has the one place where the fault goes."""
    path = ROOT / "src" / "nplm" / mutant.file
    return path.exists() and path.read_text(encoding="utf-8").count(mutant.old) == 1


def survives(mutant: Mutant, tree: Path) -> bool:
    """Whether no test of the module fails with the fault in the copy `tree`."""
    with fault(mutant, tree):
        return passes(mutant.tests.split(), tree)


@contextmanager
def fault(mutant: Mutant, tree: Path) -> Iterator[None]:
    """The fault is in the copy `tree`."""
    path = tree / "src" / "nplm" / mutant.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(whole, encoding="utf-8")


def passes(tests: list[str], tree: Path) -> bool:
    """Whether tests pass in a copy of the tree."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
    files = [f"tests/{test}" for test in dict.fromkeys(tests)]
    # No .pyc: one of the same second and size would be taken for that of the changed file.
    environment = {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *files],
            cwd=tree,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode > 2:  # 1: a test failed; 2: not even a module can be imported
        raise SystemExit(f"pytest ended with {done.returncode} on {' '.join(files)}")
    return done.returncode == 0


def copy(tree: Path) -> None:
    """Copy what the tests need."""
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=hidden)
        else:
            shutil.copy(ROOT / name, tree)


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:]] or list(range(1, len(MUTANTS) + 1))
    chosen = {number: MUTANTS[number - 1] for number in numbers}
    if lost := [f"{number} {m.file}: {m.old!r}" for number, m in chosen.items() if not stands(m)]:
        raise SystemExit("\n".join(["not once in its file; choose these anew:", *lost]))
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        copy(Path(folder))
        every = [test for mutant in chosen.values() for test in mutant.tests.split()]
        if not passes(every, Path(folder)):
            raise SystemExit("the tests fail without any fault: mend that first")
        for number, mutant in chosen.items():
            start = time.monotonic()
            alive = survives(mutant, Path(folder))
            survivors += [number] * alive
            state, seconds = "SURVIVES" if alive else "caught", time.monotonic() - start
            print(f"{number:2} {state:8} {seconds:4.0f} s  {mutant.file}: {mutant.why}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught")
    sys.exit(len(survivors) > MAY_SURVIVE)


if __name__ == "__main__":
    main()
