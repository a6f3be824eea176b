"""What the factors of a sweep do to a response: shares, means by level, lines over width, and all cells."""

from collections.abc import Iterable, Sequence
from math import log10

from trtbench.report.figures.figure import SERIES, Figure, Json, field, hover, label, series, slug
from trtbench.results import Analysis, Sweep, SweepRow
from trtbench.results.rows import Row
from trtbench.specs import SweepCell

_LEAST_SHARE = 0.005
_RESPONSES = {
    "gpu_compute_median_ms": "GPU time in ms",
    "gpu_compute_ms": "GPU time in ms",
    "tflop_per_s": "TFLOP/s",
    "sqnr_db": "SQNR in dB",
    "compiled_other_bytes": "bytes that other kernels than GEMMs move",
}
_MOST_LINES, _MOST_BANDS = 8, 60
_LARGE = 1e5
"""From here on, numbers are written with prefixes."""
_PALE, _DEEP = "#dcebf8", "#0a4a80"
_ON_PALE, _ON_DEEP = "#10181f", "#ffffff"
_DARK_FROM = 0.62
"""Share of the scale from which a field is dark."""


def shares(analysis: Analysis) -> Figure:
    """A bar for each factor or pair that explains something."""
    rows: list[Row] = [
        {"factors": " x ".join(each.factors), "share": each.share}
        for each in analysis.shares
        if each.share >= _LEAST_SHARE
    ]
    rows.append({"factors": "unexplained", "share": analysis.unexplained})
    first = rows[0]
    x = field("share", "share of variance", axis={"format": "%"})
    y = label("factors", sort=None, axis={"labelLimit": 240, "title": None})
    return Figure(
        name=f"shares-{slug(analysis.response)}",
        title=f"{_titled(analysis)}: what explains its variance",
        evidence=evidence_of(analysis),
        reading=f"Of the variance of {_scaled(analysis)}, {first['factors']} explains {first['share']:.0%}.",
        alt="Bars: share of the variance by factor and pair of factors.",
        rows=rows,
        spec={
            "height": 24 * len(rows),
            "encoding": {"y": y, "x": x},
            "layer": [
                {
                    "mark": {"type": "bar", "color": SERIES[0]},
                    "encoding": {"tooltip": hover(rows, share=".1%")},
                },
                {
                    "mark": {"type": "text", "align": "left", "dx": 4},
                    "encoding": {"text": field("share", format=".1%")},
                },
            ],
        },
    )


def effects(analysis: Analysis) -> Figure | None:
    """The mean of the response by value of each factor; None without any."""
    rows: list[Row] = [
        {"factor": factor, "level": f"{factor} {level}", "mean": mean}
        for factor, means in analysis.effects.items()
        if len(means) > 1
        for level, mean in means.items()
    ]
    if not rows:
        return None
    scale, axis = _scale(analysis, rows), {"format": _short_number(rows, "mean")}
    told_apart = series("factor", [str(row["factor"]) for row in rows])
    return Figure(
        name=f"effects-{slug(analysis.response)}",
        title=f"{_titled(analysis)}: mean by level of each factor",
        evidence=evidence_of(analysis),
        reading=f"Means of {response_name(analysis)} as if no combination of the factors were missing.",
        alt="Points: mean of the response at each level of each factor.",
        rows=rows,
        spec={
            "height": 20 * len(rows),
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {
                "y": label("level", sort=None, axis={"labelLimit": 240, "title": None}),
                "x": field("mean", response_name(analysis), scale=scale, axis=axis),
                **told_apart,
                "tooltip": hover(rows, mean=".4~g"),
            },
        },
    )


def sizes(sweep: Sweep, analysis: Analysis) -> Figure | None:
    """The response over the width of models, a line for each patch and recipe, at the mean over the rest."""
    rows = list(_lines(sweep.rows, analysis))
    if not rows:
        return None
    told_apart = series("line", [str(row["line"]) for row in rows])
    scale, axis = _scale(analysis, rows), {"format": _short_number(rows, "mean")}
    return Figure(
        name=f"sizes-{slug(analysis.response)}",
        title=f"{_titled(analysis)} by width, patch and recipe",
        evidence=evidence_of(analysis),
        reading="Each point is a mean over the other factors.",
        alt="Lines: the response over the width of models, one line for each patch and recipe.",
        rows=rows,
        spec={
            "height": 300,
            "encoding": {
                "x": {"field": "width", "type": "ordinal", "axis": {"labelAngle": 0}},
                "y": field("mean", response_name(analysis), scale=scale, axis=axis),
                "color": told_apart["color"],
            },
            "layer": [
                {"mark": {"type": "line", "strokeWidth": 2}},
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                    "encoding": {"shape": told_apart["shape"], "tooltip": hover(rows, mean=".4~g")},
                },
            ],
        },
    )


