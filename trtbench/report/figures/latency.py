"""How long queries took, not only in the middle: the share of queries that took at most so long."""

from collections.abc import Iterable, Mapping, Sequence

from trtbench.report.figures.figure import MS, SHARE, Figure, Json, field, hover, series, short
from trtbench.results import Measurement, TimedBlock
from trtbench.results.rows import Row

_MOST_LINES = 12
_QUANTILES = tuple(index / 100 for index in range(101))


def latency(arms: Mapping[str, Measurement], blocks: Mapping[str, Sequence[TimedBlock]]) -> Figure | None:
    """None where nothing was timed.

    Args:
        arms: by name.
        blocks: raw samples by the same names; of an arm without any, five points of the summary are drawn.
    """
    timed = dict([(name, each) for name, each in arms.items() if each.median_ms][:_MOST_LINES])
    rows = [row for name, each in timed.items() for row in _points(short(name), each, blocks.get(name, ()))]
    if not rows:
        return None
    return Figure(
        name="latency",
        title="Latency distributions",
        evidence=("measured",),
        reading=_reading(timed),
        alt="Lines: share of queries that took at most so many ms; a bar at one half: 95 % of the median.",
        rows=rows,
        spec=_spec(rows),
    )


def _points(name: str, each: Measurement, blocks: Sequence[TimedBlock]) -> Iterable[Row]:
    main = each.main
    if main is None or each.facts is None:
        return
    samples = sorted(ms for block in blocks for ms in block.samples.get(each.facts.main_series, ()))
    if samples:
        points = [(share, samples[round(share * (len(samples) - 1))]) for share in _QUANTILES]
    else:
        points = [
            (0.0, main.minimum),
            (0.5, main.median),
            (0.9, main.p90),
            (0.99, main.p99),
            (1.0, main.maximum),
        ]
    for share, ms in points:
        is_median = share == 0.5
        low, high = main.ci95 if is_median else (None, None)
        yield {"arm": name, "share": share, "time_ms": ms, "median_low_ms": low, "median_high_ms": high}


def _reading(timed: Mapping[str, Measurement]) -> str:
    parts = [
        f"{short(name)} {main.median:.4g} ms, 99 % of its queries within {main.p99:.4g} ms"
        for name, each in timed.items()
        if (main := each.main)
    ]
    return f"Medians: {'; '.join(parts[:6])}{'; and others' * (len(parts) > 6)}."


def _spec(rows: list[Row]) -> Json:
    told_apart = series("arm", [str(row["arm"]) for row in rows])
    x = field("time_ms", "time of a query, ms", scale={"zero": False, "padding": 12})
    y = field("share", "share of queries", axis={"format": "%"})
    return {
        "height": 300,
        "encoding": {"color": told_apart["color"], "y": y},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "order": {"field": "share"}}},
            {
                "transform": [{"filter": "isValid(datum.median_low_ms)"}],
                "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.5},
                "encoding": {"x": {**x, "field": "median_low_ms"}, "x2": {"field": "median_high_ms"}},
            },
            {
                "transform": [{"filter": "datum.share == 0.5 || datum.share == 0.99"}],
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "x": x,
                    "shape": told_apart["shape"],
                    "tooltip": hover(rows, share=SHARE, time_ms=MS, median_low_ms=MS, median_high_ms=MS),
                },
            },
        ],
    }
