"""The rooms of the package and what imports what, read from the sources.

python tests/layers.py    prints the rooms with their lines, what each imports, and the longest
                          functions outside the command files
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import nplm
from nplm.extras import TRAIN_EXTRA

SOURCE = Path(nplm.__file__).parent
GROUND = {
    "checks",
    "commandline",
    "config",
    "errors",
    "extras",
    "files",
    "generation",
    "occupied",
    "outputfolder",
    "presets",
    "record",
    "renames",
    "stepmodel",
    "stored",
    "temporaries",
    "together",
    "transaction",
    "turns",
}
ALLOWED = {
    "ground": {"ground"},
    "text": {"ground", "text"},
    "counts": {"ground", "text", "counts"},
    "runtime": {"ground", "text", "runtime"},
    "training": {"ground", "text", "counts", "runtime", "training"},
    "runs": {"ground", "text", "counts", "runtime", "training", "runs"},
    "export": {"ground", "text", "counts", "runtime", "training", "runs", "export"},
    "report": {"ground", "text", "counts", "runtime", "training", "runs", "report"},
}
ALLOWED["api"] = ALLOWED["export"] | {"api"}
ALLOWED["cli"] = ALLOWED["api"] | {"report", "cli"}
LIGHT = {"ground", "text", "counts", "runtime"}  # that import nothing of the training extra
DOOR = "api"  # where nplm itself stands: its __init__ builds, trains and opens


def room_of(module: str, top: frozenset[str]) -> str:
    """The room of `nplm...`; `top` are the names that stand directly below it.

    A name that is in no list is the room of itself, so that no room may reach it.
    """
    _, *below = module.split(".")
    if not below or below[0] not in top:
        return "ground" if below == ["__version__"] else DOOR  # a name in nplm/__init__.py
    return "ground" if below[0] in GROUND else below[0]


def top_of(source: Path) -> frozenset[str]:
    """Modules and packages directly below a source folder."""
    modules = {path.stem for path in source.glob("*.py")} - {"__init__"}
    return frozenset(modules | {path.parent.name for path in source.glob("*/*.py")})


def imports(path: Path, source: Path) -> set[str]:
    """Every module imported anywhere in a file, bodies and relative ones included."""
    package = ["nplm", *path.parent.relative_to(source).parts]
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            modules |= {f"{module}.{alias.name}" for alias in node.names}
            modules |= set() if module == "nplm" else {module}
    return modules


def files(source: Path) -> Iterator[tuple[str, str, Path]]:
    """The modules of a source folder: name, room, file."""
    top = top_of(source)
    for path in sorted(source.rglob("*.py")):
        name = ".".join(["nplm", *path.relative_to(source).with_suffix("").parts])
        yield name, room_of(name.removesuffix(".__init__"), top), path


def rooms_reached(path: Path, source: Path) -> set[str]:
    """The rooms that a file imports from."""
    ours = (m for m in imports(path, source) if m.partition(".")[0] == "nplm")
    return {room_of(module, top_of(source)) for module in ours}


def arrows_up(source: Path) -> dict[str, set[str]]:
    """The modules of a source folder, each with what it imports and may not."""
    wrong = {}
    for name, room, path in files(source):
        banned = TRAIN_EXTRA if room in LIGHT else set()
        banned = banned | ({"onnxruntime"} if room in LIGHT - {"runtime"} else set())
        allowed, top = ALLOWED.get(room, set()), top_of(source)
        wrong[name] = {
            module
            for module in imports(path, source)
            if module.partition(".")[0] in banned
            or (module.partition(".")[0] == "nplm" and room_of(module, top) not in allowed)
        }
    return {name: modules for name, modules in wrong.items() if modules}


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """The functions of a file: lines without the docstring, name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= (first.end_lineno or 0) - first.lineno + 1
            yield lines, node.name


def main() -> None:
    rooms: dict[str, list[Path]] = {}
    for _, room, path in files(SOURCE):
        rooms.setdefault(room, []).append(path)
    for room in ALLOWED:
        lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in rooms[room])
        reached = set[str]().union(*(rooms_reached(path, SOURCE) for path in rooms[room]))
        arrows = ", ".join(other for other in ALLOWED if other in reached - {room})
        print(
            f"{room:9} {len(rooms[room]):3} files {lines:5} lines   imports {arrows or 'nothing'}"
        )
    outside = [path for room, paths in rooms.items() if room != "cli" for path in paths]
    print("\nlongest functions outside cli, without their docstrings")
    longest = sorted(((n, f, path) for path in outside for n, f in functions(path)), reverse=True)
    for count, function, path in longest[:5]:
        print(f"{count:4} lines  {path.relative_to(SOURCE)} {function}")


if __name__ == "__main__":
    main()
