"""Time against fidelity: which recipes no other one beats in both."""

from collections.abc import Sequence

from trtbench.report.figures.figure import MS, Figure, Json, field, hover, label
from trtbench.report.figures.timed import Timed, kinds_of, timed_rows
from trtbench.results import Comparison
from trtbench.results.rows import Row

_NEAR, _OFFSETS = (0.3, 0.08), (-20, 24, -34, 38, -48)


def pareto(comparison: Comparison) -> Figure | None:
    """None where fewer than two rows have both a time and an error."""
    known = [each for each in timed_rows(comparison) if _fidelity(each) is not None]
    batches = {each.row.batch for each in known}
    if len(known) < 2 or None in batches:
        return None
    per_image = len(batches) > 1
    rows = [_row(each, per_image) for each in known]
    front = _front(rows)
    offsets = _label_offsets(rows)
    for row in rows:
        row["on_front"] = row["name"] in front
        row["_label_offset"] = offsets[str(row["name"])]
    exact = [each.name for each in timed_rows(comparison) if each.row.fidelity and each not in known]
    unit = "ms an image" if per_image else "ms"
    return Figure(
        name="pareto",
        title="Time against fidelity",
        evidence=(*kinds_of(known), "emulated"),
        reading=_reading(front) + f" Without any error, and so not drawn: {', '.join(exact)}." * bool(exact),
        alt=f"Points: time in {unit} against SQNR in dB, one a recipe, with intervals; size: the engine's.",
        rows=rows,
        spec=_spec(rows, unit),
    )


def _fidelity(each: Timed) -> float | None:
    return each.row.fidelity.sqnr_db if each.row.fidelity else None


def _row(each: Timed, per_image: bool) -> Row:
    images = (each.row.batch or 1) if per_image else 1
    engine = each.row.engine
    return {
        "name": each.name,
        "evidence": each.evidence,
        "time_ms": each.ms / images,
        "low_ms": each.low / images,
        "high_ms": each.high / images,
        "sqnr_db": _fidelity(each),
        "engine_mb": engine.size_bytes / 1e6 if engine else None,
    }


def _front(rows: Sequence[Row]) -> list[str]:
    """Names of the rows that no other is at least as good as in both, the fastest first."""

    def beats(one: Row, other: Row) -> bool:
        pair = [(other["time_ms"], one["time_ms"]), (one["sqnr_db"], other["sqnr_db"])]
        better = [float(a or 0) - float(b or 0) for a, b in pair]
        return min(better) >= 0 and max(better) > 0

    kept = [row for row in rows if not any(beats(other, row) for other in rows)]
    return [str(row["name"]) for row in sorted(kept, key=lambda row: float(row["time_ms"] or 0))]


def _label_offsets(rows: Sequence[Row]) -> dict[str, int]:
    """Where labels stand from their points, in pixels: those of points that are close go apart."""
    places = [(str(row["name"]), float(row["time_ms"] or 0), float(row["sqnr_db"] or 0)) for row in rows]
    wide = max(x for _, x, _ in places) - min(x for _, x, _ in places) or 1.0
    high = max(y for _, _, y in places) - min(y for _, _, y in places) or 1.0
    offsets: dict[str, int] = {}
    for index, (name, x, y) in enumerate(places):
        near = {
            offsets[other]
            for other, other_x, other_y in places[:index]
            if abs(other_x - x) < _NEAR[0] * wide and abs(other_y - y) < _NEAR[1] * high
        }
        offsets[name] = next((each for each in _OFFSETS if each not in near), _OFFSETS[0])
    return offsets


def _reading(front: Sequence[str]) -> str:
    if len(front) == 1:
        return f"No other row is faster or closer to FP32 than {front[0]}."
    return f"From fast to close to FP32, each of these is better in one than all others: {', '.join(front)}."


def _spec(rows: list[Row], unit: str) -> Json:
    x = field("time_ms", f"time, {unit}", scale={"zero": False, "padding": 30}, axis={"tickCount": 8})
    y = field("sqnr_db", "SQNR of the output, dB", scale={"zero": False, "padding": 25})
    has_sizes = any(row["engine_mb"] is not None for row in rows)
    size = field("engine_mb", "engine, MB", scale={"range": [60, 900]}, legend={"symbolType": "circle"})
    used = sorted({str(row["evidence"]) for row in rows})
    shape = label("evidence", scale={"domain": ["measured", "predicted"], "range": ["circle", "diamond"]})
    formats = {"time_ms": MS, "low_ms": MS, "high_ms": MS, "sqnr_db": ".1f", "engine_mb": ".1f"}
    return {
        "height": 340,
        "layer": [
            {
                "transform": [{"filter": "datum.on_front"}],
                "mark": {"type": "line", "color": "var(--muted)", "strokeDash": [4, 4]},
                "encoding": {"x": x, "y": y, "order": {"field": "time_ms"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "color": "var(--muted)"},
                "encoding": {"x": {**x, "field": "low_ms"}, "x2": {"field": "high_ms"}, "y": y},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 0.85, "color": "var(--accent)"},
                "encoding": {
                    "x": x,
                    "y": y,
                    "shape": {**shape, "legend": {"values": used}},
                    "tooltip": hover(rows, **formats),
                    **({"size": size} if has_sizes else {"size": {"value": 120}}),
                },
            },
            {
                "mark": {
                    "type": "text",
                    "dy": {"expr": "datum._label_offset"},
                    "color": "var(--text)",
                    "fontSize": 12,
                },
                "encoding": {"x": x, "y": y, "text": label("name")},
            },
        ],
    }
