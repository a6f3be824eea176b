"""Time against fidelity: which recipes no other one beats in both."""

from collections.abc import Sequence
from dataclasses import dataclass

from trtbench.report.figures.figure import MS, Figure, Json, field, hover, label, short
from trtbench.report.figures.timed import timed_rows
from trtbench.results import Comparison, Tuning
from trtbench.results.rows import Row

_NEAR, _OFFSETS = (0.3, 0.08), (-20, 24, -34, 38, -48)
_LEAST, _MOST_NAMED = 2, 8


@dataclass(frozen=True)
class _Point:
    """One recipe: its time with interval in ms, SQNR in dB (None: no error at all), engine in bytes."""

    name: str
    evidence: str
    interval_ms: tuple[float, float]
    ms: float
    sqnr_db: float | None
    engine_bytes: int | None


def pareto(comparison: Comparison) -> Figure | None:
    """None where fewer than two rows have both a time and an error."""
    known = [each for each in timed_rows(comparison) if each.row.fidelity and each.row.batch]
    is_per_image = len({each.row.batch for each in known}) > 1
    points = []
    for each in known:
        images = (each.row.batch or 1) if is_per_image else 1
        interval = (each.low / images, each.high / images)
        sqnr = each.row.fidelity.sqnr_db if each.row.fidelity else None
        size = each.row.engine.size_bytes if each.row.engine else None
        points.append(_Point(each.name, each.evidence, interval, each.ms / images, sqnr, size))
    return _figure(points, "ms an image" if is_per_image else "ms")


def tuned_pareto(tuning: Tuning) -> Figure | None:
    """The confirmed recipes of a search, by their predicted times."""
    points = [
        _Point(
            short(str(row.recipe)),
            "predicted",
            row.prediction.interval_ms,
            row.prediction.gpu_compute_ms,
            row.fidelity.sqnr_db,
            row.engine_bytes,
        )
        for row in tuning.rows
        if row.prediction and row.fidelity
    ]
    return _figure(points, "ms")


def _figure(points: Sequence[_Point], unit: str) -> Figure | None:
    known = [point for point in points if point.sqnr_db is not None]
    exact = [point.name for point in points if point.sqnr_db is None]
    if len(known) < _LEAST:
        return None
    front, offsets = _front(known), _label_offsets(known)
    rows: list[Row] = [
        {
            "name": point.name,
            "evidence": point.evidence,
            "time_ms": point.ms,
            "low_ms": point.interval_ms[0],
            "high_ms": point.interval_ms[1],
            "sqnr_db": point.sqnr_db,
            "engine_mb": None if point.engine_bytes is None else point.engine_bytes / 1e6,
            "on_front": point.name in front,
            "_label_offset": offset,
        }
        for point, offset in zip(known, offsets, strict=True)
    ]
    left_out = f" Without any error, and so not drawn: {', '.join(exact)}." * bool(exact)
    return Figure(
        name="pareto",
        title="Time against fidelity",
        evidence=(*dict.fromkeys(point.evidence for point in known), "emulated"),
        reading=_reading(front) + left_out,
        alt=f"Points: time in {unit} against SQNR in dB, one a recipe, with intervals; size: the engine's.",
        rows=rows,
        spec=_spec(rows, unit),
    )


def _front(points: Sequence[_Point]) -> list[str]:
    """Names of the points that no other beats in one and equals or beats in the other, the fastest first."""

    def beats(one: _Point, other: _Point) -> bool:
        better = (other.ms - one.ms, (one.sqnr_db or 0.0) - (other.sqnr_db or 0.0))
        return min(better) >= 0 and max(better) > 0

    kept = [point for point in points if not any(beats(other, point) for other in points)]
    return [point.name for point in sorted(kept, key=lambda point: point.ms)]


def _label_offsets(points: Sequence[_Point]) -> list[int]:
    """Where labels stand from their points, in pixels: those of points that are close go apart."""
    places = [(point.ms, point.sqnr_db or 0.0) for point in points]
    wide = max(x for x, _ in places) - min(x for x, _ in places) or 1.0
    high = max(y for _, y in places) - min(y for _, y in places) or 1.0
    offsets: list[int] = []
    for x, y in places:
        near = {
            offset
            for offset, (other_x, other_y) in zip(offsets, places, strict=False)
            if abs(other_x - x) < _NEAR[0] * wide and abs(other_y - y) < _NEAR[1] * high
        }
        offsets.append(next((each for each in _OFFSETS if each not in near), _OFFSETS[0]))
    return offsets


def _reading(front: Sequence[str]) -> str:
    if len(front) == 1:
        return f"No other row is faster or closer to FP32 than {front[0]}."
    names = ", ".join(front[:_MOST_NAMED]) + " and others" * (len(front) > _MOST_NAMED)
    return f"From fast to close to FP32, no other row beats these in both: {names}."


def _spec(rows: list[Row], unit: str) -> Json:
    x = field("time_ms", f"time, {unit}", scale={"zero": False, "padding": 30})
    y = field("sqnr_db", "SQNR of the output, dB", scale={"zero": False, "padding": 25})
    has_sizes = any(row["engine_mb"] is not None for row in rows)
    size = field(
        "engine_mb", "engine, MB", scale={"range": [40, 500]}, legend={"symbolType": "circle", "tickCount": 3}
    )
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
                    "shape": {**shape, "legend": {"values": used} if len(used) > 1 else None},
                    "tooltip": hover(rows, **formats),
                    "size": size if has_sizes else {"value": 120},
                },
            },
            {
                "name": "halo",
                "mark": {"type": "text", "dy": {"expr": "datum._label_offset"}, "fontSize": 12},
                "encoding": {"x": x, "y": y, "text": label("name")},
            },
        ],
    }
