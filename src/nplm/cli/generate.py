"""`nplm generate`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import data_output, training_extra
from nplm.config import SamplingConfig
from nplm.errors import UsageError

if TYPE_CHECKING:
    from nplm.runtime.generate import Generated, GeneratedBatch
    from nplm.runtime.modelcard import ModelCard
    from nplm.stepmodel import StepModel

WRITE_STRINGS = 4096


def generate(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="model.onnx, or a run folder for --runtime torch. [default: the newest]"
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
        typer.Option(help="Longest string. [default: twice the longest training string]"),
    ] = None,
    novel: Annotated[bool, typer.Option("--novel", help="Leave out training strings.")] = False,
    unique: Annotated[bool, typer.Option("--unique", help="Leave out repeated strings.")] = False,
    seed: Annotated[int, typer.Option(help="Which stream of strings.")] = 0,
    start_index: Annotated[int, typer.Option(help="Where in the stream to start.")] = 0,
    cache_mb: Annotated[float, typer.Option(help="Memory for what is known of the model.")] = 1024,
    output_format: Annotated[str, typer.Option("--format", help="text or jsonl.")] = "text",
    out: Annotated[Path | None, typer.Option(help="File to write. [default: stdout]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,
) -> None:
    """Generate strings. String i depends only on model, options, seed and i."""
    from nplm.runtime import generate as walks

    if output_format not in ("text", "jsonl"):
        raise UsageError(f"--format is {output_format!r}", "choose text or jsonl")
    opened, card = open_model(model, runtime, device)
    longest = walks.default_max_length(card) if max_length is None else max_length
    sampling = SamplingConfig(temperature, top_k, top_p, prefix, min_length, longest)
    stream = (count, seed, start_index, walks.BATCH, cache_mb)
    kinds = {"novel": novel, "unique": unique}
    if output_format == "text":
        chunks = text_lines(walks.generate_batches(opened, card, sampling, *stream, **kinds), card)
    else:
        chunks = json_lines(walks.generate(opened, card, sampling, *stream, **kinds))
    with data_output(out, force=force) as file:
        for chunk in chunks:
            file.write(chunk)


def text_lines(batches: Iterator["GeneratedBatch"], card: "ModelCard") -> Iterator[bytes]:
    """One string a line, many lines at a time."""
    from nplm.textids import BulkCodec

    codec = BulkCodec(card.vocab)
    for batch in batches:
        yield codec.decode_bytes(batch.stream)


def json_lines(strings: Iterator["Generated"]) -> Iterator[bytes]:
    """One JSON object a line, many lines at a time."""
    while chunk := list(islice(strings, WRITE_STRINGS)):
        lines = (json.dumps(asdict(string), ensure_ascii=False) for string in chunk)
        yield ("\n".join(lines) + "\n").encode("utf-8")


def open_model(path: Path | None, runtime: str, device: str) -> tuple["StepModel", "ModelCard"]:
    """The model that the options of a command mean, and what it says about itself."""
    if runtime == "onnx":
        from nplm.runtime.session import open_model

        onnx = open_model(latest.model_file(path), device)
        return onnx, onnx.card
    if runtime != "torch":
        raise UsageError(f"--runtime is {runtime!r}", "choose onnx or torch")
    with training_extra("--runtime torch"):
        from nplm.training.checkpoint import load_run
        from nplm.training.device import choose
    run = load_run(latest.run_folder(path))
    return run.on(choose(device)), run.card
