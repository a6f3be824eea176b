"""What was timed of a comparison as text: one line a row, the shapes of one arm below each other."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.text import Text

from trtbench.measure.stop import relative_half_width
from trtbench.report.text.keys import SHAPE, Keyed, keyed
from trtbench.report.text.measurement import evidence, format_rate, render_raw_files
from trtbench.report.text.tables import Cell, fits, print_columns, table_with
from trtbench.results import Comparison, ComparisonRow, Statistic, Verdict
from trtbench.results.comparison import row_name

_Columns = dict[str, list[Cell]]
_BAR, _BAR_WIDTH = "", 12
_INTERVAL = "95 % interval"
VERDICT_STYLES: dict[str, str] = {
    "FASTER": "green",
    "SLOWER": "red",
    "SAME": "cyan",
    "AMBIGUOUS": "yellow",
    "INCOMPARABLE": "yellow",
}


def render_times(
    comparison: Comparison, versions: Mapping[str, str], raw_files: Iterable[Path], console: Console
) -> None:
    """Print what was timed, if anything was: the times, each verdict with its reason, where the samples are.

    Args:
        comparison: its rows, where one was timed.
        versions: what tables call each environment.
        raw_files: where every sample is kept.
        console: where it is printed.
    """
    if not any(row.measured for row in comparison.rows):
        return
    keys = keyed([row for row in comparison.rows if row.measured or row.status == "failed"], versions)
    arms = [(row_name(row, set(keys.fields) - set(SHAPE)), row.measured) for row in keys.rows]
    console.print(Text(evidence([(name, each) for name, each in arms if each])), soft_wrap=True)
    _render_table(keys, comparison.verdicts, console)
    _render_verdicts(comparison, console)
    render_raw_files(raw_files, console)


def _render_table(keys: Keyed, verdicts: Sequence[Verdict], console: Console) -> None:
    """Curves have bars where all columns have room beside them."""
    columns: dict[str, list[Cell]] = {**_times(keys), **_curves(keys), **_judged(keys, verdicts)}
    text = ("verdict", *keys.texts)
    if _BAR in columns and not fits(
        table_with(console, keys.columns(), columns, list(columns), text), console
    ):
        del columns[_BAR]
    print_columns(console, keys.columns(), columns, text)


def _times(keys: Keyed) -> _Columns:
    mains = [row.measured.main if row.measured else None for row in keys.rows]
    return {
        "median ms": [f"{main.median:.4f}" if main else Text("failed", "red") for main in mains],
        "95 %": [_half_width(main) if main else "" for main in mains],
        "images/s": [format_rate(rate) if (rate := _rate(row)) else "" for row in keys.rows],
    }


def _curves(keys: Keyed) -> _Columns:
    """Rates, and those over the rate at the smallest batch; over image sizes where there is one batch."""
    axis = next((name for name in ("batch", "img_size") if name in keys.fields), None)
    if axis is None:
        return {}
    smallest = min((size for row in keys.rows if (size := getattr(row, axis))), default=0)
    arms = [row_name(row, set(keys.fields) - {axis}) for row in keys.rows]
    first = {
        arm: _rate(row) for arm, row in zip(arms, keys.rows, strict=True) if getattr(row, axis) == smallest
    }
    rates = [_rate(row) or 0.0 for row in keys.rows]
    fastest = max(rates) or 1.0
    gains = [
        f"{rate / base:.2f}x" if rate and (base := first.get(arm)) else ""
        for arm, rate in zip(arms, rates, strict=True)
    ]
    against = f"vs batch {smallest}" if axis == "batch" else f"vs {smallest} px"
    bars: list[Cell] = [ProgressBar(1.0, rate / fastest, width=_BAR_WIDTH) for rate in rates]
    return {_BAR: bars, against: [*gains]}


def _judged(keys: Keyed, verdicts: Sequence[Verdict]) -> _Columns:
    by_key = {each.arm: each for each in verdicts}
    found = [by_key.get(row.key) for row in keys.rows]
    if not any(found):
        return {}
    return {
        "speed-up": [f"{each.ratio:.3f}x" if each and each.ratio else "" for each in found],
        _INTERVAL: [
            f"{each.ci95[0]:.3f} to {each.ci95[1]:.3f}" if each and each.ci95 else "" for each in found
        ],
        "verdict": [Text(each.verdict, VERDICT_STYLES[each.verdict]) if each else "" for each in found],
    }


def _rate(row: ComparisonRow) -> float | None:
    return row.measured.images_per_s if row.measured else None


def _half_width(main: Statistic) -> str:
    """Relative to the median, as far as that says something: the interval is symmetric in the logarithm."""
    half_width = relative_half_width(main)
    return f"+-{half_width:.2%}" if half_width < 1 else "over 100%"


def _render_verdicts(comparison: Comparison, console: Console) -> None:
    """Print each verdict with its reason; that of a failed row is its own."""
    failed = {row.key for row in comparison.rows if row.status == "failed"}
    for verdict in comparison.verdicts:
        if verdict.arm not in failed:
            word = (verdict.verdict, VERDICT_STYLES[verdict.verdict])
            head = f"{verdict.arm} against {verdict.baseline}: "
            console.print(Text.assemble(head, word, f", {verdict.reason}"), soft_wrap=True)
