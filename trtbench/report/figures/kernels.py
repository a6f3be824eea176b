"""One transformer block as its compiled kernels, as wide as they are predicted to take."""

from collections.abc import Iterable

from trtbench.report.figures.figure import (
    US,
    Figure,
    Json,
    field,
    hover,
    label,
    precision_colour,
    precision_scale,
    short,
    wide_enough,
)
from trtbench.report.figures.timed import rows_of_interest
from trtbench.results import BlockKernel, Comparison, ComparisonRow
from trtbench.results.rows import Row
from trtbench.units import format_bytes

_MOST_RECIPES, _HEIGHT = 8, 50


def block_of_kernels(comparison: Comparison) -> Figure | None:
    """None where no row has the kernels of a block: results of older versions, or without predictions."""
    chosen = [row for row in rows_of_interest(comparison, _MOST_RECIPES) if row.block]
    rows = [each for row in chosen for each in _kernels(row)]
    if not rows:
        return None
    return Figure(
        name="kernels",
        title="One transformer block, kernel by kernel",
        evidence=("compiled", "predicted"),
        reading=_reading(chosen),
        alt="A bar a recipe, divided into the kernels of a block; width: predicted time, colour: precision.",
        rows=rows,
        spec=_spec(rows),
    )


def _kernels(row: ComparisonRow) -> Iterable[Row]:
    end_us = 0.0
    for kernel in row.block:
        start_us, end_us = end_us, end_us + 1e3 * kernel.predicted_ms
        yield {
            "recipe": short(row.key, 40),
            "kernel": short(kernel.name, 100),
            "role": _role(kernel),
            "precision": kernel.precision_in,
            "writes": kernel.precision_out,
            "shape": _shape(kernel),
            "bytes": format_bytes(kernel.bytes),
            "predicted_us": end_us - start_us,
            "bound_by": kernel.bound,
            "_from_us": start_us,
            "_to_us": end_us,
            "_colour": precision_colour(kernel.precision_in),
        }


def _role(kernel: BlockKernel) -> str:
    same = kernel.role in (kernel.kernel, "other", "quantize")
    return kernel.kernel if same else f"{kernel.role} {kernel.kernel}".removesuffix(" gemm")


def _shape(kernel: BlockKernel) -> str:
    if kernel.m and kernel.n and kernel.k:
        return f"M {kernel.m} x N {kernel.n} x K {kernel.k}"
    return " x ".join(map(str, kernel.shape))


def _reading(rows: list[ComparisonRow]) -> str:
    parts = []
    for row in rows:
        total_us = 1e3 * sum(kernel.predicted_ms for kernel in row.block)
        parts.append(f"{short(row.key)} {len(row.block)} kernels in {total_us:.0f} µs")
    return f"A block is compiled to: {', '.join(parts)}."


def _spec(rows: list[Row]) -> Json:
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    longest = max(float(row["_to_us"] or 0) for row in rows)
    y = label("recipe", "", sort=None, axis={"labelLimit": 260, "title": None})
    x = field("_from_us", "predicted time of one block, µs", scale={"domain": [0, longest], "nice": False})
    colour = label("_colour", "operands", scale=precision_scale(str(row["_colour"]) for row in rows))
    return {
        "height": _HEIGHT * len(recipes),
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "var(--page)", "strokeWidth": 1.5},
                "encoding": {
                    "x": x,
                    "x2": {"field": "_to_us"},
                    "color": colour,
                    "tooltip": hover(rows, predicted_us=US),
                },
            },
            {
                "transform": [
                    wide_enough("datum.predicted_us", longest, "role"),
                    {"calculate": "(datum._from_us + datum._to_us) / 2", "as": "middle"},
                ],
                "mark": {"type": "text", "color": "var(--on-colour)", "fontSize": 11},
                "encoding": {"x": {**x, "field": "middle"}, "text": label("role")},
            },
        ],
    }
