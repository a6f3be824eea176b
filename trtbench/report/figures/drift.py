"""How times drift while an arm is timed, and what clock and power do meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from statistics import median

from trtbench.report.figures.figure import Figure, Json, field, hover, label, series, short
from trtbench.results import Measurement, TimedBlock
from trtbench.results.rows import Row

_MOST_ARMS = 4
_UNITS = {"time": "ms", "clock": "MHz", "power": "W"}


def drift(arms: Mapping[str, Measurement], blocks: Mapping[str, Sequence[TimedBlock]]) -> Figure | None:
    """None where no raw samples are there; ``blocks`` by the names of ``arms``."""
    found = {name: each for name, each in blocks.items() if len(each) > 1 and arms[name].facts}
    first = [_started_s(each[0]) for each in found.values()]
    shown = list(found.items())[:_MOST_ARMS]
    rows = [
        row
        for name, each in shown
        if (facts := arms[name].facts)
        for row in _rows(short(name), _quantities(each, facts.main_series), min(first))
    ]
    if not rows:
        return None
    return Figure(
        name="drift",
        title="Drift: time, clock and power, block by block",
        evidence=("measured",),
        reading=_reading(rows),
        alt="Lines over seconds: time of each block, clock and power, each in percent of its own median.",
        rows=rows,
        spec=_spec(rows),
    )


_Points = list[tuple[int, float, float]]
"""Number of the process, seconds since the epoch, and the median of a block."""


def _quantities(blocks: Sequence[TimedBlock], main: str) -> Iterable[tuple[str, _Points]]:
    """Pairs of a quantity and its values."""
    times: _Points = []
    clocks: _Points = []
    powers: _Points = []
    for block in blocks:
        at_s = _started_s(block)
        samples = next((each for series, each in block.samples.items() if series == main), ())
        times += [(block.process, at_s, median(samples))] if samples else []
        if block.telemetry is not None:
            clocks += (
                [(block.process, at_s, median(block.telemetry.sm_clock_mhz))]
                if block.telemetry.sm_clock_mhz
                else []
            )
            powers += (
                [(block.process, at_s, median(block.telemetry.power_w))] if block.telemetry.power_w else []
            )
    yield from (("time", times), ("clock", clocks), ("power", powers))


def _rows(name: str, quantities: Iterable[tuple[str, _Points]], first_s: float) -> Iterable[Row]:
    for quantity, points in quantities:
        middle = median(value for *_, value in points) if points else 0.0
        for process, at_s, value in points if middle > 0 else ():
            yield {
                "arm": name,
                "process": process,
                "quantity": quantity,
                "seconds": round(at_s - first_s, 3),
                "value": value,
                "unit": _UNITS[quantity],
                "percent_of_median": 100 * value / middle,
            }


def _started_s(block: TimedBlock) -> float:
    try:
        return datetime.fromisoformat(block.started_utc).timestamp()
    except ValueError:
        return 0.0


def _reading(rows: list[Row]) -> str:
    parts = []
    for quantity in _UNITS:
        values = [float(row["percent_of_median"] or 0) for row in rows if row["quantity"] == quantity]
        if values:
            parts.append(f"{quantity} {min(values):.1f} to {max(values):.1f} %")
    return f"In percent of the median of each arm: {', '.join(parts)}."


def _spec(rows: list[Row]) -> Json:
    told_apart = series("quantity", [str(row["quantity"]) for row in rows])
    x = field("seconds", "seconds since the first block", scale={"zero": False})
    y = field("percent_of_median", "percent of its median", scale={"zero": False, "padding": 10})
    return {
        "height": 280,
        "encoding": {
            "x": x,
            "y": y,
            "color": told_apart["color"],
            "detail": [label("arm"), label("process")],
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.6},
                "encoding": {"strokeDash": label("arm")},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
                "encoding": {
                    "shape": told_apart["shape"],
                    "tooltip": hover(rows, value=".5~g", percent_of_median=".1f", seconds=".1f"),
                },
            },
        ],
    }
