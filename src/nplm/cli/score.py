"""`nplm score`."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nplm.cli import latest
from nplm.cli.console import Format, data_output, format_count, note

if TYPE_CHECKING:
    from nplm.runtime.score import Scored


def score(
    first: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="model.onnx. (default: the one exported last)"),
    ] = None,
    second: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="Text file, one string a line. (default: - for stdin)"
        ),
    ] = None,
    per_symbol: Annotated[
        bool, typer.Option("--per-symbol", help="Also the nats of every symbol and of the end.")
    ] = False,
    output_format: Annotated[Format, typer.Option("--format", help="What is printed.")] = "text",
    errors: Annotated[
        Literal["strict", "skip"],
        typer.Option(help="Lines that are not UTF-8: refuse them, or leave them out."),
    ] = "strict",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="File to write. (default: stdout)")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,
) -> None:
    """How probable strings are, and each of their symbols.

    A line of text: total nats, nats per symbol, symbols, unknown symbols, string.

    The end of a string counts as a symbol; a blank line has a score too.

    An unseen symbol has probability 0: the nats are inf, in JSON null. Where the model has an
    unknown symbol (dataset build --min-count), it has the probability of that one.

    Lines of stdin are answered as they come.
    """
    from nplm.runtime.score import Scorer
    from nplm.text.lines import iter_lines

    path, source = (
        (None, first) if first and not second and first.suffix != ".onnx" else (first, second)
    )
    model = latest.open_model(path, device)
    if out is not None:
        from nplm.occupied import refuse_input

        refuse_input(out, Path(model.where), source)
    if device == "auto":
        note(f"on {model.device}")
    scorer, as_line = Scorer.of(model, model.card), FORMATS[output_format]
    skipped = 0
    with data_output(out, force=force) as file:
        chunks = iter_lines(
            _blocks(source),
            "stdin" if source is None or str(source) == "-" else str(source),
            skip_errors=errors == "skip",
            cure="convert it to UTF-8, or leave such lines out with --errors skip",
        )
        for lines in chunks:
            skipped += lines.skipped
            scored = zip(lines.numbers, scorer.strings(lines.texts).strings(), strict=True)
            rows = [as_line(number, string, per_symbol) for number, string in scored]
            file.write("".join(rows).encode("utf-8"))
            file.flush()
    if skipped:
        note(f"not UTF-8, left out: {format_count(skipped, 'line')}")


def _blocks(source: Path | None) -> Iterator[bytes]:
    """Blocks of a file; of stdin what has come whenever it pauses."""
    from nplm.text.lines import file_blocks, read_blocks

    if source is None or str(source) == "-":
        return read_blocks(lambda: _available(sys.stdin.buffer), "stdin")
    return file_blocks(source)


def _available(stream: Any) -> bytes:
    """At least one byte, unless at the end; then more as long as there is any without waiting."""
    from nplm.text.lines import BLOCK_BYTES

    block = bytearray(stream.read1(BLOCK_BYTES))
    while block and len(block) < BLOCK_BYTES and _has_more(stream):
        more = stream.read1(BLOCK_BYTES - len(block))
        if not more:
            break
        block += more
    return bytes(block)


def _has_more(stream: Any) -> bool:
    """Whether reading would not wait; False where the system cannot tell."""
    import select

    try:
        return bool(select.select([stream], [], [], 0)[0])
    except (OSError, ValueError):  # not a file of the system, or no such call for it
        return False


def _text(_: int, scored: "Scored", per_symbol: bool) -> str:
    each = " ".join(f"{nats:.4f}" for nats in scored.per_symbol) + "\t" if per_symbol else ""
    return (
        f"{scored.nats:.6f}\t{scored.nats_per_symbol:.6f}\t{scored.symbols}\t{scored.unknown}\t"
        f"{each}{scored.text}\n"
    )


def _json(line: int, scored: "Scored", per_symbol: bool) -> str:
    values: dict[str, object] = {
        "line": line,
        "text": scored.text,
        "nats": _finite(scored.nats),
        "nats_per_symbol": _finite(scored.nats_per_symbol),
        "bits_per_symbol": _finite(scored.bits_per_symbol),
        "perplexity": _finite(scored.perplexity),
        "symbols": scored.symbols,
        "unknown": scored.unknown,
    }
    if per_symbol:
        values["per_symbol"] = [_finite(nats) for nats in scored.per_symbol]
    return json.dumps(values, ensure_ascii=False) + "\n"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


FORMATS: dict[Format, Callable[[int, "Scored", bool], str]] = {"text": _text, "jsonl": _json}
