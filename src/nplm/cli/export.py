"""`nplm export onnx` and `nplm export arpa`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nplm.cli import latest
from nplm.cli.console import note, stage
from nplm.cli.options import Force, MovedData, RunFolder
from nplm.commandline import command_line
from nplm.errors import UsageError
from nplm.extras import training_extra

if TYPE_CHECKING:
    from nplm.export.proof import Proof
    from nplm.runs.opened import LoadedRun

app = typer.Typer(help="Write a run as one file that needs no torch.", no_args_is_help=True)


@app.callback()
def export() -> None:
    pass


@app.command("onnx")
def onnx(
    run: RunFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. (default: exports/RUN.onnx)")
    ] = None,
    data: MovedData = None,
    novelty: Annotated[
        bool | None,
        typer.Option(
            help="Carry a filter of the list's strings, 4 bytes each, for --novel. (default: yes)"
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Carry neither the filter nor hashes of the data.")
    ] = False,
    force: Force = False,
) -> None:
    """Write an ONNX file, and prove that it computes what the run does."""
    with training_extra("nplm export"):
        from nplm.export.onnxfile import export as write
        from nplm.runs.facts import dataset_of
        from nplm.runs.opened import load_run
    from nplm.occupied import refuse_existing

    if private and novelty:
        raise UsageError("--private and --novelty contradict each other", "give one of them")
    folder = latest.run_folder(run)
    target = out or latest.export_of(folder, "onnx")
    refuse_existing(target, force=force)
    opened = load_run(folder)
    dataset = dataset_of(folder, opened.facts, data, "the proof needs that one: --data DIR")
    with stage("tracing, and comparing the file with the network"):
        proof = write(
            opened, dataset, target, novelty=novelty is not False, private=private, force=force
        )
    strings = f"{proof.strings:,} strings equal"
    if proof.differing:
        strings += f" ({proof.differing} part at a draw on a boundary)"
    note(
        f"{target}: {target.stat().st_size:,} bytes; onnxruntime against torch: {proof.contexts:,} "
        f"contexts within {proof.largest:.1e}, {strings}"
    )
    if proof.novelty:
        note(
            f"it knows the {len(proof.novelty.hashes):,} strings of its list by a filter of "
            f"{4 * len(proof.novelty.hashes):,} bytes (takes another string for one with "
            f"probability {proof.novelty.false_positive_rate:.0e}; --no-novelty leaves it out)"
        )
    note("next: " + command_line("generate", *([target] if out else [])))
    note(_of_the_list(opened, proof, private=private))


@app.command("arpa")
def arpa(
    run: RunFolder = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. (default: exports/RUN.arpa)")
    ] = None,
    data: MovedData = None,
    force: Force = False,
) -> None:
    """Write the n-gram of a run as an ARPA file, for KenLM and SRILM."""
    from nplm.export.arpa import export_arpa
    from nplm.occupied import refuse_existing
    from nplm.runs.facts import dataset_of, read_facts

    folder = latest.run_folder(run)
    target = out or latest.export_of(folder, "arpa")
    refuse_existing(target, force=force)
    facts = read_facts(folder)
    dataset = dataset_of(folder, facts, data, "the n-gram is fitted on that one: --data DIR")
    with stage("fitting and writing"):
        proof = export_arpa(facts, dataset, target, force=force)
    if facts.config.mixture.networks:
        note("the n-gram alone, without the networks that it is mixed with")
    counts = ", ".join(f"{count:,}" for count in proof.counts)
    note(
        f"{target}: {target.stat().st_size:,} bytes, {counts} n-grams of 1 to {len(proof.counts)} "
        f"symbols; log10 p of {proof.pairs:,} pairs computed from it within {proof.largest:.0e}"
    )


def _of_the_list(run: "LoadedRun", proof: "Proof", *, private: bool) -> str:
    """What of the list the file carries, in a line."""
    mixture, carried = run.facts.config.mixture, []
    if proof.novelty:
        carried += ["the filter, by which short strings can be listed"]
    if not private:
        carried += ["hashes of data set and weights, which confirm a guess"]
    if mixture.ngram:
        carried += [f"every {mixture.order - 1} symbols that stand together (its n-gram)"]
    if run.networks:
        carried += ["what its networks learnt by heart"]
    line = f"of the list it carries {', '.join(carried)}, its symbols and its greatest length"
    return line if private else f"{line}; --private leaves out filter and hashes"
