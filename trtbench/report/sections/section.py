"""What a section of a report holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trtbench.report.figures.figure import Figure, short
from trtbench.report.text.findings import format_layers
from trtbench.results import Finding, Result, Severity
from trtbench.results.rows import Row

_MOST_ROWS = 300
_RANKS: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Source:
    """A result, what it is called, and the folder that its samples are relative to."""

    name: str
    result: Result
    folder: Path

    @property
    def kind(self) -> str:
        """What kind of result it is, as its file says."""
        return str(type(self.result).model_fields["kind"].default)


@dataclass(frozen=True)
class Cell:
    """What a table shows, and the number that it is sorted by."""

    text: str
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of a section.

    Args:
        name: in ids, such as ``recipes``.
        title: what it shows.
        headers: of its columns.
        rows: their cells.
        numeric: headers of the columns that hold numbers.
        marked: positions of the rows that stand out.
    """

    name: str
    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[str] = frozenset()
    marked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Remedy:
    """Findings of one code with one hint: what is wrong, of what, and what to do."""

    severity: Severity
    code: str
    lines: tuple[str, ...]
    hint: str


@dataclass(frozen=True)
class Section:
    """One result.

    Args:
        kind: of the result, such as ``comparison``.
        title: model, shape and GPU.
        source: the file that it was read from, or the command that gave it.
        evidence: kinds of its numbers.
        facts: pairs of label and value for its head.
        verdict: the answer in one sentence; empty where there is none.
        uncertain: what may change it.
        tables, figures, remedies: in the order in which a decision needs them.
        appendix: tables for looking up.
        environment: pairs of label and value: machine and versions.
        command: that gave the result; empty where that is not recorded.
    """

    kind: str
    title: str
    source: str
    evidence: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    verdict: str = ""
    uncertain: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    appendix: tuple[Table, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    command: str = ""


def kind_words(kind: str) -> str:
    """What people call a kind of result: ``aa_report`` is an A/A report."""
    return "A/A report" if kind == "aa_report" else kind.replace("_", " ")


def table_of(name: str, title: str, columns: Mapping[str, Sequence[Cell]], numeric: Iterable[str]) -> Table:
    """A table from its columns, without those that are empty."""
    kept = {header: cells for header, cells in columns.items() if any(cell.text for cell in cells)}
    rows = tuple(zip(*kept.values(), strict=True))
    return Table(name, title, tuple(kept), rows, frozenset(numeric) & set(kept))


def table_of_rows(name: str, title: str, rows: Sequence[Row]) -> Table:
    """A table of the first flat rows; columns that are empty are left out."""
    if len(rows) > _MOST_ROWS:
        title, rows = f"{title}: the first {_MOST_ROWS} of {len(rows)}", rows[:_MOST_ROWS]
    columns = {key: [_cell(row[key]) for row in rows] for key in (rows[0] if rows else ())}
    numeric = [key for key, cells in columns.items() if any(cell.value is not None for cell in cells)]
    return table_of(name, title, columns, numeric)


def _cell(value: object) -> Cell:
    if value is None:
        return Cell("")
    if isinstance(value, float):
        return Cell(f"{value:.4g}", value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return Cell(short(str(value), 200), float(str(value)) if is_number else None)


def three(value: float) -> str:
    """A number with three significant digits: ``6.30``, ``11.3``, ``1250``."""
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:.0f}"


def remedies_of(findings: Iterable[tuple[str, Finding]]) -> tuple[Remedy, ...]:
    """Pairs of subject and finding, one code and hint together, the most severe first."""
    groups: dict[tuple[Severity, str, str], list[str]] = {}
    for subject, finding in findings:
        line = f"{short(subject)}: {finding.message}" if subject else finding.message
        line += f" (layers: {format_layers(finding.layers)})" * bool(finding.layers)
        lines = groups.setdefault((finding.severity, str(finding.code), finding.hint), [])
        lines.append(short(line, 700))
    found = [
        Remedy(severity, code, tuple(dict.fromkeys(lines)), short(hint, 700))
        for (severity, code, hint), lines in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: _RANKS[each.severity]))
