"""Break-even tokens as text: a table for each curve, and below it where the reduction pays."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from trtbench.report.text.tables import table_of
from trtbench.results.break_even import BreakEven, BreakEvenCurve, BreakEvenPoint, Crossing, Gain, Side


def render_break_even(found: BreakEven, console: Console) -> None:
    """Print every curve, then the cells without a time."""
    evidence = " and ".join(found.evidence) or "nothing timed"
    where = f" on {found.gpu}" if found.gpu else ""
    _print(console, Text.assemble((found.model, "bold"), f" with {found.token_reduction}: {evidence}{where}"))
    for curve in found.curves:
        _render_curve(curve, console)
    for reason in found.failed:
        _print(console, Text(f"no time: {reason}", "red"))


def _render_curve(curve: BreakEvenCurve, console: Console) -> None:
    runtime = f" on {curve.runtime}" if curve.runtime else ""
    _print(console, Text(f"\n{curve.recipe}{runtime}, batch {curve.batch}, {curve.evidence}", "bold"))
    headers = ["pixels", "tokens", "GFLOP", "kernels", "GPU ms", "speed-up", "interval"]
    walls = ["wall ms", "wall speed-up"] if curve.wall else []
    table = table_of(console, *headers, *walls)
    for point in curve.points:
        table.add_row(*_cells(point), *(_wall_cells(point) if curve.wall else ()))
    console.print(table)
    _print(console, Text(f"break-even by GPU time: {crossing_text(curve.gpu, curve.points)}"))
    if curve.wall:
        _print(console, Text(f"break-even by wall time: {crossing_text(curve.wall, curve.points)}"))


def _cells(point: BreakEvenPoint) -> list[str]:
    full, reduced = point.full, point.reduced
    low, high = point.gpu.interval
    return [
        str(point.img_size),
        f"{full.tokens} -> {reduced.tokens}",
        f"{full.flops / 1e9:.1f} -> {reduced.flops / 1e9:.1f}",
        f"{_kernels(full)} -> {_kernels(reduced)}",
        f"{full.gpu_ms:.3f} -> {reduced.gpu_ms:.3f}",
        f"{point.gpu.speedup:.2f}",
        f"{low:.2f} to {high:.2f}",
    ]


def _wall_cells(point: BreakEvenPoint) -> list[str]:
    times = [side.wall_ms for side in (point.full, point.reduced)]
    return [" -> ".join("-" if time is None else f"{time:.3f}" for time in times), _speedup(point.wall)]


def _speedup(gain: Gain | None) -> str:
    return f"{gain.speedup:.2f} ({gain.interval[0]:.2f} to {gain.interval[1]:.2f})" if gain else "-"


def _kernels(side: Side) -> str:
    return "-" if side.kernels is None else str(side.kernels)


def crossing_text(crossing: Crossing, points: Sequence[BreakEvenPoint]) -> str:
    """The tokens from which on it pays, with their interval: ``612 tokens (540 to 700)``."""
    found, *ends = (_tokens(each, points) for each in (crossing.tokens, crossing.low, crossing.high))
    return f"{found} tokens ({' to '.join(ends)})"


def _tokens(tokens: float | None, points: Sequence[BreakEvenPoint]) -> str:
    if tokens is None:
        return f"above {points[-1].tokens}"
    return f"{tokens:.0f}" if tokens else f"below {points[0].tokens}"


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
