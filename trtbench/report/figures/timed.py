"""The time of each row of a comparison: measured where it was timed, else predicted."""

from dataclasses import dataclass
from typing import Literal

from trtbench.report.figures.figure import short
from trtbench.results import Comparison, ComparisonRow


@dataclass(frozen=True)
class Timed:
    """One row with its time and interval in ms: 95 % of a median, or what a prediction covers."""

    row: ComparisonRow
    name: str
    evidence: Literal["measured", "predicted"]
    ms: float
    low: float
    high: float


def times_of(row: ComparisonRow) -> list[Timed]:
    """What is known of the time of a row, measured first."""
    found, name = [], short(row.key)
    main = row.measured.main if row.measured and row.measured.median_ms else None
    if main is not None:
        found.append(Timed(row, name, "measured", main.median, *main.ci95))
    if row.predicted is not None:
        found.append(Timed(row, name, "predicted", row.predicted.gpu_compute_ms, *row.predicted.interval_ms))
    return found


def timed_rows(comparison: Comparison) -> list[Timed]:
    """One time a row, of those that have any."""
    return [times[0] for row in comparison.rows if (times := times_of(row))]


def kinds_of(times: list[Timed]) -> tuple[str, ...]:
    """Which evidence these times are, each once."""
    return tuple(dict.fromkeys(each.evidence for each in times))


def rows_of_interest(comparison: Comparison, most: int) -> list[ComparisonRow]:
    """The baseline, ``@stock``, what is recommended, and others up to ``most``, in their order."""
    rows = [row for row in comparison.rows if row.predicted]
    picked = {each.row for each in comparison.recommendations}
    first = [row for row in rows if row.key in picked or row is rows[0] or (row.recipe and row.recipe.stock)]
    fastest = sorted(rows, key=lambda row: row.predicted.gpu_compute_ms if row.predicted else 0.0)
    chosen = {row.key for row in [*first, *fastest][:most]} if len(rows) > most else {row.key for row in rows}
    return [row for row in rows if row.key in chosen]
