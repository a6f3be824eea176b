"""The time of each row with its interval, measured and predicted side by side."""

from trtbench.report.figures.figure import MS, SERIES, Figure, Json, field, hover, label
from trtbench.report.figures.timed import Timed, kinds_of, times_of
from trtbench.results import Comparison
from trtbench.results.rows import Row

_MOST_ROWS = 40


def times(comparison: Comparison) -> Figure | None:
    """None where fewer than two rows have a time."""
    known = [each for row in comparison.rows for each in times_of(row)][:_MOST_ROWS]
    if len({each.name for each in known}) < 2:
        return None
    rows: list[Row] = [
        {
            "name": each.name,
            "evidence": each.evidence,
            "time_ms": each.ms,
            "low_ms": each.low,
            "high_ms": each.high,
        }
        for each in known
    ]
    return Figure(
        name="times",
        title="Time of a query, with its interval",
        evidence=kinds_of(known),
        reading=_reading(known),
        alt="Points with intervals: time in ms of each row; shape and colour: measured or predicted.",
        rows=rows,
        spec=_spec(rows),
    )


def _reading(known: list[Timed]) -> str:
    parts = []
    for kind in kinds_of(known):
        of_kind = [each for each in known if each.evidence == kind]
        best = min(of_kind, key=lambda each: each.ms)
        meaning = "95 % of its median" if kind == "measured" else "what the prediction covers"
        parts.append(f"the shortest {kind} time is {best.ms:.3g} ms, of {best.name} (interval: {meaning})")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _spec(rows: list[Row]) -> Json:
    kinds = ["measured", "predicted"]
    used = [kind for kind in kinds if any(row["evidence"] == kind for row in rows)]
    y = label("name", sort=None, axis={"labelLimit": 300, "title": None})
    x = field("time_ms", "time, ms", scale={"zero": False, "padding": 20})
    offset = label("evidence", sort=used)
    colour = label(
        "evidence", scale={"domain": kinds, "range": [SERIES[2], SERIES[1]]}, legend={"values": used}
    )
    shape = label(
        "evidence", scale={"domain": kinds, "range": ["circle", "diamond"]}, legend={"values": used}
    )
    return {
        "height": 14 + 22 * len({row["name"] for row in rows}),
        "encoding": {"y": y, **({"yOffset": offset} if len(used) > 1 else {})},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": {**x, "field": "low_ms"}, "x2": {"field": "high_ms"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "x": x,
                    "color": colour,
                    "shape": shape,
                    "tooltip": hover(rows, time_ms=MS, low_ms=MS, high_ms=MS),
                },
            },
        ],
    }
