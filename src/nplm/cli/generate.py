"""`nplm generate`."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import data_output, note, progress, training_extra
from nplm.config import SamplingConfig
from nplm.errors import UsageError

if TYPE_CHECKING:
    from nplm.runtime.generate import Generated, GeneratedBatch
    from nplm.runtime.modelcard import ModelCard
    from nplm.stepmodel import StepModel

UNIQUE_OF = 1_000_000  # strings looked at for the share of unique ones


def generate(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="model.onnx, or a run folder for --runtime torch. (default: the newest)"
        ),
    ] = None,
    count: Annotated[int, typer.Option("-n", help="How many strings.")] = 20,
    runtime: Annotated[str, typer.Option(help="onnx, or torch (from a run folder).")] = "onnx",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    temperature: Annotated[
        float, typer.Option(help="Below 1 safer, above 1 wilder, 0 greedy.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(help="Draw among the k most probable symbols.")
    ] = None,
    top_p: Annotated[float, typer.Option(help="Draw among the most probable mass p.")] = 1.0,
    prefix: Annotated[str, typer.Option(help="Every string starts with it.")] = "",
    min_length: Annotated[int, typer.Option(help="Shortest string, prefix included.")] = 1,
    max_length: Annotated[
        int | None,
        typer.Option(help="Longest string. (default: twice the longest training string)"),
    ] = None,
    novel: Annotated[bool, typer.Option("--novel", help="Leave out training strings.")] = False,
    unique: Annotated[bool, typer.Option("--unique", help="Leave out repeated strings.")] = False,
    seed: Annotated[int, typer.Option(help="Which stream of strings.")] = 0,
    start_index: Annotated[int, typer.Option(help="Where in the stream to start.")] = 0,
    cache_mb: Annotated[float, typer.Option(help="Memory for what is known of the model.")] = 1024,
    output_format: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    out: Annotated[Path | None, typer.Option(help="File to write. (default: stdout)")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,
) -> None:
    """Generate strings. String i depends only on model, options, seed and i."""
    from nplm.runtime import generate as walks
    from nplm.textids import BulkCodec

    if output_format not in ("text", "jsonl"):
        raise UsageError(f"--format is {output_format!r}", "choose text or jsonl")
    opened, card = open_model(model, runtime, device)
    longest = walks.default_max_length(card) if max_length is None else max_length
    sampling = SamplingConfig(temperature, top_k, top_p, prefix, min_length, longest)
    batches = walks.generate_batches(
        opened,
        card,
        sampling,
        count,
        seed,
        start_index,
        cache_mb=cache_mb,
        nats=output_format == "jsonl",
        novel=novel,
        unique=unique,
    )
    codec, tally = BulkCodec(card.vocab), Tally(card)
    with data_output(out, force=force) as file, progress(wanted=_to_file(out)) as bars:
        bar = bars.add_task("strings", total=count)
        for batch in batches:
            tally.add(batch)
            bars.advance(bar, len(batch.indices))
            if output_format == "text":
                file.write(codec.decode_bytes(batch.stream))
            else:
                file.write(json_lines(batch.strings(codec)))
    tally.show()


def _to_file(out: Path | None) -> bool:
    return out is not None and str(out) != "-"


def json_lines(strings: Iterable["Generated"]) -> bytes:
    """One JSON object a line."""
    return "".join(json.dumps(asdict(s), ensure_ascii=False) + "\n" for s in strings).encode(
        "utf-8"
    )


class Tally:
    """Counts for the line at the end: on a terminal only."""

    def __init__(self, card: "ModelCard") -> None:
        self._wanted = sys.stderr.isatty()
        self._filter = card.novelty
        self._started = time.perf_counter()
        self._strings = self._seen = self._sampled = 0
        self._hashes: set[int] = set()

    def add(self, batch: "GeneratedBatch") -> None:
        if not self._wanted:
            return
        from nplm.runtime.novelty import hash_strings

        if self._strings < UNIQUE_OF:
            self._hashes |= set(hash_strings(batch.stream).tolist())
            self._sampled = self._strings + len(batch.indices)
        self._strings += len(batch.indices)
        self._seen += int(self._filter.seen(batch.stream).sum()) if self._filter else 0

    def show(self) -> None:
        if not self._strings:
            return
        seconds = time.perf_counter() - self._started
        parts = [f"{self._strings:,} strings, {self._strings / seconds:,.0f}/s"]
        if self._filter:
            parts.append(f"{1 - self._seen / self._strings:.1%} not in the training data")
        parts.append(
            f"{len(self._hashes) / self._sampled:.1%} of the first {self._sampled:,} unique"
        )
        note(", ".join(parts))


def open_model(path: Path | None, runtime: str, device: str) -> tuple["StepModel", "ModelCard"]:
    """The model that the options of a command mean, and what it says about itself."""
    if runtime == "onnx":
        from nplm.runtime.session import open_model

        onnx = open_model(latest.model_file(path), device)
        if device == "auto":
            note(f"on {onnx.device}")
        return onnx, onnx.card
    if runtime != "torch":
        raise UsageError(f"--runtime is {runtime!r}", "choose onnx or torch")
    with training_extra("--runtime torch"):
        from nplm.training.checkpoint import load_run
        from nplm.training.device import choose
    run = load_run(latest.run_folder(path))
    chosen = choose(device)
    if device == "auto":
        note(f"on {chosen}")
    return run.on(chosen), run.card
