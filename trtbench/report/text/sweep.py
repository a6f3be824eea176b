"""A sweep over batch or image size as text: what was compiled at each, then the curve of each arm."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trtbench.report.text.comparison import (
    built_rows,
    render_head,
    render_recipes,
    render_row_findings,
    row_name,
)
from trtbench.report.text.measurement import (
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
class _Axis:
    """What a curve runs over: batches, or image sizes at one batch; of both, each size has its curves."""

    name: Literal["batch", "pixels"]
    has_sizes: bool

    def at(self, point: _Point) -> int:
        """Where on the curve the point is; 0 where that is not known."""
        return (point.batch if self.name == "batch" else _img_size(point)) or 0

    def curve(self, name: str, point: _Point) -> str:
        """What the curve is called on which ``name`` has the point."""
        return f"{name}, {_img_size(point)} px" if self.name == "batch" and self.has_sizes else name

    def where(self, point: _Point) -> str:
        """The point in words."""
        return f"at batch {point.batch}" + (f", {_img_size(point)} px" if self.has_sizes else "")


@dataclass(frozen=True)
class _Timed:
    """An arm at one point; ``at``: where that is on its axis."""

    curve: str
    at: int
    measurement: Measurement
    verdicts: tuple[Verdict, ...]


def render_sweep(sweep: Sweep, raw_files: Iterable[Path], console: Console) -> None:
    """Print what compiled and what it took at each point, arm by arm, then failures, verdicts, findings."""
    axis = _axis_of(sweep.points)
    points = sorted(sweep.points, key=axis.at)
    comparisons = [point for point in points if isinstance(point, Comparison)]
    if comparisons:
        _render_compiled(comparisons, axis, console)
    timed = [each for point in points for each in _timed(point, axis)]
    if timed:
        console.print(Text(evidence([each.measurement for each in timed])), soft_wrap=True)
        console.print(_curves(timed, axis, console))
    _render_failures(points, axis, console)
    for comparison in comparisons:
        measured = [row.measured for row in comparison.rows if row.measured]
        render_verdicts(measured, comparison.verdicts, console, f" {axis.where(comparison)}")
    _render_findings(points, axis, console)
    render_raw_files(raw_files, console)


def _axis_of(points: Sequence[_Point]) -> _Axis:
    has_sizes = len({_img_size(point) for point in points}) > 1
    is_of_sizes = has_sizes and len({point.batch for point in points}) == 1
    return _Axis("pixels" if is_of_sizes else "batch", has_sizes)


def _img_size(point: _Point) -> int | None:
    if isinstance(point, Comparison):
        return point.img_size
    return point.arm.export.model.img_size if point.arm.export else None


def _timed(point: _Point, axis: _Axis) -> Iterator[_Timed]:
    if isinstance(point, Measurement):
        yield _Timed(axis.curve(point.arm.label, point), axis.at(point), point, ())
        return
    for row in point.rows:
        if row.measured is not None:
            name = axis.curve(row.measured.arm.label, point)
            yield _Timed(name, axis.at(point), row.measured, point.verdicts)


def _render_compiled(comparisons: Sequence[Comparison], axis: _Axis, console: Console) -> None:
    """Print one table of the engines, those of one recipe below each other."""
    render_head(comparisons, console)
    by_name: dict[str, list[tuple[int, ComparisonRow]]] = {}
    for comparison in comparisons:
        built = built_rows(comparison.rows) if comparison.target["sm"] else []
        for row in built:
            name = axis.curve(row_name(row, built), comparison)
            by_name.setdefault(name, []).append((axis.at(comparison), row))
    lines = [
        ((name if index == 0 else "", str(at)), row)
        for name, rows in by_name.items()
        for index, (at, row) in enumerate(rows)
    ]
    if lines:
        render_recipes(("recipe", axis.name), lines, console)


def _curves(timed: Sequence[_Timed], axis: _Axis, console: Console) -> Table:
    """One line a point, arm by arm: time, rate, the rate over that at the smallest, and the verdict."""
    smallest = min(each.at for each in timed)
    fastest = max(each.measurement.images_per_s or 0.0 for each in timed) or 1.0
    has_bars, has_verdicts = console.width >= _WIDE, any(each.verdicts for each in timed)
    bar_header, verdict_headers = [""] * has_bars, ["speed-up", "verdict"] * has_verdicts
    against = f"vs batch {smallest}" if axis.name == "batch" else f"vs {smallest} px"
    headers = ["arm", axis.name, "median ms", "95 %", "images/s", *bar_header, against]
    table = table_of(console, *headers, *verdict_headers)
    for name in dict.fromkeys(each.curve for each in timed):
        curve = [each for each in timed if each.curve == name]
        first_per_s = curve[0].measurement.images_per_s if curve[0].at == smallest else None
        for index, each in enumerate(curve):
            median, half_width, rate, speed_up, _, word = time_cells(each.measurement, each.verdicts)
            per_s = each.measurement.images_per_s
            table.add_row(
                Text(name if index == 0 else ""),
                *(str(each.at or ""), median, half_width, rate),
                *(ProgressBar(1.0, (per_s or 0.0) / fastest, width=_BAR_WIDTH),) * has_bars,
                f"{per_s / first_per_s:.2f}x" if per_s and first_per_s else "",
                *(speed_up, word) * has_verdicts,
            )
    return table


def _render_failures(points: Iterable[_Point], axis: _Axis, console: Console) -> None:
    for point in points:
        where = axis.where(point)
        if isinstance(point, Measurement):
            render_failure(f"{point.arm.label} {where}", point.reason, console)
        else:
            for row in point.rows:
                render_failure(f"{row_name(row, point.rows)} {where}", row.reason, console)


def _render_findings(points: Sequence[_Point], axis: _Axis, console: Console) -> None:
    single = [point for point in points if isinstance(point, Measurement)]
    render_measured_findings([(f"{each.arm.label} {axis.where(each)}", each) for each in single], console)
    rows = [
        (f"{row_name(row, point.rows)} {axis.where(point)}", row)
        for point in points
        if isinstance(point, Comparison)
        for row in point.rows
    ]
    render_row_findings(rows, console)
