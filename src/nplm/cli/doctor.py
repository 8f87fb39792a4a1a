"""`nplm doctor`."""

import typer

from nplm import __version__
from nplm.cli.console import stdout
from nplm.errors import MissingExtraError

TRAINING_MISSING = 'all is well for generating; to train: pip install "nplm-toolkit[train]"'
PACKAGES = ("numpy", "onnxruntime", "onnxruntime-gpu", "torch", "onnx", "onnxscript", "safetensors")


def doctor() -> None:
    """Show what is installed, what it can use, and what is wrong."""
    import platform

    from rich.table import Table

    versions = {package: _version(package) for package in PACKAGES}
    table = Table(show_header=False)
    table.add_row("nplm", __version__)
    table.add_row(
        "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    for package, version in versions.items():
        table.add_row(package, version or "not installed")
    problems = find_problems(versions)
    if versions["onnxruntime"] or versions["onnxruntime-gpu"]:
        from nplm.runtime.onnxmodel import available_providers

        table.add_row("generate, score on", ", ".join(available_providers()))
    if versions["torch"]:
        import torch

        cuda = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
        table.add_row("train on", ", ".join(["cpu", *cuda]))
    console = stdout()
    console.print(table)
    for problem in problems:
        console.print(f"problem: {problem}", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(MissingExtraError.exit_code)
    console.print(
        "all is well" if versions["torch"] else TRAINING_MISSING, markup=False, soft_wrap=True
    )


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def find_problems(versions: dict[str, str | None]) -> list[str]:
    """What would break, each with its cure."""
    cpu, gpu = versions["onnxruntime"], versions["onnxruntime-gpu"]
    if cpu and gpu:
        return [
            "onnxruntime and onnxruntime-gpu are both installed and break each other; "
            "pip uninstall onnxruntime onnxruntime-gpu, then pip install the one you want"
        ]
    if not cpu and not gpu:
        return ["onnxruntime is not installed; pip install onnxruntime"]
    return []
