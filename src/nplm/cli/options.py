"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[
    Path | None, typer.Argument(help="A run folder. (default: the run finished last)")
]
MovedData = Annotated[
    Path | None, typer.Option(help="The data set, if it has moved. (default: where it was)")
]
Force = Annotated[bool, typer.Option("--force", help="Replace what exists.")]
