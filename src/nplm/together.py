"""Files that belong together, as a model and what describes it: all of them whole, or none.

They are written in a folder of their own. A single rename declares that whole: from then on every
process that writes there finishes what a kill cut (`nplm.temporaries`).
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nplm.occupied import already
from nplm.temporaries import together_for
from nplm.transaction import Staged, confirm, created, path_errors, put_in_place, staged
from nplm.turns import sync, turn


def write_together(contents: Mapping[Path, bytes], *, force: bool = True) -> None:
    """Write files that stand in one folder as one: a failure leaves all as they were.

    A kill in the last moment leaves the first one, old or new, without the others: never one beside
    others that do not belong to it. The next process that writes there finishes all.
    """
    first = next(iter(contents))
    with staged([*contents]) as outputs:
        together = outputs[0].temporary
        with path_errors(first):
            together.mkdir()
        for output, content in zip(outputs, contents.values(), strict=True):
            with created(output.path, together / output.place.name) as file:
                file.write(content)
        with turn(together.parent):
            with path_errors(first):
                sync(together)
                _publish(together, outputs, force=force)
            confirm(first, outputs[0].place)


def _publish(together: Path, outputs: Sequence[Staged], *, force: bool) -> None:
    """Let files that are whole take their places; if one fails, all are as they were."""
    for output in outputs:
        if not force and os.path.lexists(output.place):
            raise already(output.path)
    placed: list[Staged] = []
    kept = [output for output in outputs if force and _keep(output)]
    # From here on a kill is followed by all of them, before by none.
    whole = together_for(outputs[0].place, force=force)
    together.rename(whole)
    try:
        for output in outputs[1:]:
            if output in kept:
                output.place.unlink()
        for output in outputs:
            put_in_place(whole / output.place.name, output, force=force)
            placed.append(output)
    except BaseException:
        whole.rename(together)
        for output in outputs:
            if output in kept:
                output.kept.replace(output.place)
            elif output in placed:
                output.place.unlink()
        raise
    with suppress(OSError):  # the next process that writes here tries again
        whole.rmdir()


def _keep(output: Staged) -> bool:
    """Give what is to be replaced a second name, or a copy; whether there is anything."""
    if not output.place.exists():
        return False
    try:
        output.kept.hardlink_to(output.place)
    except OSError:
        shutil.copy(output.place, output.kept)
    return True
