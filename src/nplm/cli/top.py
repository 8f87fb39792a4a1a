"""`nplm top`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.checks import check_integer
from nplm.cli import latest
from nplm.cli.conditions import Contains, EndsWith, Length, Match, condition_of
from nplm.cli.console import Format, data_output, note
from nplm.cli.options import Force
from nplm.generation import DEFAULT_CACHE_MB

if TYPE_CHECKING:
    from nplm.runtime.top import TopBatch
    from nplm.text.tokenizer import Tokenizer

MANY = 1_000_000  # strings, from which on the memory that they need is told
# A string's, its beginnings among them, and what there is beside; under a condition the cache too.
BYTES, BESIDE = 120, 300_000_000


def top(
    model: Annotated[
        Path | None, typer.Argument(help="model.onnx. (default: the one exported last)")
    ] = None,
    count: Annotated[int, typer.Option("-n", help="How many strings.")] = 20,
    prefix: Annotated[str, typer.Option(help="Every string starts with it.")] = "",
    match: Match = None,
    ends_with: EndsWith = "",
    contains: Contains = None,
    length: Length = None,
    max_length: Annotated[
        int | None,
        typer.Option(help="Longest string. (default: twice the longest training string)"),
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="What is printed.")] = "text",
    out: Annotated[Path | None, typer.Option(help="File to write. (default: stdout)")] = None,
    force: Force = False,
) -> None:
    """The most probable strings, exactly and in order.

    A line of text: nats, string. The nats are those of `nplm score`.
    """
    from nplm.runtime.automatoncache import AutomatonCache
    from nplm.runtime.top import MOST
    from nplm.runtime.top import top as find

    condition = condition_of(match, ends_with, contains, length)
    onnx = latest.open_model(model)
    if out is not None:
        from nplm.occupied import refuse_input

        refuse_input(out, Path(onnx.where))
    check_integer("count", count, 0, MOST)
    if count >= MANY:
        cached = DEFAULT_CACHE_MB * 1e6 if condition else 0
        note(f"this needs up to {(BESIDE + cached + count * BYTES) / 1e9:.1f} GB")
    batches = find(AutomatonCache(onnx, onnx.card), count, prefix, max_length, condition)
    given = 0
    with data_output(out, force=force) as file:
        for batch in batches:
            lines = _json if output_format == "jsonl" else _text
            file.write(lines(batch, onnx.card.tokenizer, given))
            given += len(batch.nats)
    if given < count:
        note(f"there are no more than {given:,}")


def _text(batch: "TopBatch", tokenizer: "Tokenizer", _: int) -> bytes:
    from nplm.text.decimals import lines_with_numbers

    return lines_with_numbers(batch.nats, tokenizer.lines(batch.symbols))


def _json(batch: "TopBatch", tokenizer: "Tokenizer", given: int) -> bytes:
    from nplm.text.jsonlines import json_lines

    per_symbol = batch.nats / (batch.symbols.lengths + 1)
    return json_lines(
        {
            "rank": list(range(given + 1, given + 1 + len(batch.nats))),
            "nats": batch.nats.tolist(),
            "nats_per_symbol": per_symbol.round(6).tolist(),
            "text": tokenizer.decode(batch.symbols),
        }
    )
