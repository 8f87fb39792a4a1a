"""A run becomes one ONNX file, proved equal to the network before it is put in place.

The module is traced by torch, stripped of everything that tells of this machine, and described by
metadata. The same run, library versions and machine give the same bytes.
"""

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import torch

from nplm import __version__
from nplm.checks import SPLITS
from nplm.counts.contexts import ContextTable
from nplm.counts.evaluate import evaluate
from nplm.counts.tables import table_of
from nplm.errors import DamagedError, DataError, ExistsError, VerificationError
from nplm.export.proof import (
    BOUNDARY_TOLERANCE,
    PROOF_STRINGS,
    TOLERANCE,
    Proof,
    proof_contexts,
    prove,
)
from nplm.occupied import refuse_existing
from nplm.runs.header import weights_digest
from nplm.runs.opened import LoadedRun
from nplm.runtime.checksum import insert_checksum
from nplm.runtime.modelcard import SHA256, ModelCard
from nplm.runtime.novelty import NoveltyFilter
from nplm.runtime.onnxguard import INPUT, IR_VERSION, OPSET, OUTPUT, read_envelope
from nplm.runtime.onnxmodel import open_bytes
from nplm.stored import read_json
from nplm.text.dataset import Dataset
from nplm.together import write_together
from nplm.training.mixture import Mixture
from nplm.transaction import as_json, place_of

MAX_PRIVATE_ORDER = 3  # an n-gram of it holds pairs of symbols: docs/model-file.md, what it reveals


def export(
    run: LoadedRun,
    dataset: Dataset,
    out: Path,
    *,
    novelty: bool = True,
    private: bool = False,
    force: bool = False,
) -> Proof:
    """Write `out` and its sidecar `out`.json.

    Args:
        novelty: carry a filter of the strings of all splits, 4 bytes each.
        private: carry neither the filter nor hashes of the data set and of the weights.

    Raises:
        DataError: `private`, and the n-gram among the parts has more than 3 symbols.
        ExistsError: `out` exists and `force` is not given, or `out`.json is not of a model.
        VerificationError: onnxruntime does not compute what torch computes; `out` is as it was.
    """
    place = place_of(out)
    sidecar = place.with_name(place.name + ".json")
    refuse_existing(out, force=force)
    refuse_existing(sidecar, force=force)
    _refuse_foreign(sidecar)
    if private:
        _refuse_revealing(run)
    table = table_of(dataset, "train", run.model.block_size)
    lists = dataset.document == "line"  # the passages of a stream are no strings of a list
    knows = novelty and lists and not private
    strings_filter = NoveltyFilter.of(dataset.all_splits()) if knows else None
    extra = _extra(run, dataset, table) | {"novelty_filter": _described(strings_filter)}
    extra["weights_sha256"] = None if private else weights_digest(run.folder)
    digest = None if private else run.card.dataset_sha256
    card = replace(run.card, extra=extra, novelty=strings_filter, dataset_sha256=digest)
    try:
        content = to_onnx(run, card)
        proof = prove(run.model, open_bytes(content, str(out)), card, table)
    except DamagedError as error:  # it would not open, or gives no numbers
        cure = "the old file, if any, is unchanged; please report this"
        raise VerificationError(error.problem, cure) from error
    facts = {**card.facts(), "sha256": hashlib.sha256(content).hexdigest()}
    write_together({out: content, sidecar: as_json(facts)}, force=force)
    return replace(proof, novelty=strings_filter)


def _refuse_foreign(sidecar: Path) -> None:
    """Raise ExistsError where something else than the description of a model has its name."""
    if not sidecar.exists():
        return
    try:
        ours = {"format", "block_size"} <= read_json(sidecar).keys()
    except DamagedError:
        ours = False
    if not ours:
        problem = f"{sidecar} would be replaced, and describes no model"
        raise ExistsError(sidecar, problem, "move it away or choose another `out`")


def _refuse_revealing(run: LoadedRun) -> None:
    """Raise DataError where the n-gram of a run holds more than letters that stand together."""
    mixture = run.facts.config.mixture
    if mixture.ngram and mixture.order > MAX_PRIVATE_ORDER:
        raise DataError(
            f"{run.folder} has an n-gram of order {mixture.order}, which holds every "
            f"{mixture.order - 1} symbols that stand together in the list; `private=True` takes "
            f"orders up to {MAX_PRIVATE_ORDER}",
            f"train one of order {MAX_PRIVATE_ORDER}, or a network alone",
        )


def _described(strings_filter: NoveltyFilter | None) -> dict[str, Any]:
    """What the filter of a file holds."""
    if strings_filter is None:
        return {"holds": "nothing"}
    return {
        "holds": "strings",
        "strings": len(strings_filter.hashes),
        "splits": list(SPLITS),
        "false_positive_rate": strings_filter.false_positive_rate,
    }


def _extra(run: LoadedRun, dataset: Dataset, table: ContextTable) -> dict[str, Any]:
    """The facts of a model card that no computation depends on. No clock, no path."""
    extra: dict[str, Any] = {
        "name": run.folder.resolve().name,
        "kind": run.kind,
        "proof": {
            "contexts": len(proof_contexts(table)),
            "strings": PROOF_STRINGS,
            "tolerance": TOLERANCE,
            "boundary_tolerance": BOUNDARY_TOLERANCE,
        },
        "versions": {
            "nplm": __version__,
            "torch": torch.__version__,
            "onnx": onnx.__version__,
        },
    }
    if isinstance(run.module, Mixture):
        weights = [round(float(weight), 6) for weight in run.module.weights]
        extra["weights"] = dict(zip(run.parts(), weights, strict=True))
    if dataset.symbols("val"):
        nats = evaluate(run.model, table_of(dataset, "val", run.model.block_size))
        extra["val"] = {"nats_per_symbol": round(nats.per_symbol, 6), "symbols": nats.symbols}
    return extra


def to_onnx(run: LoadedRun, card: ModelCard) -> bytes:
    """The single-step forward as a model file: traced, stripped, with the card, hashed.

    Raises:
        DamagedError: torch made something that no reader of ours would open.
    """
    # Two rows: torch takes a dimension of one for a constant.
    example = torch.zeros(2, run.model.block_size, dtype=torch.int64)
    with _silence():
        program = torch.onnx.export(
            run.module.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    traced = program.model_proto
    strip(traced)
    onnx.helper.set_model_props(traced, card.to_metadata())
    onnx.checker.check_model(traced, full_check=True)
    content = bytes(traced.SerializeToString(deterministic=True))
    return insert_checksum(content, read_envelope(content, "the export").places[SHA256])


def strip(traced: onnx.ModelProto) -> None:
    """Remove stack traces, paths, docs and producer stamps; keep what computes."""
    traced.ir_version = IR_VERSION
    traced.producer_name, traced.producer_version, traced.doc_string = "nplm", "", ""
    graph = traced.graph
    graph.name, graph.doc_string = "nplm", ""
    for part in (traced, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    for count, node in enumerate(graph.node):
        node.name = f"node_{count}"


@contextmanager
def _silence() -> Iterator[None]:
    """Torch's exporter logs, warns and prints; none of it is for the user."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
