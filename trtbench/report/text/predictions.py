"""Predicted times as text: one line a recipe, then what kinds of kernel the time goes into."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.gpus import ERRORS, kernel_times
from trtbench.report.text.tables import table_of
from trtbench.results import Prediction, PredictionRow, Predictions


def render_predictions(predictions: Predictions, console: Console) -> None:
    """Print each row's predicted time, then, shape by shape, what kinds of kernel it goes into."""
    gpu, batches = predictions.gpu, {row.batch for row in predictions.rows}
    batch = f", batch {min(batches)}" * (len(batches) == 1)
    console.print(
        Text.assemble(
            (predictions.model, "bold"),
            f"{batch}: predicted on {gpu.title} ({gpu.target}) at {gpu.clock_mhz:.0f} MHz; "
            f"kernel times: {kernel_times(gpu)}",
        ),
        soft_wrap=True,
    )
    console.print(
        Text(f"predictions are not measurements: nothing was timed; {ERRORS}", style="yellow"),
        soft_wrap=True,
    )
    console.print(_times(predictions.rows, console))
    for shape in dict.fromkeys(row.shape for row in predictions.rows):
        same = [(row.key, row.prediction) for row in predictions.rows if row.shape == shape]
        columns = [(key, found) for key, found in same if found]
        if columns:
            console.print(Text("\npredicted ms by kind of kernel"))
            console.print(_kernels(columns, console))
    _render_notes(predictions, console)


def _times(rows: Sequence[PredictionRow], console: Console) -> Table:
    coverage = next((f"{row.prediction.coverage:.0%}" for row in rows if row.prediction), "")
    columns = ("predicted\nms", f"{coverage} interval\nms".strip(), "predicted\nimages/s")
    compared = ("predicted\nspeed-up", "interval") * any(row.speedup for row in rows)
    table = table_of(console, "recipe", *columns, *compared, text=("recipe",), wraps=("recipe",))
    for row in rows:
        table.add_row(
            Text(row.key), *(_cells(row, row.prediction) if row.prediction else ["[red]failed[/red]"])
        )
    return table


def _cells(row: PredictionRow, prediction: Prediction) -> list[str]:
    low, high = prediction.interval_ms
    cells = [
        _ms(prediction.gpu_compute_ms),
        f"{_ms(low)} to {_ms(high)}",
        f"{prediction.images_per_s:.0f}",
    ]
    if row.speedup is not None:
        low, high = row.speedup.interval
        cells += [f"{row.speedup.ratio:.2f}x", f"{low:.2f} to {high:.2f}"]
    return cells


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.2f}" if milliseconds >= 1 else f"{milliseconds:.3f}"


def _kernels(columns: Sequence[tuple[str, Prediction]], console: Console) -> Table:
    """One line a kind of kernel, the longest in the first column first; one column a row."""
    names = [key for key, _ in columns]
    table = table_of(console, "kernel", *names, text=("kernel",), wraps=names)
    for kernel in dict.fromkeys(kernel for _, found in columns for kernel in found.by_kernel_ms):
        times = (found.by_kernel_ms.get(kernel) for _, found in columns)
        table.add_row(
            "GEMM" if kernel == "gemm" else kernel, *("-" if ms is None else _ms(ms) for ms in times)
        )
    return table


def _render_notes(predictions: Predictions, console: Console) -> None:
    """What failed, what a speed-up's interval is, and what the predictions assume."""
    for row in predictions.rows:
        if row.reason is not None:
            console.print(Text.assemble((f"{row.key} failed", "red"), f": {row.reason}"), soft_wrap=True)
    console.print()
    speedup = next((row.speedup for row in predictions.rows if row.speedup), None)
    if speedup is not None:
        console.print(
            Text(
                "speed-up: over the first of the shape; its interval is the quotient of both intervals' "
                f"ends, and holds whenever both do: in at least {speedup.coverage:.0%} of the cases"
            ),
            soft_wrap=True,
        )
    found = [row.prediction for row in predictions.rows if row.prediction]
    for line in dict.fromkeys(line for prediction in found for line in prediction.assumptions):
        console.print(Text(f"assumes: {line}"), soft_wrap=True)
