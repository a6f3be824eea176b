"""A sweep as text: what it would take, what was found, what the factors do, and the rule."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.tables import print_columns
from trtbench.results import Analysis, Rule, Sweep, SweepEstimate, SweepRow
from trtbench.results.rows import Value
from trtbench.units import format_bytes, format_count, format_seconds

_MOST_ROWS = 100
_LEAST_SHARE = 0.005
_COLUMNS = {
    "trace\nbusy": "trace_busy_share",
    "measured\nms": "measured_gpu_compute_median_ms",
    "predicted\nms": "predicted_gpu_compute_ms",
    "predicted\nTFLOP/s": "predicted_tflop_per_s",
    "SQNR\ndB": "emulated_sqnr_db",
}
"""Headers of values that cells may have."""
_KERNELS = tuple(f"compiled_{kind}_kernels" for kind in ("gemm", "attention", "quantize", "other"))


def render_estimate(estimate: SweepEstimate, console: Console) -> None:
    """Print what a sweep would do and take."""
    left = estimate.cells - estimate.done
    console.print(
        Text.assemble(
            (estimate.plan.name, "bold"),
            f": {format_count(estimate.cells, 'cell')} of {format_count(estimate.models, 'model')}; "
            f"{estimate.done} done, {left} left",
        ),
        soft_wrap=True,
    )
    if estimate.skipped or estimate.duplicates:
        console.print(f"left out: {estimate.skipped} by skip, {estimate.duplicates} named twice")
    console.print(
        f"estimated: {format_seconds(estimate.duration_s)} on {format_count(estimate.workers, 'worker')}, "
        f"{format_bytes(estimate.disk_bytes)} on the disk",
        soft_wrap=True,
    )
    console.print(Text(f"estimated by: {estimate.basis}", style="dim"), soft_wrap=True)


def render_sweep(sweep: Sweep, console: Console) -> None:
    """Print the cells, the analyses and what failed."""
    failed = [row for row in sweep.rows if row.status == "failed"]
    console.print(
        Text.assemble(
            (sweep.plan.name, "bold"),
            f": {format_count(len(sweep.rows), 'cell')}, {len(failed)} failed; "
            f"evidence: {', '.join(sweep.evidence) or 'none'}",
        ),
        soft_wrap=True,
    )
    made = [row for row in sweep.rows if row.status == "ok"][:_MOST_ROWS]
    if made:
        _print_rows(made, console)
    if len(sweep.rows) - len(failed) > _MOST_ROWS:
        console.print(f"the first {_MOST_ROWS} cells; --export-csv writes all")
    for reason, count in Counter(str(row.reason) for row in failed).most_common():
        first = next(row for row in failed if str(row.reason) == reason)
        more = f" and {count - 1} more" if count > 1 else ""
        console.print(Text(f"{first.cell.key}{more} failed: {reason}", style="red"), soft_wrap=True)
    for analysis in sweep.analyses:
        console.print()
        for line in analysis_lines(analysis):
            console.print(Text(line), soft_wrap=True)
    for line in _notes(sweep):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _print_rows(rows: Sequence[SweepRow], console: Console) -> None:
    keys = {"cell": [Text(row.cell.key) for row in rows]}
    columns = {
        header: [_number(row.values.get(name)) for row in rows]
        for header, name in _COLUMNS.items()
        if any(name in row.values for row in rows)
    }
    if any("compiled_gemm_kernels" in row.values for row in rows):
        columns["kernels"] = [_sum(row.values) for row in rows]
        columns["engine"] = [_bytes(row.values.get("engine_size_bytes")) for row in rows]
    print_columns(console, keys, columns)


def _number(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "-" if value is None else str(value)


def _bytes(value: Value) -> str:
    return format_bytes(value) if isinstance(value, int) else "-"


def _sum(values: Mapping[str, Value]) -> str:
    counts = [count for name in _KERNELS if isinstance(count := values.get(name), int)]
    return str(sum(counts)) if counts else "-"


def analysis_lines(analysis: Analysis) -> Iterator[str]:
    """What the factors do to one response, and the rule."""
    scale = "its logarithm" if analysis.scale == "log" else "its value"
    yield f"{analysis.response}, {format_count(analysis.cells, 'cell')}: variance of {scale} explained by"
    for each in analysis.shares:
        if each.share >= _LEAST_SHARE:
            yield f"  {100 * each.share:5.1f} %  {' x '.join(each.factors)}"
    yield f"  {100 * analysis.unexplained:5.1f} %  three factors and more, or none"
    if analysis.cells < analysis.combinations:
        yield (
            f"  {analysis.cells} of {analysis.combinations} combinations are there, so factors go along with "
            "each other: shares are means over all orders of taking them up"
        )
    for factor, means in analysis.effects.items():
        yield f"  by {factor}: " + ", ".join(f"{level}: {mean:.3g}" for level, mean in means.items())
    if analysis.rule is not None:
        yield "  rule:"
        yield from (f"    {line}" for line in analysis.rule.lines)
        yield f"  {rule_errors(analysis.rule)}"


def rule_errors(rule: Rule) -> str:
    """Errors of the rule and of simpler ways on cells that they were not fitted to."""
    errors = "; ".join(
        f"{each.method} {each.median_pct:.0f} % (90 % of cells within {each.p90_pct:.0f} %)"
        for each in rule.errors
    )
    return f"median error on left-out cells, {rule.folds} folds: {errors}"


def _notes(sweep: Sweep) -> Iterator[str]:
    yield "" if sweep.analyses else "too few cells to analyse"
    reasons = (str(row.values[name]) for row in sweep.rows for name in _WHY if name in row.values)
    yield from dict.fromkeys(reasons)
    cost = sweep.cost
    gpus = f", {format_seconds(cost.gpu_s)} of GPUs" if cost.gpu_s else ""
    lost = f"; {format_count(cost.retries, 'lost worker')} replaced" if cost.retries else ""
    yield f"this run took {format_seconds(cost.worker_s)} of workers{gpus}{lost}"


_WHY = ("not_timed", "not_predicted")
