"""Stored results over time as text: for each series a line of bars, a table, and what changed."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.sparkline import sparkline
from trtbench.report.text.tables import Cell, print_columns
from trtbench.results import History, HistoryPoint, HistorySeries
from trtbench.units import format_count

_MOST_ROWS = 20
_BARS = 40
_MARK = "*"
_COLUMNS: dict[str, Callable[[HistoryPoint], str]] = {
    "ms": lambda point: "" if point.time_ms is None else f"{point.time_ms:.4f}",
    "interval": lambda point: _interval(point),
    "coverage": lambda point: "" if point.coverage is None else f"{point.coverage:.1%}",
    "kernels": lambda point: "" if point.kernels is None else str(point.kernels),
    "SQNR\ndB": lambda point: "" if point.sqnr_db is None else f"{point.sqnr_db:.1f}",
}
_VERSIONS: dict[str, Callable[[HistoryPoint], str]] = {
    "trtbench": lambda point: point.trtbench_version or "",
    "compiler": lambda point: point.compiler or "",
    "runtime": lambda point: point.runtime_version or "",
    "driver": lambda point: point.driver or "",
}
"""Columns where they differ; else in the line above the table."""
_TEXTS = ("", "when, UTC", "commit", *_VERSIONS)


def render_history(found: History, console: Console) -> None:
    """Print each series; marks survive without colours."""
    sources = ", ".join(found.sources)
    if not found.series:
        console.print(Text(f"{sources}: no comparison or measurement"), soft_wrap=True)
    for series in found.series:
        _render_series(series, console)
    if any(series.changes for series in found.series):
        console.print(Text(f"{_MARK} something changed: see the lines below each table", style="dim"))
    _render_skipped(found, console)


def _render_series(series: HistorySeries, console: Console) -> None:
    console.print(Text(_title(series), style="bold"))
    for line in filter(None, (_summary(series, console), _common(series.points))):
        console.print(Text(line))
    shown = series.points[-_MOST_ROWS:]
    if len(shown) < len(series.points):
        line = f"{len(series.points) - len(shown)} earlier results: --json, --export-csv"
        console.print(Text(line, style="dim"))
    _render_table(shown, console)
    noted = [point for point in series.points if point.change or point.not_compared]
    if len(noted) > _MOST_ROWS:
        console.print(Text(f"{len(noted) - _MOST_ROWS} earlier changes: --json, --export-csv", style="dim"))
    for point in noted[-_MOST_ROWS:]:
        _render_change(point, console)
    console.print()


def _title(series: HistorySeries) -> str:
    shape = [
        f"batch {series.batch}" if series.batch else "",
        f"{series.img_size} px" if series.img_size else "",
        str(series.token_reduction or ""),
    ]
    where = [
        f"in {series.environment}" if series.environment != "local" else "",
        f"by {series.runtime}" if series.runtime else "",
        f"{'for' if series.evidence == 'compiled' else 'on'} {series.place}",
    ]
    named = ", ".join(filter(None, (series.model, series.subject, *shape)))
    return f"{named}: {' '.join(filter(None, (series.evidence, *where)))}"


def _summary(series: HistorySeries, console: Console) -> str:
    """Bars of the times; of what is compiled alone, of the kernels."""
    unit = "kernels" if series.evidence == "compiled" else "ms"
    values = [each.kernels if unit == "kernels" else each.time_ms for each in series.points]
    known = [float(value) for value in values if value is not None]
    if len(known) < 2:
        return ""
    bars = sparkline(known, min(_BARS, console.width // 2), console.options.ascii_only)
    digits = 0 if unit == "kernels" else 4
    least, most = (f"{each:.{digits}f}" for each in (min(known), max(known)))
    spread = least if least == most else f"{least} to {most}"
    count, changes = format_count(len(known), "result"), format_count(len(series.changes), "change")
    return f"{bars}  {spread} {unit}; {count}, {changes}"


def _common(points: Sequence[HistoryPoint]) -> str:
    """Versions that all results have in common."""
    found = {name: {version(each) for each in points} for name, version in _VERSIONS.items()}
    same = [f"{name} {next(iter(each))}" for name, each in found.items() if len(each) == 1 and each != {""}]
    return ", ".join(same)


def _render_table(points: Sequence[HistoryPoint], console: Console) -> None:
    keys = {
        "": [_MARK if each.change else "" for each in points],
        "when, UTC": [_when(each) for each in points],
        "commit": [str(each.commit or "-") for each in points],
    }
    texts = {name: [cell(each) for each in points] for name, cell in (_COLUMNS | _VERSIONS).items()}
    columns: dict[str, list[Cell]] = {
        name: [Text(cell, "yellow" if each.change else "") for cell, each in zip(cells, points, strict=True)]
        for name, cells in texts.items()
        if any(cells) and (name in _COLUMNS or len(set(cells)) > 1)
    }
    print_columns(console, keys, columns, _TEXTS)


def _when(point: HistoryPoint) -> str:
    """To the minute; of a result without a time, that of its file."""
    return point.recorded_utc[:16].replace("T", " ") + " (file)" * point.is_file_time


def _interval(point: HistoryPoint) -> str:
    return "" if point.interval_ms is None else "{:.4f} to {:.4f}".format(*point.interval_ms)


def _render_change(point: HistoryPoint, console: Console) -> None:
    if point.not_compared:
        line = f"  {_when(point)}: not compared with earlier times: {point.not_compared}"
        console.print(Text(line, style="dim"))
    if point.change is None:
        return
    with_it = f" (with it: {', '.join(point.change.with_it)})" if point.change.with_it else ""
    line = f"{_MARK} {_when(point)}: {'; '.join(point.change.what)}{with_it}"
    console.print(Text(line, style="yellow"))


def _render_skipped(found: History, console: Console) -> None:
    """Print a line for each reason: a folder may hold many results of another kind."""
    by_reason: dict[str, list[str]] = {}
    for each in found.skipped:
        by_reason.setdefault(each.reason, []).append(each.file)
    for reason, files in by_reason.items():
        others = f" and {format_count(len(files) - 1, 'more file')}" if len(files) > 1 else ""
        console.print(Text(f"skipped {files[0]}{others}: {reason}"), soft_wrap=True)