def heat_map(sweep: Sweep, analysis: Analysis) -> Figure | None:
    """One field a cell: width across, all other factors down; None where no cell has the response."""
    known = [row for row in sweep.rows if isinstance(row.values.get(analysis.response), int | float)]
    if not known:
        return None
    names, shared = _bands(known)
    bands = list(dict.fromkeys(names))[:_MOST_BANDS]
    found = [
        ((name, row.cell.width), float(value))
        for name, row in zip(names, known, strict=True)
        if isinstance(value := row.values[analysis.response], int | float) and name in bands
    ]
    rows: list[Row] = [{"others": name, "width": width, "value": value} for (name, width), value in found]
    is_log = _is_log(analysis, rows, "value")
    low, high = min(value for _, value in found), max(value for _, value in found)
    for row, (_, value) in zip(rows, found, strict=True):
        row["_is_deep"] = _place(value, low, high, is_log) > _DARK_FROM
    return Figure(
        name=f"heat-{slug(analysis.response)}",
        title=f"{_titled(analysis)} of each cell",
        evidence=evidence_of(analysis),
        reading=f"From {low:.3g} to {high:.3g} over {len(rows)} cells; darker is more."
        + f" All: {', '.join(shared)}." * bool(shared),
        alt="A heat map: the response by width across, and by patch, depth, recipe and shape down.",
        rows=rows,
        spec=_heat(rows, bands, "log" if is_log else "linear"),
    )


def _heat(rows: list[Row], bands: list[str], scale: str) -> Json:
    colour = field("value", scale={"type": scale, "range": [_PALE, _DEEP]}, legend=None)
    return {
        "height": 24 * len(bands),
        "encoding": {
            "x": {"field": "width", "type": "ordinal", "axis": {"labelAngle": 0, "orient": "top"}},
            "y": label("others", sort=None, axis={"labelLimit": 300, "title": None}),
        },
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "var(--page)", "strokeWidth": 2},
                "encoding": {"color": colour, "tooltip": hover(rows, value=".4~g")},
            },
            {
                "mark": {"type": "text"},
                "encoding": {
                    "text": field("value", format=_short_number(rows, "value")),
                    "color": {"condition": {"test": "datum._is_deep", "value": _ON_DEEP}, "value": _ON_PALE},
                },
            },
        ],
    }


def evidence_of(analysis: Analysis) -> tuple[str, ...]:
    """The kind that the name of the response begins with."""
    kind = analysis.response.partition("_")[0]
    return ("measured" if kind == "trace" else kind,)


def _bands(rows: Sequence[SweepRow]) -> tuple[list[str], list[str]]:
    """The factors of each row but for its width, by name, and those that all rows share."""
    parts = [_parts(row.cell) for row in rows]
    shared = [each[0] for each in zip(*parts, strict=True) if len({*each}) == 1 and each[0]]
    names = [", ".join(part for part in each if part and part not in shared) for each in parts]
    return [name or "all" for name in names], shared


def _parts(cell: SweepCell) -> tuple[str, ...]:
    return (
        f"patch {cell.patch}",
        f"depth {cell.depth}",
        f"{cell.heads} heads" if cell.heads else "",
        f"{cell.image} px",
        f"batch {cell.batch}",
        str(cell.recipe),
        f"on {cell.runtime}" if cell.runtime else "",
        f"for {cell.gpu}" if cell.gpu else "",
    )


def _short_number(rows: list[Row], column: str) -> str:
    """A format with prefixes, such as 2.1G, where numbers are large."""
    return ".3~s" if max(float(row[column] or 0) for row in rows) >= _LARGE else ".3~g"


def _lines(rows: Iterable[SweepRow], analysis: Analysis) -> Iterable[Row]:
    found: dict[str, dict[int, list[float]]] = {}
    is_log = analysis.scale == "log"
    for row in rows:
        value = row.values.get(analysis.response)
        if isinstance(value, int | float) and (value > 0 or not is_log):
            line = found.setdefault(f"patch {row.cell.patch}, {row.cell.recipe}", {})
            line.setdefault(row.cell.width, []).append(log10(value) if is_log else value)
    for name, line in list(found.items())[:_MOST_LINES]:
        for width in sorted(line):
            mean = sum(line[width]) / len(line[width])
            yield {"line": name, "width": width, "mean": 10**mean if is_log else mean}


def _scale(analysis: Analysis, rows: list[Row]) -> Json:
    if _is_log(analysis, rows, "mean"):
        return {"type": "log", "nice": False, "padding": 20}
    return {"zero": False, "padding": 20}


def _is_log(analysis: Analysis, rows: list[Row], column: str) -> bool:
    return analysis.scale == "log" and all(float(row[column] or 0) > 0 for row in rows)


def _place(value: float, low: float, high: float, is_log: bool) -> float:
    """Where a value lies between the ends, from 0 to 1."""
    low, high, at = (log10(each) if is_log else each for each in (low, high, value))
    return (at - low) / (high - low) if high > low else 0.0


def response_name(analysis: Analysis) -> str:
    """What the response is called: ``predicted GPU time in ms``."""
    name = analysis.response
    for column, words in _RESPONSES.items():
        name = name.replace(column, words)
    return name.replace("_", " ")


def _titled(analysis: Analysis) -> str:
    name = response_name(analysis)
    return f"{name[:1].upper()}{name[1:]}"


def _scaled(analysis: Analysis) -> str:
    name = response_name(analysis)
    return f"the logarithm of {name}" if analysis.scale == "log" else name
