"""Why not four times as fast: from the GEMMs at their peak to the predicted time, step by step."""

from collections.abc import Iterable
from math import floor, log10

from trtbench.report.figures.figure import MS, Figure, Json, field, hover, label, short
from trtbench.report.figures.timed import rows_of_interest
from trtbench.report.text.explanation import STEPS
from trtbench.results import Comparison, Waterfall
from trtbench.results.rows import Row

_IDEAL, _TOTAL = "GEMMs at the peak", "predicted time"
_COLOURS = ("var(--series-1)", "var(--series-2)", "var(--series-3)")
_LEAST_MS = 1e-6


def comparison_waterfall(comparison: Comparison) -> Figure | None:
    """None where no row has a waterfall: results of older versions, or without predictions."""
    falls = {short(row.key): row.waterfall for row in rows_of_interest(comparison, 3) if row.waterfall}
    return waterfall(dict(list(falls.items())[: len(_COLOURS)]))


def waterfall(falls: dict[str, Waterfall]) -> Figure | None:
    """Up to three engines side by side, by their names; None without any that takes time."""
    falls = {name: fall for name, fall in falls.items() if fall.steps and fall.ideal_ms > 0}
    if not falls:
        return None
    rows = [row for name, fall in falls.items() for row in _steps(name, fall)]
    name, last = list(falls.items())[-1]
    ratio = last.predicted_ms / last.ideal_ms
    largest = max(last.steps, key=lambda step: step.ms)
    return Figure(
        name="waterfall",
        title="Why not four times as fast: what adds to the GEMMs at their peak",
        evidence=("predicted",),
        reading=f"{name} is predicted to take {ratio:.1f} times as long as its GEMMs would at their peak; "
        f"most is added by: {STEPS[largest.step]}, {largest.ms:.3f} of {last.predicted_ms:.3f} ms.",
        alt="Floating bars: what each cause adds to the time in ms, from the ideal to the predicted time.",
        rows=rows,
        spec=_spec(rows, list(falls)),
    )


def _steps(name: str, fall: Waterfall) -> Iterable[Row]:
    end = fall.ideal_ms
    yield _row(name, _IDEAL, 0.0, end, None)
    for step in fall.steps:
        if step.ms > _LEAST_MS:
            start, end = end, end + step.ms
            yield _row(name, STEPS[step.step], start, end, step.kernels)
    yield _row(name, _TOTAL, 0.0, fall.predicted_ms, None)


def _row(name: str, step: str, start: float, end: float, kernels: int | None) -> Row:
    return {
        "recipe": name,
        "step": step,
        "adds_ms": end - start,
        "from_ms": start,
        "to_ms": end,
        "kernels": kernels,
    }


def _spec(rows: list[Row], names: list[str]) -> Json:
    order = [_IDEAL, *STEPS.values(), _TOTAL]
    used = [step for step in order if any(row["step"] == step for row in rows)]
    colours = {"domain": names, "range": list(_COLOURS[-len(names) :])}
    colour = label("recipe", scale=colours, sort=None)
    y = label("step", sort=used, axis={"labelLimit": 260, "title": None, "grid": True, "tickBand": "extent"})
    longest = max(float(row["to_ms"] or 0) for row in rows)
    x = field("from_ms", "predicted time, ms", scale={"domain": [0, longest], "nice": False})
    decimals = max(1, 2 - floor(log10(longest))) if longest > 0 else 1
    return {
        "padding": {"left": 0, "top": 2, "right": 44, "bottom": 6},
        "height": len(used) * (10 + 13 * len(names)),
        "encoding": {"y": y, "yOffset": label("recipe", sort=names)},
        "layer": [
            {
                "mark": {"type": "bar"},
                "encoding": {
                    "x": x,
                    "x2": {"field": "to_ms"},
                    "color": colour,
                    "tooltip": hover(rows, adds_ms=MS, from_ms=MS, to_ms=MS),
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "dy": 0.5, "fontSize": 10},
                "encoding": {"x": {**x, "field": "to_ms"}, "text": field("adds_ms", format=f".{decimals}f")},
            },
        ],
    }
