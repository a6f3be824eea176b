"""Kernels under the roofs of a GPU: what each reaches, or may reach, against its FLOP per byte."""

from collections.abc import Iterable

from trtbench.report.figures.figure import (
    Figure,
    Json,
    field,
    hover,
    label,
    precision_colour,
    precision_scale,
    short,
)
from trtbench.report.figures.timed import rows_of_interest
from trtbench.results import BlockKernel, Comparison, GpuEntry, Roofline, RooflineSection
from trtbench.results.rows import Row

_MOST_RECIPES = 6
_EDGES = (4.0, 4096.0)
"""Least and most FLOP per byte that roofs are drawn to, unless kernels lie beyond."""


def comparison_roofs(comparison: Comparison) -> Figure | None:
    """Products of one block at their predicted times; None without kernels of a block."""
    gpu = comparison.predicted_on
    chosen = [row for row in rows_of_interest(comparison, _MOST_RECIPES) if row.block]
    rows = [_compiled(short(row.key, 40), kernel) for row in chosen for kernel in row.block if kernel.flops]
    if gpu is None or not rows:
        return None
    fastest = max(rows, key=lambda row: float(row["tflops"] or 0))
    return Figure(
        name="roofline",
        title=f"Roofline: products of one block on {gpu.title}",
        evidence=("compiled", "predicted"),
        reading=f"The fastest is {fastest['kernel']} of {fastest['series']}, predicted at "
        f"{fastest['tflops']:.0f} TFLOP/s; lines are the peak of each format and the DRAM bandwidth.",
        alt="Points: predicted TFLOP/s of each product over its FLOP per byte; lines: roofs by precision.",
        rows=rows,
        spec=_spec(rows, gpu, "predicted TFLOP/s"),
    )


def roofline(found: Roofline) -> Figure | None:
    """What the first batch of each section may reach at most."""
    rows = [row for section in found.sections[:_MOST_RECIPES] for row in _structural(section)]
    if not rows:
        return None
    bound = sum(row["bound_by"] == "memory" for row in rows)
    return Figure(
        name="roofline",
        title=f"Roofline on {found.gpu.title}: what each kernel may reach",
        evidence=("predicted",),
        reading=f"{bound} of {len(rows)} kernels are bound by the DRAM bandwidth, the others by their peak.",
        alt="Points: attainable TFLOP/s of each kernel over its FLOP per byte; lines: roofs by precision.",
        rows=rows,
        spec=_spec(rows, found.gpu, "attainable TFLOP/s"),
    )


def _compiled(name: str, kernel: BlockKernel) -> Row:
    return {
        "series": name,
        "kernel": kernel.role,
        "precision": kernel.precision_in,
        "flop_per_byte": kernel.flops / max(kernel.bytes, 1),
        "tflops": kernel.flops / max(kernel.predicted_ms, 1e-9) / 1e9,
        "bound_by": kernel.bound,
        "_colour": precision_colour(kernel.precision_in),
    }


def _structural(section: RooflineSection) -> Iterable[Row]:
    batch = section.batches[0]
    for kernel in batch.kernels:
        if kernel.flops and kernel.attainable_tflops > 0 and kernel.intensity > 0:
            yield {
                "series": f"{section.recipe} b{batch.batch:g}",
                "kernel": short(kernel.name),
                "precision": kernel.precision,
                "flop_per_byte": kernel.intensity,
                "tflops": kernel.attainable_tflops,
                "bound_by": kernel.bound,
                "_colour": precision_colour(kernel.precision),
            }


def _roofs(rows: list[Row], gpu: GpuEntry) -> list[Json]:
    """Lines of the roofs of all precisions that kernels have."""
    reached = [float(row["flop_per_byte"] or 0) for row in rows]
    low, high = min(_EDGES[0], *reached), max(_EDGES[1], *reached)
    slope = gpu.dram_gb_per_s / 1e3
    points = []
    for precision in dict.fromkeys(str(row["_colour"]) for row in rows):
        peak = gpu.dense_tflops.get(precision)
        if peak and slope > 0:
            corners = ((low, slope * low), (peak / slope, peak), (high, peak))
            points += [{"precision": precision, "x": x, "y": y} for x, y in corners]
    return points


def _spec(rows: list[Row], gpu: GpuEntry, title: str) -> Json:
    roofs = _roofs(rows, gpu)
    log = {"type": "log", "nice": False, "padding": 10}
    names = list(dict.fromkeys(str(row["series"]) for row in rows))
    colour = label("_colour", "precision", scale=precision_scale(str(row["_colour"]) for row in rows))
    lines = {
        "data": {"values": roofs},
        "mark": {"type": "line", "strokeWidth": 2, "strokeDash": [6, 3]},
        "encoding": {
            "x": field("x", "FLOP per byte", scale=log),
            "y": field("y", title, scale=log),
            "color": {**colour, "field": "precision"},
        },
    }
    points = {
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 0.85},
        "encoding": {
            "x": field("flop_per_byte", "FLOP per byte", scale=log),
            "y": field("tflops", title, scale=log),
            "color": colour,
            "shape": label("series", "recipe", sort=None, scale={"domain": names}),
            "tooltip": hover(rows, flop_per_byte=".3~g", tflops=".3~g"),
        },
    }
    return {"height": 340, "layer": [lines, points] if roofs else [points]}
