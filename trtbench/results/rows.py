"""Results as flat rows, for data frames, and as tables: HTML for notebooks, Markdown and CSV for files."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from html import escape

from trtbench.specs import Spec
from trtbench.specs.recipe import Recipe
from trtbench.units import visible

Value = str | int | float | bool | None
Row = dict[str, Value]
"""Columns by name. Names end in units, and begin with the kind of evidence where one row has several."""

_MOST_ROWS = 40
_FORMULA = re.compile(r"[=+\-@\t].*[(|!]", re.DOTALL)


def flat(spec: Spec, *fields: str, prefix: str = "") -> Row:
    """Columns of these fields: one a value, one a key of a mapping; items of a tuple are joined.

    Raises:
        TypeError: a field holds something else.
    """
    row: Row = {}
    for field in fields:
        value = getattr(spec, field)
        if isinstance(value, Mapping):
            row |= {f"{prefix}{field}_{key}": plain(each) for key, each in value.items()}
        else:
            row[prefix + field] = plain(value)
    return row


def plain(value: object) -> Value:
    """A value that a data frame holds as it is.

    Raises:
        TypeError: it has several parts.
    """
    if isinstance(value, Recipe):
        return str(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ", ".join(str(plain(each)) for each in value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no column")


def ends(name: str, interval: tuple[float, float] | None, unit: str = "") -> Row:
    """Both ends of an interval."""
    low, high = interval or (None, None)
    return {f"{name}_low{unit}": low, f"{name}_high{unit}": high}


def aligned(rows: Iterable[Row]) -> list[Row]:
    """The rows with all columns of all of them; what a row lacks is None."""
    listed = list(rows)
    columns = dict.fromkeys(name for row in listed for name in row)
    return [{name: row.get(name) for name in columns} for row in listed]


def html_table(caption: str, rows: Sequence[Row], shown: Sequence[str]) -> str:
    """A table of the first rows.

    Args:
        caption: what it shows, and the kinds of evidence.
        rows: with the same columns.
        shown: patterns of the names of columns that are shown; none: all. Empty columns never are.
    """
    columns = _shown_columns(rows, shown)
    lines = [_line("th", columns), *(_line("td", map(row.get, columns)) for row in rows[:_MOST_ROWS])]
    more = len(rows) - _MOST_ROWS
    foot = f"\n<p>{more} more rows: to_rows() has all</p>" if more > 0 else ""
    return "\n".join(["<table>", f"<caption>{escape(caption)}</caption>", *lines, "</table>"]) + foot


def markdown_table(rows: Sequence[Row], shown: Sequence[str]) -> str:
    """A table of all rows; ``shown`` as for ``html_table``."""
    columns = _shown_columns(rows, shown)
    lines = [columns, ["---"] * len(columns), *([_text(row[name]) for name in columns] for row in rows)]
    return "".join(f"| {' | '.join(map(_markdown, cells))} |\n" for cells in lines)


def csv_text(rows: Sequence[Row]) -> str:
    """All rows and columns, with a line of headers."""
    written = io.StringIO(newline="")
    writer = csv.DictWriter(written, rows[0] if rows else (), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv(value) for name, value in row.items()} for row in rows)
    return written.getvalue()


def _csv(value: Value) -> Value:
    """A cell that no spreadsheet runs: text like a formula with a call or a command gets an apostrophe.

    Versions such as ``==10.8`` stay as they are, for programs that read the file.
    """
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _shown_columns(rows: Sequence[Row], shown: Sequence[str]) -> list[str]:
    """In the order of the patterns."""
    filled = [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]
    return list(
        dict.fromkeys(name for pattern in shown or ("*",) for name in filled if fnmatchcase(name, pattern))
    )


def _markdown(cell: str) -> str:
    """On one line, without what ends a cell."""
    return " ".join(cell.split()).replace("|", "\\|")


def _line(tag: str, cells: Iterable[Value]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(_text(cell))}</{tag}>" for cell in cells) + "</tr>"


def _text(cell: Value) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else visible(str(cell))
