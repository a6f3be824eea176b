"""A search over recipes as text: confirmed recipes, the winner and why, and what the numbers are worth."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.fidelity import fidelity_basis, format_sqnr, sqnr_scale
from trtbench.report.text.gpus import ERRORS, kernel_times
from trtbench.report.text.tables import table_of
from trtbench.report.text.tuned import render_shapes, render_variants
from trtbench.results import TunedRow, Tuning
from trtbench.specs.recipe import Precision, Recipe
from trtbench.units import format_bytes

_BASELINE = Recipe(Precision.FP16)


def render_tuning(tuning: Tuning, following: str | None, console: Console) -> None:
    """Print ``tuning``; ``following``: the command to run next."""
    gpu = tuning.gpu
    size = f", {tuning.img_size} pixels" * bool(tuning.img_size)
    console.print(
        Text.assemble(
            (tuning.model, "bold"),
            f", batch {tuning.batch}{size}: {tuning.candidates} recipes estimated for {gpu.title} "
            f"({gpu.target}) at {gpu.clock_mhz:.0f} MHz",
        ),
        soft_wrap=True,
    )
    for line in _evidence(tuning):
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(_table(tuning, console))
    for row in tuning.rows:
        if row.status == "failed":
            console.print(Text(f"{row.recipe} failed: {row.reason}", style="red"), soft_wrap=True)
    console.print(Text(f"\n{tuning_verdict(tuning)}"), soft_wrap=True)
    if following is not None:
        console.print(Text(f"next: {following}"), soft_wrap=True)
    render_variants(tuning, console)
    render_shapes(tuning, console)
    console.print()
    for line in _notes(tuning):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _evidence(tuning: Tuning) -> Iterator[str]:
    inputs, gpu = tuning.inputs, tuning.gpu
    yield f"times: predicted, not measured; kernel times: {kernel_times(gpu)}; {ERRORS}"
    yield f"SQNR: emulated on a CPU, {fidelity_basis(inputs, inputs.samples, tuning.weights)}"
    yield sqnr_scale()
    timed = next((row.measured for row in tuning.rows if row.measured), None)
    if timed is not None:
        yield f"measured: on {timed.gpu or 'a CPU'} by {timed.arm.runtime}"


def _table(tuning: Tuning, console: Console) -> Table:
    timed = ["measured\nms"] * any(row.measured for row in tuning.rows)
    accuracy = ["top-1\ndrop"] * any(row.top1_drop is not None for row in tuning.rows)
    asked = ["keeps\nbound"] * any(row.meets is not None for row in tuning.rows)
    columns = ("predicted\nms", "90%\ninterval", "SQNR\ndB", *accuracy, "engine", "activa-\ntions")
    table = table_of(console, "", "recipe", *columns, *timed, *asked, text=("", "recipe"), wraps=("recipe",))
    for row in tuning.rows:
        mark = "*" if row.recipe == tuning.winner else "+" if row.on_front else ""
        table.add_row(mark, Text(str(row.recipe)), *_cells(row, bool(accuracy), bool(timed), bool(asked)))
    return table


def _cells(row: TunedRow, has_accuracy: bool, is_timed: bool, is_asked: bool) -> list[str | Text]:
    if row.prediction is None:
        return [Text("failed", "red")]
    low, high = row.prediction.interval_ms
    cells: list[str | Text] = [
        f"{row.prediction.gpu_compute_ms:.3g}",
        f"{low:.3g} to {high:.3g}",
        format_sqnr(row.fidelity.sqnr_db) if row.fidelity else "-",
    ]
    if has_accuracy:
        cells.append("-" if row.top1_drop is None else f"{row.top1_drop:.2f}")
    cells += [format_bytes(row.engine_bytes), format_bytes(row.activation_bytes)]
    if is_timed:
        cells.append("-" if row.measured_ms is None else f"{row.measured_ms:.4f}")
    if is_asked:
        cells.append("yes" if row.meets else "no")
    return cells


def tuning_verdict(tuning: Tuning) -> str:
    """The winner and why, in a sentence."""
    count, bound = len(tuning.rows), _bound(tuning)
    row = None if tuning.winner is None else tuning.row_of(tuning.winner)
    if row is None:
        return f"no winner: none of {count} confirmed recipes has {bound}; allow more error, or use fp32"
    having = f" with {bound}" if bound else ""
    return (
        f"winner: {row.recipe}, the fastest of {count} confirmed recipes{having}: "
        f"{_time_and_speedup(tuning, row)}, SQNR {format_sqnr(row.sqnr_db)} dB"
    )


def _time_and_speedup(tuning: Tuning, row: TunedRow) -> str:
    """Measured where that decided, else predicted."""
    base = tuning.row_of(_BASELINE)
    if tuning.by == "measured" and row.measured_ms:
        over = base.measured_ms if base and base is not row else None
        return f"measured {row.measured_ms:.4g} ms" + (
            f", {over / row.measured_ms:.2f}x fp16" if over else ""
        )
    text = f"predicted {row.predicted_ms:.3g} ms"
    if tuning.speedup is None:
        return text
    low, high = tuning.speedup.interval
    return f"{text}, {tuning.speedup.ratio:.2f}x fp16 ({low:.2f} to {high:.2f})"


def _bound(tuning: Tuning) -> str:
    if tuning.min_sqnr_db is not None:
        return f"an SQNR of at least {tuning.min_sqnr_db:g} dB"
    if tuning.max_top1_drop is not None:
        return f"a top-1 accuracy at most {tuning.max_top1_drop:g} points below FP32's"
    return ""


def _notes(tuning: Tuning) -> Iterator[str]:
    yield "* winner, + on the front: no other row is as good in time, SQNR, engine and activations"
    yield (
        f"estimated from {tuning.engines_built} engines of a few blocks and {tuning.errors_measured} models "
        f"with one quantised role; off by at most {tuning.time_error_pct:.1f} % and "
        f"{tuning.sqnr_error_db:.1f} dB where confirmed"
    )
    yield "as fast within 1 %: the more accurate recipe wins"
    yield from (f"not searched: {reason}" for reason in tuning.not_searched)
    yield from (f"left out: {reason}" for reason in tuning.failures)
    if tuning.not_timed is not None:
        yield f"not timed: {tuning.not_timed}"
