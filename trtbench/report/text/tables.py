"""Tables without lines, as narrow as the console needs."""

from collections.abc import Collection, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

Cell = RenderableType
"""Plain text, or anything with a style of its own."""

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
        # Folded, since two rows may differ only at the end of their names.
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
    return width_of(table, console) <= console.width


def width_of(table: Table, console: Console) -> int:
    """Of the table with no cell wrapped."""
    return console.measure(table, options=console.options.update(width=10_000)).maximum


def print_columns(
    console: Console,
    keys: Mapping[str, Sequence[Cell]],
    columns: Mapping[str, Sequence[Cell]],
    text: Collection[str] = (),
) -> None:
    """Print ``columns`` beside ``keys``; those for which there is no room follow in further tables.

    Args:
        console: where it is printed.
        keys: cells of the columns that every table has, by header.
        columns: cells by header, one a line.
        text: headers of columns that are aligned to the left.
    """
    table = table_with(console, keys, columns, list(columns), text)
    if fits(table, console):
        console.print(table)
        return
    left = list(columns)
    while left:
        shown = len(left)
        table = table_with(console, keys, columns, left, text, gap=1)
        while shown > 1 and not fits(table, console):
            shown -= 1
            table = table_with(console, keys, columns, left[:shown], text, gap=1)
        console.print(table)
        left = left[shown:]


def print_crossed(
    console: Console,
    header: str,
    lines: Sequence[str],
    across: str,
    columns: Mapping[str, Sequence[Cell]],
    text: Collection[str] = (),
) -> None:
    """Print lines by columns; where not all columns have room, these become the lines.

    Args:
        console: where it is printed.
        header: of the lines.
        lines: their names.
        across: header of the columns as lines.
        columns: cells by the name of the column.
        text: names of columns and lines whose cells are aligned to the left.
    """
    text = (header, across, *text)
    table = table_with(console, {header: lines}, columns, list(columns), text)
    if fits(table, console):
        console.print(table)
        return
    turned = {name: [cells[index] for cells in columns.values()] for index, name in enumerate(lines)}
    print_columns(console, {across: list(columns)}, turned, text)


def table_with(
    console: Console,
    keys: Mapping[str, Sequence[Cell]],
    columns: Mapping[str, Sequence[Cell]],
    shown: Sequence[str],
    text: Collection[str],
    gap: int | None = None,
) -> Table:
    """The columns that are ``shown`` beside the keys; see ``print_columns``."""
    table = table_of(console, *keys, *shown, text=text, wraps=tuple(keys), gap=gap)
    for cells in zip(*keys.values(), *(columns[name] for name in shown), strict=True):
        table.add_row(*(Text(each) if isinstance(each, str) else each for each in cells))
    return table
