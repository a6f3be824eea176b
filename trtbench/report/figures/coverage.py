"""What each recipe asked for, what its ONNX file holds, and what the compiler made of it."""

from collections.abc import Iterable, Mapping

from trtbench.report.figures.figure import (
    SHARE,
    Figure,
    Json,
    field,
    hover,
    label,
    precision_colour,
    precision_scale,
    short,
)
from trtbench.results import Comparison, ComparisonRow, RoleCoverage
from trtbench.results.rows import Row

_STAGES = ("asked", "ONNX", "compiled")
_GROUP = 76
"""Height of the three bars of a recipe, with the space to the next, in pixels."""
_BOTH, _ONE = 110, 42
"""Pixels from which a bar has room for its stage and its precision, and for its precision."""
_MOST_RECIPES = 12


def coverage(comparison: Comparison) -> Figure | None:
    """None where nothing was compiled."""
    compiled = [row for row in comparison.rows if row.compiled][:_MOST_RECIPES]
    rows = [each for row in compiled for each in _bars(row)]
    if not rows:
        return None
    return Figure(
        name="coverage",
        title="Precision of the matrix products: asked, in the ONNX file, compiled",
        evidence=("compiled",),
        reading=_reading(compiled),
        alt="Stacked bars: share of FLOPs by precision, three bars a recipe: asked, ONNX and compiled.",
        rows=rows,
        spec=_spec(rows),
    )


def _bars(row: ComparisonRow) -> Iterable[Row]:
    roles = list(row.compiled.by_role.values()) if row.compiled else []
    for stage in _STAGES:
        shares = _shares(roles, stage)
        end = 0.0
        for precision, share in sorted(shares.items(), key=lambda item: -item[1]):
            start, end = end, end + share
            yield {
                "recipe": short(row.key, 40),
                "stage": stage,
                "precision": precision,
                "share": share,
                "_from": start,
                "_to": end,
                "_colour": precision_colour(precision),
            }


def _shares(roles: Iterable[RoleCoverage], stage: str) -> dict[str, float]:
    """Share of the FLOPs of all roles by precision."""
    flops: dict[str, float] = {}
    for role in roles:
        for precision, share in _of_role(role, stage).items():
            flops[precision] = flops.get(precision, 0.0) + share * role.flops
    total = sum(flops.values())
    return {precision: each / total for precision, each in flops.items()} if total else {}


def _of_role(role: RoleCoverage, stage: str) -> Mapping[str, float]:
    if stage == "asked":
        return {role.asked or "fp16": 1.0}
    return role.onnx if stage == "ONNX" else role.compiled or {}


def _reading(rows: Iterable[ComparisonRow]) -> str:
    lost = {}
    for row in rows:
        roles = list(row.compiled.by_role.values()) if row.compiled else []
        asked, ran = _shares(roles, "asked"), _shares(roles, "compiled")
        missing = sum(max(0.0, share - ran.get(precision, 0.0)) for precision, share in asked.items())
        if missing >= 0.005:
            lost[short(row.key)] = missing
    if not lost:
        return "Every product was compiled in the precision that its recipe asked for."
    parts = ", ".join(f"{name} ({share:.1%} of the FLOPs)" for name, share in lost.items())
    return f"Compiled in another precision than asked: {parts}."


def _spec(rows: list[Row]) -> Json:
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    y = label("recipe", sort=None, axis={"labelLimit": 260, "title": None}, scale={"paddingInner": 0.22})
    offset = label("stage", sort=list(_STAGES))
    x = field("_from", "share of the FLOPs", axis={"format": "%"}, scale={"domain": [0, 1]})
    colour = label("_colour", "precision", scale=precision_scale(str(row["_colour"]) for row in rows))
    text = {"type": "text", "color": "var(--on-colour)", "fontSize": 11, "dy": 0.5}
    return {
        "height": _GROUP * len(recipes),
        "encoding": {"y": y, "yOffset": offset},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "var(--page)", "strokeWidth": 1},
                "encoding": {
                    "x": x,
                    "x2": {"field": "_to"},
                    "color": colour,
                    "tooltip": hover(rows, share=SHARE),
                },
            },
            {
                "transform": [{"filter": f"datum.share * width > (datum._from == 0 ? {_BOTH} : {_ONE})"}],
                "mark": {**text, "align": "right", "dx": -7},
                "encoding": {"x": {**x, "field": "_to"}, "text": label("precision")},
            },
            {
                "transform": [{"filter": "datum._from == 0"}],
                "mark": {**text, "align": "left", "dx": 7},
                "encoding": {"x": x, "text": label("stage")},
            },
        ],
    }
