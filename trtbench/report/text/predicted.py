"""Predicted times of a comparison as text: one line a row, on one GPU."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.gpus import ERRORS, kernel_times
from trtbench.report.text.keys import keyed
from trtbench.report.text.tables import Cell, print_columns
from trtbench.results import Comparison, ComparisonRow, PredictedSpeedup, Prediction


def render_predicted(comparison: Comparison, versions: Mapping[str, str], console: Console) -> None:
    """Print each predicted time and speed-up, and why others are not known.

    Args:
        comparison: its rows, where one has an engine.
        versions: what tables call each environment.
        console: where it is printed.
    """
    gpu = comparison.predicted_on
    if gpu is not None:
        line = (
            f"predicted, not measured: {gpu.title} ({gpu.target}) at {gpu.clock_mhz:.0f} MHz; "
            f"kernel times: {kernel_times(gpu)}; {ERRORS}"
        )
        console.print(Text(line, style="yellow"), soft_wrap=True)
        rows = [row for row in comparison.rows if row.predicted or row.not_predicted]
        _render_times(rows, comparison.predicted_speedups, versions, console)
    reasons: dict[str, list[str]] = {}
    for row in comparison.rows:
        if row.not_predicted is not None:
            reasons.setdefault(row.not_predicted, []).append(row.key)
    for reason, keys in reasons.items():
        console.print(Text(f"{', '.join(keys)} not predicted: {reason}"), soft_wrap=True)


def render_assumptions(rows: Sequence[ComparisonRow], console: Console, of_all: bool = True) -> None:
    """Print what predictions assume, each line with its rows unless all share it.

    Args:
        rows: those without a prediction are left out.
        console: where it is printed.
        of_all: also print what all rows assume.
    """
    predicted = [(row.key, row.predicted) for row in rows if row.predicted]
    made: dict[str, list[str]] = {}
    for key, found in predicted:
        for line in found.assumptions:
            made.setdefault(line, []).append(key)
    for line, keys in made.items():
        if of_all or len(keys) < len(predicted):
            of_some = f" of {', '.join(keys)}" if len(keys) < len(predicted) else ""
            console.print(Text(f"assumed{of_some}: {line}"), soft_wrap=True)


def format_ms(milliseconds: float) -> str:
    """Three digits or more: ``12.34``, ``0.123``."""
    return f"{milliseconds:.2f}" if milliseconds >= 1 else f"{milliseconds:.3f}"


def _render_times(
    rows: Sequence[ComparisonRow],
    speedups: Sequence[PredictedSpeedup],
    versions: Mapping[str, str],
    console: Console,
) -> None:
    keys = keyed(rows, versions)
    found = {each.arm: each for each in speedups}
    coverage = next(f"{row.predicted.coverage:.0%}" for row in rows if row.predicted)
    headers = ["predicted\nms", f"{coverage} interval\nms", "predicted\nspeed-up", "interval", "images/s"]
    lines = [_cells(row.predicted, found.get(row.key)) for row in keys.rows]
    columns: dict[str, list[Cell]] = {
        header: [line[at] for line in lines] for at, header in enumerate(headers) if any(x[at] for x in lines)
    }
    print_columns(console, keys.columns(), columns, keys.texts)


def _cells(prediction: Prediction | None, speedup: PredictedSpeedup | None) -> tuple[str, str, str, str, str]:
    if prediction is None:
        return "-", "", "", "", ""
    ratio, ratios = "", ""
    if speedup is not None:
        low_ratio, high_ratio = speedup.interval
        ratio, ratios = f"{speedup.ratio:.2f}x", f"{low_ratio:.2f} to {high_ratio:.2f}"
    low, high = map(format_ms, prediction.interval_ms)
    rate = f"{prediction.images_per_s:.0f}"
    return format_ms(prediction.gpu_compute_ms), f"{low} to {high}", ratio, ratios, rate
