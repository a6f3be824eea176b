"""What ``trtbench predict`` prints: times, what they go into, and what they assume."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.comparison import render_failures, render_head, render_recommendations
from trtbench.report.text.keys import environment_names, keyed, telling
from trtbench.report.text.predicted import format_ms, render_assumptions, render_predicted
from trtbench.report.text.tables import print_columns, print_crossed
from trtbench.results import Comparison, ComparisonRow, Prediction
from trtbench.results.comparison import row_name

_Predicted = Sequence[tuple[ComparisonRow, Prediction]]
_NAMES = {"gemm": "GEMM"}
_SPEEDUPS = (
    "interval of a speed-up: kernels of one kind and precision are taken to be off by one factor in both rows"
)


def render_predictions(comparison: Comparison, console: Console, following: str | None = None) -> None:
    """Print each predicted time, what it goes into, what it assumes, and ``following``, the next command."""
    versions = environment_names(comparison.rows)
    comparison = comparison.model_copy(update={"rows": keyed(comparison.rows, versions).rows})
    predicted = [(row, row.predicted) for row in comparison.rows if row.predicted]
    render_head(comparison, console)
    render_predicted(comparison, versions, console)
    _render_curves(predicted, console)
    shapes = [(row.img_size, row.batch) for row, _ in predicted]
    for shape in dict.fromkeys(shapes):
        same = [pair for pair, its in zip(predicted, shapes, strict=True) if its == shape]
        _render_parts("role", [(row.key, found.by_role_ms) for row, found in same], console)
        _render_parts("kernel", [(row.key, found.by_kernel_ms) for row, found in same], console)
    render_failures(comparison, console)
    console.print()
    if comparison.predicted_speedups:
        console.print(Text(_SPEEDUPS), soft_wrap=True)
    render_assumptions(comparison.rows, console)
    render_recommendations(comparison, following, console)


def _render_curves(predicted: _Predicted, console: Console) -> None:
    """One line a recipe, one column a batch."""
    batches = sorted({found.batch for _, found in predicted})
    if len(batches) < 2:
        return
    fields = telling(row for row, _ in predicted) - {"batch"}
    by_name = {(row_name(row, fields), found.batch): found for row, found in predicted}
    names = list(dict.fromkeys(name for name, _ in by_name))
    rates = max(len(f"{found.images_per_s:.0f}") for _, found in predicted)

    def cell(name: str, batch: int) -> str:
        found = by_name.get((name, batch))
        return f"{format_ms(found.gpu_compute_ms)} {found.images_per_s:{rates}.0f}" if found else "-"

    columns = {f"batch {batch}": [cell(name, batch) for name in names] for batch in batches}
    console.print(Text("\npredicted ms and images/s by batch"))
    print_columns(console, {"recipe": names}, columns, ("recipe",))


def _render_parts(part: str, sums: Sequence[tuple[str, Mapping[str, float]]], console: Console) -> None:
    """One line a role or kind of kernel, the longest of the first row first; turned with many rows."""
    parts = list(dict.fromkeys(name for _, found in sums for name in found))
    columns = {key: [_part(found, name) for name in parts] for key, found in sums}
    heading = {"role": "role", "kernel": "kind of kernel"}[part]
    console.print(Text(f"\npredicted ms by {heading}, and share"))
    print_crossed(console, part, [_NAMES.get(name, name) for name in parts], "recipe", columns)


def _part(found: Mapping[str, float], name: str) -> str:
    if name not in found:
        return "-"
    return f"{format_ms(found[name])} {found[name] / sum(found.values()):4.0%}"
