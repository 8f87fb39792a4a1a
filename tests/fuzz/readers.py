"""What is read from files that others made: each reader with a valid file to damage."""

import json
from collections.abc import Callable
from pathlib import Path

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
RUN = COMPAT / "checkpoints" / "names"
Read = Callable[[Path], object]


def inside(read: Read) -> Read:
    """A reader of a folder as one of a file in it."""
    return lambda path: read(path.parent)


def of(name: str, read: Read, folder: Path, codes: tuple[int, ...] = (3,)) -> Target:
    """A reader of a file that version 0.1.0 wrote, among its neighbours."""
    file = name.rpartition(" ")[2]
    return Target(name, (folder / file).read_bytes(), read, file, folder, codes)


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
        of(f"settings {CONFIG}", read_settings, RUN, codes=(2, 3)),  # a person's own
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


TARGETS = readers()
