"""What is read from files that others made: each reader with a valid file to damage.

A reader gives a value or raises an NplmError of exit code 3 with one line; anything else, or a
reader that takes seconds, is a defect. `attack` is called by a test with few cases and by hand with
many; the same seed gives the same cases.
"""

import json
import random
import shutil
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.target import Target
from nplm.errors import DataError
from nplm.runs.facts import read_facts
from nplm.runs.header import is_evaluated, is_finished
from nplm.runs.layout import BEST, CONFIG, LAST, LOSSES, METRICS, VOCAB
from nplm.runs.looks import LOOKS, looks
from nplm.runs.metrics import batch_losses, lines_until, metrics
from nplm.runs.trials import RESULTS, results
from nplm.runtime.modelcard import ModelCard
from nplm.stored import read_json
from nplm.text.datafolder import load

COMPAT = Path(__file__).parents[1] / "compat" / "0.1.0"
SLOWEST = 5.0  # seconds that one case may take on a busy machine
LONGEST = 1000  # characters of a message
RUN = COMPAT / "checkpoints" / "names"
Read = Callable[[Path], object]


def inside(read: Read) -> Read:
    """A reader of a folder as one of a file in it."""
    return lambda path: read(path.parent)


def of(name: str, read: Read, folder: Path) -> Target:
    """A reader of a file that version 0.1.0 wrote, among its neighbours."""
    file = name.rpartition(" ")[2]
    return Target(name, (folder / file).read_bytes(), read, file, folder)


def read_settings(path: Path) -> object:
    """As --config does."""
    from nplm.cli.settings import settings_for

    return settings_for(None, path, {})


def read_card(path: Path) -> object:
    """The metadata of a model file, here as JSON: keys to texts."""
    metadata = read_json(path)
    if not all(isinstance(text, str) for text in metadata.values()):
        raise DataError("not metadata of ONNX, which are texts")
    card = ModelCard.from_metadata(metadata, str(path))
    return card.novelty_splits, card.tokenizer, card.encode(""), card.to_metadata()


def read_tensor_file(path: Path) -> object:
    """With its hash: almost nothing gets beyond."""
    from nplm.runs.tensorfile import read_tensors

    return read_tensors(path, {})


def read_signed_tensors(path: Path) -> object:
    """As somebody reads it who has written the hash anew."""
    from nplm.runs.header import split_content
    from nplm.runs.tensorfile import content_hash, read_tensors

    content = path.read_bytes()
    written = split_content(path, content)[0].get("sha256", "-")
    path.write_bytes(content.replace(written.encode(), content_hash(path, content).encode(), 1))
    return read_tensors(path, {})


def metadata_of_0_1_0() -> bytes:
    """What a model file says, as JSON: that of a format 1 file, made of its sidecar."""
    sidecar = json.loads((COMPAT / "exports" / "names.onnx.json").read_bytes())
    del sidecar["sha256"]
    texts = {f"nplm.{key}": json.dumps(value) for key, value in sidecar.items()}
    return json.dumps(texts | {"nplm.novelty": "AQAAAAIAAAA="}).encode()


def looks_file() -> bytes:
    return (COMPAT / "checkpoints" / "ngram" / LOOKS).read_bytes()


def readers() -> list[Target]:
    """All of them; those of tensors need the training extra."""
    data, sweep = COMPAT / "data" / "names", COMPAT / "checkpoints" / "names-sweep"
    return [
        of("dataset.json", inside(load), data),
        of("train.npy", inside(load), data),
        of("val.npy", inside(load), data),
        of(f"facts {CONFIG}", inside(read_facts), RUN),
        of(VOCAB, inside(read_facts), RUN),
        of(f"settings {CONFIG}", read_settings, RUN),
        of(f"header {LAST}", inside(is_finished), RUN),
        of(f"header {BEST}", inside(is_evaluated), RUN),
        of(METRICS, inside(metrics), RUN),
        of(f"resumed {METRICS}", inside(lambda run: lines_until(run, 40)), RUN),
        of(LOSSES, inside(batch_losses), RUN),
        of(RESULTS, inside(results), sweep),
        Target(LOOKS, looks_file(), inside(looks), LOOKS),
        Target("metadata.json", metadata_of_0_1_0(), read_card, "metadata.json"),
        of(f"tensors {BEST}", read_tensor_file, RUN),
        of(f"signed {BEST}", read_signed_tensors, RUN),
    ]


@dataclass(frozen=True)
class Attack:
    """What an attack on a reader came to: cases it read, and cases it refused."""

    read: int
    refused: int


def attack(target: Target, folder: Path, seed: int, cases: int) -> Attack:
    """Damage a file in many ways and read each; AssertionError tells of a defect and its case."""
    place = folder / target.name.replace(" ", "-")
    if target.beside:
        shutil.copytree(target.beside, place, ignore=shutil.ignore_patterns("trials"))
    else:
        place.mkdir(parents=True)
    path = place / target.filename
    path.write_bytes(target.valid)
    target.read(path)  # or the attack proves nothing
    read = 0
    for number, content in enumerate(damaged(target.valid, seed, cases)):
        path.write_bytes(content)
        read += outcome(target, path, f"{target.name}, seed {seed}, case {number}")
    return Attack(read, cases - read)


