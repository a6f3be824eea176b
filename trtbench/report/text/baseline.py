"""What changed since a stored comparison as text: a line a row, then why rows do not compare."""

from rich.console import Console
from rich.text import Text

from trtbench.report.text.tables import Cell, print_columns
from trtbench.report.text.times import VERDICT_STYLES
from trtbench.results import BaselineChanges


def render_changes(changes: BaselineChanges, console: Console) -> None:
    """Print each row beside that of the baseline; ``before -> after`` where a number changed."""
    console.print(Text(f"\n{changes.title}", style="bold"), soft_wrap=True)
    table = changes.table()
    headers = [name for name in table[0] if name != "recipe"]
    if headers:
        columns: dict[str, list[Cell]] = {
            _folded(name): [_cell(str(row[name])) for row in table] for name in headers
        }
        verdicts = [_folded(name) for name in headers if name.endswith(("verdict", "status"))]
        print_columns(
            console, {"recipe": [str(row["recipe"]) for row in table]}, columns, ("recipe", *verdicts)
        )
    for line in changes.notes():
        console.print(Text(line), soft_wrap=True)


def _folded(header: str) -> str:
    return header.replace(" ", "\n", 1)


def _cell(text: str) -> Cell:
    return Text(text, VERDICT_STYLES.get(text, "yellow" if " -> " in text else ""))
