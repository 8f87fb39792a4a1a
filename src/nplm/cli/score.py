"""`nplm score`."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nplm.checks import check_above_zero
from nplm.cli import latest
from nplm.cli.console import Format, data_output, format_count, note
from nplm.cli.options import Force

if TYPE_CHECKING:
    from nplm.runtime.onnxmodel import OnnxModel
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
    rank: Annotated[
        bool,
        typer.Option("--rank", help="Also each string's rank among all strings, and its p-value."),
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Strings of the model's own that --rank compares with. (default: 100000)",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Print only strings whose p-value is below P, or not known. Implies --rank.",
        ),
    ] = None,
    output_format: Annotated[Format, typer.Option("--format", help="What is printed.")] = "text",
    errors: Annotated[
        Literal["strict", "skip"],
        typer.Option(help="Lines that are not UTF-8: refuse them, or leave them out."),
    ] = "strict",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="File to write. (default: stdout)")] = None,
    force: Force = False,
) -> None:
    """How probable strings are, and each of their symbols.

    A line of text: total nats, nats per symbol, symbols, unknown symbols, string.

    The end of a string counts as a symbol; a blank line has a score too.

    An unseen symbol has probability 0: the nats are inf, in JSON null. Where the model has an
    unknown symbol (dataset build --min-count), it has the probability of that one.

    Lines of stdin are answered as they come.

    --rank compares with strings that the model itself makes, and adds four columns before the
    string: rank, an estimate of how many strings are more probable; its standard error;
    typicality, the share of the model's strings that are less probable; p-value, the share of
    those of its length that are as surprising or more, nan (in JSON null) where too few of the
    sample have its length.
    """
    from nplm.text.lines import iter_lines

    if threshold is not None:
        check_above_zero("threshold", threshold, 1.0)
    path, source = (
        (None, first) if first and not second and first.suffix != ".onnx" else (first, second)
    )
    model = latest.open_model(path, device)
    if out is not None:
        from nplm.occupied import refuse_input

        refuse_input(out, Path(model.where), source)
    if device == "auto":
        note(f"on {model.device}")
    answer = _plain(model)
    if rank or sample is not None or threshold is not None:
        answer = _ranked(model, sample, threshold)
    as_line, skipped, unranked = FORMATS[output_format], 0, 0
    with data_output(out, force=force) as file:
        chunks = iter_lines(
            _blocks(source),
            "stdin" if source is None or str(source) == "-" else str(source),
            skip_errors=errors == "skip",
            cure="convert it to UTF-8, or leave such lines out with --errors skip",
        )
        for lines in chunks:
            skipped += lines.skipped
            answers = [*answer(lines.numbers, lines.texts)]
            unranked += sum(math.isnan(ranks.get("p_value", 0.0)) for _, _, ranks in answers)
            rows = [as_line(number, string, ranks, per_symbol) for number, string, ranks in answers]
            file.write("".join(rows).encode("utf-8"))
            file.flush()
    if skipped:
        note(f"not UTF-8, left out: {format_count(skipped, 'line')}")
    if threshold is not None and unranked:
        lines_printed = format_count(unranked, "line")
        note(f"no p-value is known of their length, printed too: {lines_printed}")


Ranks = dict[str, float]  # by key of JSON; empty where none are asked for
Answer = Callable[[Sequence[int], Sequence[str]], Iterable[tuple[int, "Scored", Ranks]]]
RANKS = ("rank", "rank_error", "typicality", "p_value")


def _plain(model: "OnnxModel") -> Answer:
    """What is said of strings and the numbers of their lines."""
    from nplm.runtime.score import Scorer

    scorer = Scorer.of(model, model.card)
    return lambda numbers, texts: zip(numbers, scorer.strings(texts).strings(), repeat({}))


def _ranked(model: "OnnxModel", sample: int | None, threshold: float | None) -> Answer:
    """As `_plain`, with ranks; where there is a threshold, no string whose p-value reaches it."""
    from nplm.runtime.automatoncache import AutomatonCache
    from nplm.runtime.rank import SAMPLE, RankScorer

    ranks = RankScorer(AutomatonCache(model, model.card), SAMPLE if sample is None else sample)
    note(f"compared with {len(ranks.ranker):,} strings of the model's own (seed 0)")

    def answer(
        numbers: Sequence[int], texts: Sequence[str]
    ) -> Iterator[tuple[int, "Scored", Ranks]]:
        batch = ranks.strings(texts)
        columns = (getattr(batch, key).tolist() for key in RANKS)
        rows = (dict(zip(RANKS, row, strict=True)) for row in zip(*columns, strict=True))
        for number, scored, row in zip(numbers, batch.scored.strings(), rows, strict=True):
            if threshold is None or not row["p_value"] >= threshold:  # nan is not
                yield number, scored, row

    return answer


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


def _text(_: int, scored: "Scored", ranks: Ranks, per_symbol: bool) -> str:
    each = " ".join(f"{nats:.4f}" for nats in scored.per_symbol) + "\t" if per_symbol else ""
    each += "".join(f"{number:.6g}\t" for number in ranks.values())
    return (
        f"{scored.nats:.6f}\t{scored.nats_per_symbol:.6f}\t{scored.symbols}\t{scored.unknown}\t"
        f"{each}{scored.text}\n"
    )


def _json(line: int, scored: "Scored", ranks: Ranks, per_symbol: bool) -> str:
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
    values |= {key: _finite(number) for key, number in ranks.items()}
    if per_symbol:
        values["per_symbol"] = [_finite(nats) for nats in scored.per_symbol]
    return json.dumps(values, ensure_ascii=False) + "\n"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


FORMATS: dict[Format, Callable[[int, "Scored", Ranks, bool], str]] = {"text": _text, "jsonl": _json}
