"""The rooms of the package and what each imports; ``python tests/support/layout.py`` prints their table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import trtbench

ROOT = Path(trtbench.__file__).parent


def room_of(module: str) -> str:
    """The folder or top-level file that holds a module such as ``trtbench.store.seal``."""
    return module.split(".")[1]


def imports() -> dict[str, set[str]]:
    """By room, the other rooms that its modules import, wherever in a module they do so."""
    rooms: dict[str, set[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(("trtbench", *path.relative_to(ROOT).with_suffix("").parts))
        if module == "trtbench.__init__":
            continue
        found = {room_of(name) for name in imported_modules(path) if name.count(".")}
        rooms.setdefault(room_of(module), set()).update(found - {room_of(module)})
    return rooms


def imported_modules(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, ``trtbench.a`` for ``from trtbench import a`` too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("trtbench"))
        elif isinstance(node, ast.ImportFrom) and node.module == "trtbench":
            yield from (f"trtbench.{a.name}" for a in node.names if (ROOT / a.name).is_dir())
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trtbench."):
            yield str(node.module)


def in_order(rooms: dict[str, set[str]]) -> list[str]:
    """Rooms, each behind all that it imports.

    Raises:
        ValueError: they import each other in a circle, and which.
    """
    ordered: list[str] = []
    while len(ordered) < len(rooms):
        ready = sorted(room for room in rooms if room not in ordered and rooms[room] <= set(ordered))
        if not ready:
            raise ValueError(f"a circle among {sorted(set(rooms) - set(ordered))}")
        ordered += ready
    return ordered


def table(rooms: dict[str, set[str]]) -> str:
    """Rooms and what they import as the table of CONTRIBUTING.md."""
    order = in_order(rooms)
    lines = [f"| `{room}` | {', '.join(r for r in order if r in rooms[room]) or '-'} |" for room in order]
    return "\n".join(["| room | imports |", "|---|---|", *lines])


if __name__ == "__main__":
    print(table(imports()))  # noqa: T201