def outcome(target: Target, path: Path, case: str) -> bool:
    """Whether a case is read; False where it is refused as it should be."""
    before = path.read_bytes()
    started = time.process_time()
    try:
        target.read(path)
        good = True
    except Exception as error:
        # Settings of a person are refused as such: code 2.
        if getattr(error, "exit_code", 1) not in (2, 3):
            raise AssertionError(f"{case}: {error!r} for {before[:2000]!r}") from error
        if len(str(error)) > LONGEST:
            raise AssertionError(f"{case}: a message of {len(str(error))} characters") from error
        good = False
    seconds = time.process_time() - started
    assert seconds < SLOWEST, f"{case} took {seconds:.1f} s: {before[:2000]!r}"
    return good


def damaged(valid: bytes, seed: int, cases: int) -> Iterator[bytes]:
    """`cases` damaged versions of a file, of one damage or a few."""
    rng = random.Random(seed)
    for _ in range(cases):
        content = valid
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            content = rng.choice(DAMAGES)(rng, content)
        yield content


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _flip(rng: random.Random, content: bytes) -> bytes:
    if not content:
        return b"\0"
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def _insert(rng: random.Random, content: bytes) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.choice(SCRAPS) + content[place:]


def _remove(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.randrange(1, 60) :]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content) + 1)
    piece = content[start : start + rng.randrange(1, 200)]
    return content[:start] + piece * rng.choice((2, 3, 50)) + content[start:]


def _token(rng: random.Random, content: bytes) -> bytes:
    """Another value in the place of one that stands in a text: a word, number or list."""
    places = [k for k, byte in enumerate(content[:20_000]) if byte in b":=,["]
    if not places:
        return content
    start = rng.choice(places) + 1
    end = next((k for k in range(start, len(content)) if content[k] in b",]}\n"), len(content))
    return content[:start] + rng.choice(VALUES) + content[end:]


def _rewritten(rng: random.Random, content: bytes) -> bytes:
    """A JSON document, or a line of one, with a value changed where it stands."""
    lines = content.splitlines(keepends=True)
    whole = content.startswith((b"{\n", b"{"))
    try:
        if whole and b"\n{" not in content:
            return json.dumps(_changed(rng, json.loads(content))).encode()
        place = rng.randrange(len(lines))
        lines[place] = json.dumps(_changed(rng, json.loads(lines[place]))).encode() + b"\n"
        return b"".join(lines)
    except (ValueError, RecursionError, IndexError):
        return _token(rng, content)


def _changed(rng: random.Random, value: Any) -> Any:
    """`value` with one value in it another."""
    if rng.random() < 0.8:
        if isinstance(value, dict) and value:
            key = rng.choice(list(value))
            if rng.random() < 0.1:
                return {other: item for other, item in value.items() if other != key}
            return value | {key: _changed(rng, value[key])}
        if isinstance(value, list) and value:
            place = rng.randrange(len(value))
            return [*value[:place], _changed(rng, value[place]), *value[place + 1 :]]
        if isinstance(value, str) and value.startswith(("{", "[", '"')):  # JSON inside of JSON
            try:
                return json.dumps(_changed(rng, json.loads(value)))
            except (ValueError, RecursionError):
                pass
    return rng.choice(PLAIN)


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_cut, _flip, _flip, _insert, _remove, _repeat),
    *(_token, _token, _rewritten, _rewritten, _rewritten),
)
PLAIN: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 64, 65, 2**31, 2**63, 2**64 - 1, 10**30, 0.0, -0.5, 1e300),
    *("", "a", "\0", "\n", "é", "\ud800", "../" * 50, "x" * 5000, "nfc", "none", "cpu", "0" * 64),
    *([], [[]], ["a"], ["a", "a"], [1], {}, {"a": {}}, [0] * 100, float("nan"), float("inf")),
)
VALUES: tuple[bytes, ...] = (
    *(json.dumps(value).encode() for value in PLAIN),
    *(b"9" * 400, b"9" * 5000, b"0x" + b"f" * 5000, b"[" * 3000, b'{"a":' * 3000, b"{a=" * 3000),
    *(b"nan", b"inf", b"-inf", b"1e999", b"1979-05-27", b"07:32:00", b"'a'", b"a.b.c", b"true"),
)
SCRAPS: tuple[bytes, ...] = (
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b" ", b'"', b"{", b"}"),
    *(b"[", b"]", b",", b'\n{"a": 1}\n', b"\n[x]\n", b"\nx.y = 1\n", b"\0" * 4096, b"[" * 5000),
    *(b"a." * 5000, string.printable.encode(), b"\xff" * 8, bytes(8)),
)


TARGETS = readers()
