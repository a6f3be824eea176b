"""A sweep over the batch as text for people: what was compiled at each, then the curve of each arm."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trtbench.report.comparison import (
    built_rows,
    render_head,
    render_recipes,
    render_row_findings,
    row_name,
)
from trtbench.report.measurement import (
    evidence,
    render_failure,
    render_measured_findings,
    render_raw_files,
    render_verdicts,
    table_of,
    time_cells,
)
from trtbench.results import Comparison, ComparisonRow, Measurement, Sweep, Verdict

_WIDE = 100  # columns from which the table of times has room for bars
_BAR_WIDTH = 12
_Point = Measurement | Comparison


@dataclass(frozen=True)
class _Timed:
    """An arm at one batch, if that is known."""

    arm: str
    batch: int | None
    measurement: Measurement
    verdicts: tuple[Verdict, ...]


def render_sweep(sweep: Sweep, raw_files: Iterable[Path], console: Console) -> None:
    """Print what compiled and what it took over the batch, arm by arm, then failures, verdicts, findings."""
    points = sorted(sweep.points, key=lambda point: point.batch or 0)
    comparisons = [point for point in points if isinstance(point, Comparison)]
    if comparisons:
        _render_compiled(comparisons, console)
    timed = [each for point in points for each in _timed(point)]
    if timed:
        console.print(Text(evidence([each.measurement for each in timed])), soft_wrap=True)
        console.print(_curves(timed, console))
    _render_failures(points, console)
    for comparison in comparisons:
        measured = [row.measured for row in comparison.rows if row.measured]
        render_verdicts(measured, comparison.verdicts, console, f" at batch {comparison.batch}")
    _render_findings(points, comparisons, console)
    render_raw_files(raw_files, console)


def _timed(point: _Point) -> Iterator[_Timed]:
    if isinstance(point, Measurement):
        yield _Timed(point.arm.label, point.batch, point, ())
        return
    for row in point.rows:
        if row.measured is not None:
            yield _Timed(row.measured.arm.label, point.batch, row.measured, point.verdicts)


def _render_compiled(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print one table of the engines, those of one recipe below each other."""
    render_head(comparisons, console)
    by_name: dict[str, list[tuple[int, ComparisonRow]]] = {}
    for comparison in comparisons:
        built = built_rows(comparison.rows) if comparison.target["sm"] else []
        for row in built:
            by_name.setdefault(row_name(row, built), []).append((comparison.batch, row))
    lines = [
        ((name if index == 0 else "", str(batch)), row)
        for name, rows in by_name.items()
        for index, (batch, row) in enumerate(rows)
    ]
    if lines:
        render_recipes(("recipe", "batch"), lines, console)


def _curves(timed: Sequence[_Timed], console: Console) -> Table:
    """One line a batch, arm by arm: time, rate, the rate over that at the smallest batch, and the verdict."""
    smallest = min(each.batch or 0 for each in timed)
    fastest = max(each.measurement.images_per_s or 0.0 for each in timed) or 1.0
    has_bars, has_verdicts = console.width >= _WIDE, any(each.verdicts for each in timed)
    bar_header, verdict_headers = [""] * has_bars, ["speed-up", "verdict"] * has_verdicts
    headers = ["arm", "batch", "median ms", "95 %", "images/s", *bar_header, f"vs batch {smallest}"]
    table = table_of(console, *headers, *verdict_headers)
    for arm in dict.fromkeys(each.arm for each in timed):
        curve = sorted((each for each in timed if each.arm == arm), key=lambda each: each.batch or 0)
        first_per_s = curve[0].measurement.images_per_s if curve[0].batch == smallest else None
        for index, each in enumerate(curve):
            median, half_width, rate, speed_up, _, word = time_cells(each.measurement, each.verdicts)
            per_s = each.measurement.images_per_s
            table.add_row(
                Text(arm if index == 0 else ""),
                *(str(each.batch or ""), median, half_width, rate),
                *(ProgressBar(1.0, (per_s or 0.0) / fastest, width=_BAR_WIDTH),) * has_bars,
                f"{per_s / first_per_s:.2f}x" if per_s and first_per_s else "",
                *(speed_up, word) * has_verdicts,
            )
    return table


def _render_failures(points: Iterable[_Point], console: Console) -> None:
    for point in points:
        if isinstance(point, Measurement):
            render_failure(f"{point.arm.label} at batch {point.batch}", point.reason, console)
        else:
            for row in point.rows:
                render_failure(f"{row_name(row, point.rows)} at batch {point.batch}", row.reason, console)


def _render_findings(points: Iterable[_Point], comparisons: Iterable[Comparison], console: Console) -> None:
    single = [point for point in points if isinstance(point, Measurement)]
    render_measured_findings([(f"{each.arm.label} at batch {each.batch}", each) for each in single], console)
    rows = [
        (f"{row_name(row, comparison.rows)} at batch {comparison.batch}", row)
        for comparison in comparisons
        for row in comparison.rows
    ]
    render_row_findings(rows, console)
