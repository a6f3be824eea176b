"""Recipes over environments: what another version of the compiler or the runtime changes."""

from collections.abc import Mapping

from trtbench.report.figures.figure import Figure, Json, hover, label, short
from trtbench.report.figures.timed import times_of
from trtbench.results import Comparison, ComparisonRow
from trtbench.results.comparison import row_name, varying
from trtbench.results.rows import Row

_COLOURS = {
    "first": "var(--other)",
    "as before": "var(--fp8)",
    "faster": "var(--fp4)",
    "slower": "var(--fp16)",
    "fewer kernels": "var(--mxfp8)",
    "more kernels": "var(--int8)",
    "failed": "var(--bad)",
}
_SAME = 0.01


def versions(comparison: Comparison) -> Figure | None:
    """None where all rows have one environment."""
    if len({row.environment for row in comparison.rows}) < 2:
        return None
    fields = varying(comparison.rows) - {"environment"}
    firsts: dict[str, ComparisonRow] = {}
    rows = []
    for row in comparison.rows:
        subject = short(row_name(row, fields), 40)
        rows.append(_row(row, subject, firsts.get(subject)))
        if row.status == "ok":
            firsts.setdefault(subject, row)
    kinds = {kind for row in comparison.rows for each in times_of(row) for kind in [each.evidence]}
    return Figure(
        name="versions",
        title="Recipes over versions and environments",
        evidence=tuple(
            kind for kind in ("compiled", "measured", "predicted") if kind in {*kinds, "compiled"}
        ),
        reading=_reading(rows),
        alt="A matrix: recipes by environments, with time and kernels, and what changed from the first.",
        rows=rows,
        spec=_spec(rows),
    )


def _row(row: ComparisonRow, subject: str, first: ComparisonRow | None) -> Row:
    return {
        "subject": subject,
        "environment": short(row.environment, 60),
        "compiler": short(f"{row.engine.backend} {row.engine.backend_version}") if row.engine else None,
        "found": _found(row),
        "kernels": _kernels(row),
        "change": _change(row, first),
        "reason": short(row.reason, 200) if row.reason else None,
    }


def _change(row: ComparisonRow, first: ComparisonRow | None) -> str:
    if row.status == "failed":
        return "failed"
    if first is None:
        return "first"
    one, other = ({each.evidence: each.ms for each in times_of(of)} for of in (first, row))
    for kind in ("measured", "predicted"):
        if kind in one and kind in other:
            ratio = one[kind] / other[kind]
            return "faster" if ratio > 1 + _SAME else "slower" if ratio < 1 - _SAME else "as before"
    one_kernels, other_kernels = _kernels(first), _kernels(row)
    if one_kernels == other_kernels or None in (one_kernels, other_kernels):
        return "as before"
    return "fewer kernels" if (other_kernels or 0) < (one_kernels or 0) else "more kernels"


def _found(row: ComparisonRow) -> str:
    if row.status == "failed":
        return "failed"
    times, kernels = times_of(row), _kernels(row)
    parts = [f"{times[0].ms:.3g} ms" if times else "", f"{kernels} kernels" if kernels else ""]
    return ", ".join(filter(None, parts)) or "ok"


def _kernels(row: ComparisonRow) -> int | None:
    return row.compiled.kernels if row.compiled else None


def _reading(rows: list[Row]) -> str:
    counts = {word: sum(row["change"] == word for row in rows) for word in _COLOURS}
    words: Mapping[str, str] = {
        "faster": "faster than in the first environment",
        "slower": "slower",
        "fewer kernels": "compiled to fewer kernels",
        "more kernels": "compiled to more kernels",
        "failed": "failed",
    }
    parts = [f"{counts[change]} {text}" for change, text in words.items() if counts[change]]
    return (
        f"Of {len(rows)} cells: {', '.join(parts)}." if parts else "No environment changes time or kernels."
    )


def _spec(rows: list[Row]) -> Json:
    used = [word for word in _COLOURS if any(row["change"] == word for row in rows)]
    room = {"expr": f"width / {len({row['environment'] for row in rows})} - 6"}
    x = label(
        "environment", sort=None, axis={"labelAngle": 0, "labelLimit": room, "title": None, "orient": "top"}
    )
    y = label("subject", sort=None, axis={"labelLimit": 260, "title": None})
    colour = label("change", scale={"domain": used, "range": [_COLOURS[word] for word in used]})
    return {
        "height": 34 * len({row["subject"] for row in rows}),
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "var(--page)", "strokeWidth": 3},
                "encoding": {"color": colour, "tooltip": hover(rows)},
            },
            {"mark": {"type": "text", "color": "var(--on-colour)"}, "encoding": {"text": label("found")}},
        ],
    }
