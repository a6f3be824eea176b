"""Where the time of traces goes: kernels by category, and what happens while none runs."""

from trtbench.report.figures.figure import Figure, Json, field, hover, label, series, short, wide_enough
from trtbench.results.rows import Row
from trtbench.results.trace import TraceReport

_MOST_TRACES = 12


def categories(report: TraceReport) -> Figure | None:
    """Time of kernels by category and format, in one inference where inferences were found."""
    traces = report.traces[:_MOST_TRACES]
    per = all(each.inference_ms is not None for trace in traces for each in trace.categories)
    rows: list[Row] = []
    for trace in traces:
        end_ms = 0.0
        for each in trace.categories:
            ms = each.inference_ms if per and each.inference_ms is not None else each.total_ms
            start_ms, end_ms = end_ms, end_ms + ms
            rows.append(
                {
                    "trace": short(trace.label),
                    "category": each.category,
                    "format": each.format,
                    "kernels": each.count,
                    "share": each.share,
                    "time_ms": ms,
                    "_from": start_ms,
                    "_to": end_ms,
                    "_middle": (start_ms + end_ms) / 2,
                }
            )
    if not rows:
        return None
    largest = max(rows, key=lambda row: float(row["share"] or 0))
    return Figure(
        name="categories",
        title=f"Kernel time by category, {'one inference' if per else 'the whole trace'}",
        evidence=("measured",),
        reading=f"{largest['category']} takes {largest['share']:.0%} of the time of {largest['trace']}.",
        alt="Stacked bars: time of kernels by category, one bar a trace.",
        rows=rows,
        spec=_stacked(rows, "category", "time_ms", "time of kernels, ms"),
    )


def idle(report: TraceReport) -> Figure | None:
    """What the GPU or the host does while no kernel runs, as shares of the window."""
    rows: list[Row] = []
    for trace in report.traces[:_MOST_TRACES]:
        if trace.timeline is None:
            continue
        parts = [("kernels run", trace.timeline.utilisation)]
        parts += [(each.cause, each.share) for each in trace.timeline.idle]
        end = 0.0
        for cause, share in parts:
            start, end = end, end + share
            middle = (start + end) / 2
            rows.append(
                {
                    "trace": short(trace.label),
                    "cause": cause,
                    "share": share,
                    "_from": start,
                    "_to": end,
                    "_middle": middle,
                }
            )
    if not rows:
        return None
    busy = ", ".join(f"{row['trace']} {row['share']:.0%}" for row in rows if row["cause"] == "kernels run")
    return Figure(
        name="idle",
        title="GPU against wall time",
        evidence=("measured",),
        reading=f"Share of the time in which a kernel runs: {busy}.",
        alt="Stacked bars: share of the window with a kernel running, and causes of the rest, by trace.",
        rows=rows,
        spec=_stacked(rows, "cause", "share", "share of the window"),
    )


def _stacked(rows: list[Row], column: str, value: str, title: str) -> Json:
    longest = max(float(row["_to"] or 0) for row in rows) or 1.0
    told_apart = series(column, [str(row[column]) for row in rows])
    is_share = value == "share"
    scale = {"domain": [0, longest], "nice": False}
    x = field("_from", title, axis={"format": "%"} if is_share else {}, scale=scale)
    formats = {"time_ms": ".4~g", "share": ".1%"}
    return {
        "height": 46 * len({row["trace"] for row in rows}),
        "encoding": {"y": label("trace", sort=None, axis={"labelLimit": 240, "title": None})},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "var(--page)", "strokeWidth": 1},
                "encoding": {
                    "x": x,
                    "x2": {"field": "_to"},
                    "color": told_apart["color"],
                    "tooltip": hover(rows, **formats),
                },
            },
            {
                "transform": [wide_enough("datum._to - datum._from", longest, column)],
                "mark": {"type": "text", "color": "var(--on-colour)", "fontSize": 11},
                "encoding": {"x": {**x, "field": "_middle"}, "text": label(column)},
            },
        ],
    }
