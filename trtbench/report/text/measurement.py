"""Measurements as text for people. Every text names the GPU, or says that none computed it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.findings import render_findings
from trtbench.report.text.tables import table_of
from trtbench.results import (
    AaReport,
    LayerTime,
    Measurement,
    Statistic,
    TelemetrySummary,
)
from trtbench.runtimes import runtime_entry
from trtbench.units import format_bytes, format_count, format_seconds

_SLOWEST_LAYERS = 3
_PLACES = {
    "cuda": "on a GPU that NVML cannot name",
    "cpu": "on a CPU",
    "script": "by no clock: times are scripted",
}


def render_measurement(measurement: Measurement, raw_files: Iterable[Path], console: Console) -> None:
    """Print one arm: its series, its rate, the state of the GPU, and the findings."""
    head = f", batch {measurement.batch}" if measurement.batch else ""
    console.print(
        Text.assemble(
            (measurement.arm.label, "bold"), f"{head}: {evidence([(measurement.arm.label, measurement)])}"
        ),
        soft_wrap=True,
    )
    if measurement.series:
        console.print(_series_table(measurement, console))
    for line in _facts(measurement):
        console.print(Text(line), soft_wrap=True)
    render_raw_files(raw_files, console)
    render_failure(measurement.arm.label, measurement.reason, console)
    render_findings([("", finding) for finding in measurement.findings], console)


def render_aa(report: AaReport, raw_files: Iterable[Path], console: Console) -> None:
    """Print how often the verdict on an arm against itself was wrong."""
    where = f"on {report.gpu}" if report.gpu else _without_gpu(report.arm.runtime)
    processes = report.protocol.processes
    groups = f"{format_count(processes, 'process')} with {format_count(processes, 'other')}"
    head = (
        f" against itself in {report.arm.runtime}: {format_count(report.comparisons, 'comparison')} of "
        f"{groups}, out of {report.pool}, measured {where} ({report.series})"
    )
    console.print(Text.assemble((report.arm.label, "bold"), head), soft_wrap=True)
    counts = ", ".join(f"{word} {count}" for word, count in sorted(report.verdicts.items()))
    console.print(f"verdicts: {counts}")
    console.print(f"false alarms (FASTER or SLOWER): {report.false_alarm_share:.1%}")
    console.print(f"95 % intervals that hold 1: {report.coverage:.1%}")
    console.print(f"median half width of the intervals: {report.half_width:.2%}")
    for note in report.facts.notes if report.facts else ():
        console.print(Text(f"note: {note}"), soft_wrap=True)
    for path in raw_files:
        console.print(
            Text(f"every comparison, with its blocks in the same folder: {path}", style="dim"), soft_wrap=True
        )
    render_findings([("", finding) for finding in report.findings], console)


def evidence(named: Sequence[tuple[str, Measurement]]) -> str:
    """Name what computed the times of arms that are called by these names, and the series they are of."""
    timed = [(name, each) for name, each in named if each.series]
    if not timed:
        return "nothing was measured"
    by_place: dict[str, dict[str, None]] = {}
    for name, each in timed:
        place = f"on {each.gpu}" if each.gpu else _without_gpu(each.arm.runtime)
        by_place.setdefault(place, {})[name] = None
    series = {each.facts.main_series for _, each in timed if each.facts}
    places = [
        place if len(by_place) == 1 else f"{', '.join(names)} {place}" for place, names in by_place.items()
    ]
    return f"measured {'; '.join(places)} ({', '.join(sorted(series))})"


def _without_gpu(runtime: str) -> str:
    return _PLACES[runtime_entry(runtime).device]


def _series_table(measurement: Measurement, console: Console) -> Table:
    table = table_of(
        console, "ms", "median", "95 % interval", "p90", "p99", "min", "max", "samples", text=("ms",)
    )
    for name, each in measurement.series.items():
        cells = (each.p90, each.p99, each.minimum, each.maximum)
        table.add_row(
            name, f"{each.median:.4f}", _interval(each), *(f"{ms:.4f}" for ms in cells), str(each.samples)
        )
    return table


def _facts(measurement: Measurement) -> Iterable[str]:
    """Rate, repetition, GPU, and notes, one line each."""
    if measurement.queries_per_s is not None:
        images = (
            "" if measurement.images_per_s is None else f", {format_rate(measurement.images_per_s)} images/s"
        )
        yield (
            f"{format_rate(measurement.queries_per_s)} queries/s{images}; "
            f"{format_count(measurement.blocks, 'block')} of {format_count(measurement.processes, 'process')}"
        )
    if measurement.facts is not None:
        facts = measurement.facts
        kernels = "" if facts.graph_kernels is None else f" ({format_count(facts.graph_kernels, 'kernel')})"
        memory = "" if facts.device_memory_bytes is None else f", {format_bytes(facts.device_memory_bytes)}"
        yield (
            f"{measurement.arm.runtime} {facts.runtime_version}, CUDA graph: {facts.cuda_graph}{kernels}, "
            f"loaded in {format_seconds(facts.load_s)}{memory}; L2 {measurement.protocol.l2}, "
            f"{measurement.protocol.regime}"
        )
        if facts.empty_query_ms is not None:
            yield f"a query that computes nothing takes {format_seconds(facts.empty_query_ms / 1e3)}"
        if facts.layers:
            yield f"slowest layers, timed apart: {_slowest(facts.layers)}"
        yield from (f"note: {note}" for note in facts.notes)
    if measurement.telemetry is not None:
        yield _telemetry_line(measurement.telemetry)


def _slowest(layers: Sequence[LayerTime]) -> str:
    """The layers with the greatest shares; TensorRT joins names of fused layers by control characters."""
    slowest = sorted(layers, key=lambda layer: -layer.share)[:_SLOWEST_LAYERS]
    names = ["".join(c if c.isprintable() else "+" for c in layer.name) for layer in slowest]
    return ", ".join(
        f"{name} {layer.median_ms:.4g} ms ({layer.share:.1%})"
        for name, layer in zip(names, slowest, strict=True)
    )


def _telemetry_line(telemetry: TelemetrySummary) -> str:
    formats = {
        "SM clock {:.0f} MHz": telemetry.sm_clock_mhz,
        "{:.0f} W": telemetry.power_w,
        "{:.0f} C": telemetry.temperature_c,
        "{:.3g} J per image": telemetry.energy_per_image_j,
        "throttled for {:.1%} of the time": telemetry.throttled_share,
    }
    return ", ".join(form.format(value) for form, value in formats.items() if value is not None)


def format_rate(per_s: float) -> str:
    """Write a rate with four digits, or whole."""
    return f"{per_s:.0f}" if per_s >= 1000 else f"{per_s:.4g}"


def _interval(statistic: Statistic) -> str:
    return f"{statistic.ci95[0]:.4f} to {statistic.ci95[1]:.4f}"


def render_raw_files(raw_files: Iterable[Path], console: Console) -> None:
    """Print where every sample is kept."""
    for path in raw_files:
        console.print(Text(f"every sample: {path}", style="dim"), soft_wrap=True)


def render_reasons(rows: Iterable[tuple[str, str | None]], console: Console) -> None:
    """Print why rows failed, each reason once."""
    failed: dict[str, list[str]] = {}
    for subject, reason in rows:
        if reason is not None:
            failed.setdefault(reason, []).append(subject)
    for reason, subjects in failed.items():
        render_failure(", ".join(subjects), reason, console)


def render_failure(subject: str, reason: str | None, console: Console) -> None:
    """Print why something failed, if it did."""
    if reason is not None:
        console.print(Text.assemble((f"{subject} failed", "red"), f": {reason}"), soft_wrap=True)
