"""Rates over batches: what a larger batch is worth."""

from collections.abc import Iterable

from trtbench.report.figures.figure import Figure, Json, field, hover, series, short
from trtbench.report.figures.timed import Timed, times_of
from trtbench.results import Comparison, Explanation
from trtbench.results.comparison import row_name, varying
from trtbench.results.rows import Row

_RATE = ",.0f"
_MOST_LINES = 12


def batches(comparison: Comparison) -> Figure | None:
    """None where fewer than two batches have times."""
    fields = varying(comparison.rows) - {"batch"}
    known = [each for row in comparison.rows if row.batch for each in times_of(row)]
    if len({each.row.batch for each in known}) < 2:
        return None
    lines = list(dict.fromkeys(_line(each, fields) for each in known))[:_MOST_LINES]
    rows = [
        row for each in known if _line(each, fields) in lines and (row := _row(each, _line(each, fields)))
    ]
    return _figure(rows, tuple(dict.fromkeys(each.evidence for each in known)))


def explained_batches(explanation: Explanation) -> Figure | None:
    """The recipe and FP16: the same kernels, their rows scaled."""
    names = dict.fromkeys((str(explanation.waterfall.recipe), str(explanation.fp16.recipe)))
    rows: list[Row] = [
        {
            "line": f"{name}, predicted",
            "batch": each.batch,
            "images_per_s": rate,
            "low_per_s": rate,
            "high_per_s": rate,
        }
        for each in explanation.batches
        for name, rate in zip(names, (each.images_per_s, each.fp16_images_per_s), strict=False)
    ]
    return _figure(rows, ("predicted",)) if rows else None


def _line(each: Timed, fields: Iterable[str]) -> str:
    return f"{short(row_name(each.row, fields))}, {each.evidence}"


def _row(each: Timed, line: str) -> Row:
    images = 1e3 * (each.row.batch or 0)
    return {
        "line": line,
        "batch": each.row.batch,
        "images_per_s": images / each.ms,
        "low_per_s": images / each.high,
        "high_per_s": images / each.low,
    }


def _figure(rows: list[Row], evidence: tuple[str, ...]) -> Figure:
    best = max(rows, key=lambda row: float(row["images_per_s"] or 0))
    return Figure(
        name="batches",
        title="Images a second over the batch",
        evidence=evidence,
        reading=f"Highest: {best['images_per_s']:,.0f} images/s, {best['line']}, batch {best['batch']}.",
        alt="Lines: images a second over the batch, one a recipe, with bands for the intervals.",
        rows=rows,
        spec=_spec(rows),
    )


def _spec(rows: list[Row]) -> Json:
    told_apart = series("line", [str(row["line"]) for row in rows])
    sizes = sorted({int(row["batch"] or 0) for row in rows})
    x = {
        "field": "batch",
        "type": "quantitative",
        "scale": {"type": "log", "base": 2},
        "axis": {"values": sizes, "format": "d"},
    }
    y = field("images_per_s", "images a second", axis={"format": "~s"})
    band = {"y": {**y, "field": "low_per_s"}, "y2": {"field": "high_per_s"}}
    return {
        "height": 320,
        "encoding": {"x": x, "color": told_apart["color"]},
        "layer": [
            {"mark": {"type": "area", "opacity": 0.18}, "encoding": band},
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": y}},
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "y": y,
                    "shape": told_apart["shape"],
                    "tooltip": hover(rows, images_per_s=_RATE, low_per_s=_RATE, high_per_s=_RATE),
                },
            },
        ],
    }
