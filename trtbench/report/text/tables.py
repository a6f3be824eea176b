"""Tables without lines, as narrow as the console needs."""

from collections.abc import Collection, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 100  # columns from which there is room for two blanks between those of a table


def table_of(
    console: Console,
    *headers: str,
    text: Collection[str] = (),
    wraps: Collection[str] = (),
    gap: int | None = None,
) -> Table:
    """A table with these headers; numbers are aligned to the right.

    Args:
        console: where it will be printed.
        headers: one a column.
        text: headers of columns that are aligned to the left.
        wraps: headers of columns that may take several lines; the others never do.
        gap: blanks between two columns; two by default, one on a narrow console.
    """
    if gap is None:
        gap = 2 if is_wide(console) else 1
    # On both sides, or the last column would shrink less than the others.
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap - gap // 2, 0, gap // 2))
    for header in headers:
        # Folded, since what tells two rows apart may be at the end of their names.
        table.add_column(
            header,
            justify="left" if header in text else "right",
            no_wrap=header not in wraps,
            overflow="fold",
        )
    return table


def is_wide(console: Console) -> bool:
    """Whether there is room for more than what each table needs."""
    return console.width >= _WIDE


def fits(table: Table, console: Console) -> bool:
    """Whether no cell of the table has to be wrapped."""
    unlimited = console.options.update(width=10_000)
    return console.measure(table, options=unlimited).maximum <= console.width


def print_columns(
    console: Console, header: str, labels: Sequence[str], columns: Mapping[str, Sequence[str]]
) -> None:
    """Print ``columns`` beside ``labels``; those for which there is no room follow in further tables.

    Args:
        console: where it is printed.
        header: of the labels.
        labels: one a line.
        columns: cells, one a label, by the header of the column.
    """
    left = list(columns)
    while left:
        shown = left
        while True:
            table = table_of(console, header, *shown, text=(header,))
            for label, *cells in zip(labels, *(columns[name] for name in shown), strict=True):
                table.add_row(Text(label), *map(Text, cells))
            if fits(table, console) or len(shown) == 1:
                break
            shown = shown[:-1]
        console.print(table)
        left = left[len(shown) :]
