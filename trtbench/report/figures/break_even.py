"""From how many tokens on a token reduction pays: the speed-up over tokens, and where it crosses 1."""

from trtbench.report.figures.figure import Figure, Json, field, hover, series, short
from trtbench.report.text.break_even import crossing_text
from trtbench.results.break_even import BreakEven, BreakEvenCurve
from trtbench.results.rows import Row

_MOST_CURVES = 8


def break_even(found: BreakEven) -> Figure | None:
    """None without a point."""
    curves = [curve for curve in found.curves if curve.points][:_MOST_CURVES]
    rows = [row for curve in curves for row in _rows(curve)]
    if not rows:
        return None
    parts = [f"{_name(curve)} from {crossing_text(curve.gpu, curve.points)} on" for curve in curves]
    return Figure(
        name="break-even",
        title=f"Break-even of {short(str(found.token_reduction))}: speed-up over tokens",
        evidence=found.evidence,
        reading=f"By GPU time the reduction pays: {'; '.join(parts)}.",
        alt="Lines: speed-up of the reduced model over the number of tokens, with bands; a rule at 1.",
        rows=rows,
        spec=_spec(rows),
    )


def _name(curve: BreakEvenCurve) -> str:
    runtime = f" on {curve.runtime}" if curve.runtime else ""
    return f"{curve.recipe}{runtime} b{curve.batch}, {curve.evidence}"


def _rows(curve: BreakEvenCurve) -> list[Row]:
    rows: list[Row] = []
    for point in curve.points:
        gains = {"GPU time": point.gpu, "wall time": point.wall}
        for what, gain in gains.items():
            if gain is not None:
                rows.append(
                    {
                        "line": f"{_name(curve)}, {what}",
                        "image": str(point.img_size),
                        "tokens": point.tokens,
                        "speedup": gain.speedup,
                        "low": gain.interval[0],
                        "high": gain.interval[1],
                    }
                )
    return rows


def _spec(rows: list[Row]) -> Json:
    told_apart = series("line", [str(row["line"]) for row in rows])
    y = field("speedup", "speed-up with fewer tokens", scale={"zero": False})
    band = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return {
        "height": 320,
        "encoding": {"x": field("tokens", scale={"zero": False}), "color": told_apart["color"]},
        "layer": [
            {"mark": {"type": "area", "opacity": 0.18}, "encoding": band},
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": y}},
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "y": y,
                    "shape": told_apart["shape"],
                    "tooltip": hover(rows, speedup=".3~f", low=".3~f", high=".3~f"),
                },
            },
            {
                "mark": {"type": "rule", "strokeDash": [5, 4], "color": "var(--text)"},
                "encoding": {"y": {"datum": 1}, "x": None, "color": None},
            },
        ],
    }
