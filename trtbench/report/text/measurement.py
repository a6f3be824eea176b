"""Measurements as text for people. Every text names the GPU, or says that none computed it."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.measure.stop import relative_half_width
from trtbench.progress import OnProgress, OnStep, RunProgress
from trtbench.report.text.findings import render_findings, render_noted
from trtbench.results import (
    AaReport,
    ArmsComparison,
    LayerTime,
    Measurement,
    Statistic,
    TelemetrySummary,
    Verdict,
    VerdictWord,
)
from trtbench.runtimes import runtime_entry
from trtbench.units import format_bytes, format_count, format_seconds

_TELL_S = 2.0
_SLOWEST_LAYERS = 3
_WIDE = 100  # columns from which there is room for two blanks between those of a table
_PLACES = {
    "cuda": "on a GPU that NVML cannot name",
    "cpu": "on a CPU",
    "script": "by no clock: times are scripted",
}
_STYLES: dict[VerdictWord, str] = {
    "FASTER": "green",
    "SLOWER": "red",
    "SAME": "cyan",
    "AMBIGUOUS": "yellow",
    "INCOMPARABLE": "yellow",
}


def render_measurement(measurement: Measurement, raw_files: Iterable[Path], console: Console) -> None:
    """Print one arm: its series, its rate, the state of the GPU, and the findings."""
    head = f", batch {measurement.batch}" if measurement.batch else ""
    console.print(
        Text.assemble((measurement.arm.label, "bold"), f"{head}: {evidence([measurement])}"), soft_wrap=True
    )
    if measurement.series:
        console.print(_series_table(measurement, console))
    for line in _facts(measurement):
        console.print(Text(line), soft_wrap=True)
    render_raw_files(raw_files, console)
    render_failure(measurement.arm.label, measurement.reason, console)
    render_findings([("", finding) for finding in measurement.findings], console)


def render_times(
    measurements: Sequence[Measurement],
    verdicts: Sequence[Verdict],
    raw_files: Iterable[Path],
    console: Console,
) -> None:
    """Print one line an arm, then each verdict with its reason, then where the samples are."""
    console.print(Text(evidence(measurements)), soft_wrap=True)
    table = table_of(console, "arm", *TIME_COLUMNS)
    for measurement in measurements:
        table.add_row(Text(measurement.arm.label), *time_cells(measurement, verdicts))
    console.print(table)
    render_verdicts(measurements, verdicts, console)
    render_raw_files(raw_files, console)


def render_verdicts(
    measurements: Sequence[Measurement], verdicts: Iterable[Verdict], console: Console, where: str = ""
) -> None:
    """Print each verdict with its reason; that of a failed arm is its own."""
    failed = {each.arm.label for each in measurements if each.status == "failed"}
    for verdict in verdicts:
        if verdict.arm in failed:
            continue
        word = (verdict.verdict, _STYLES[verdict.verdict])
        console.print(
            Text.assemble(f"{verdict.arm} against {verdict.baseline}{where}: ", word, f", {verdict.reason}"),
            soft_wrap=True,
        )


def render_arms(comparison: ArmsComparison, raw_files: Iterable[Path], console: Console) -> None:
    """Print arms that are no recipes of one model."""
    if comparison.sources:
        console.print(Text(f"from {', '.join(comparison.sources)}"), soft_wrap=True)
    measured = comparison.measurements
    render_times(measured, comparison.verdicts, raw_files, console)
    for measurement in measured:
        render_failure(measurement.arm.label, measurement.reason, console)
    render_measured_findings([(each.arm.label, each) for each in measured], console)


def render_measured_findings(measured: Iterable[tuple[str, Measurement]], console: Console) -> None:
    """Print what the checks found in measurements, each called by its name."""
    found = [(name, finding) for name, each in measured for finding in each.findings]
    render_noted(found, console, "--json")


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


def evidence(measurements: Sequence[Measurement]) -> str:
    """Name what computed the times, and the series that speeds are told in."""
    timed = [each for each in measurements if each.series]
    if not timed:
        return "nothing was measured"
    by_place: dict[str, list[str]] = {}
    for each in timed:
        place = f"on {each.gpu}" if each.gpu else _without_gpu(each.arm.runtime)
        by_place.setdefault(place, []).append(each.arm.label)
    series = {each.facts.main_series for each in timed if each.facts}
    places = [
        place if len(by_place) == 1 else f"{', '.join(dict.fromkeys(labels))} {place}"
        for place, labels in by_place.items()
    ]
    return f"measured {'; '.join(places)} ({', '.join(sorted(series))})"


def progress_line(progress: RunProgress) -> str:
    """What a run is doing, in one line."""
    parts = [progress.step]
    if progress.blocks:
        parts.append(format_count(progress.blocks, "block"))
    parts += [f"{label} {median_ms:.4g} ms" for label, median_ms in progress.medians_ms.items()]
    if progress.left_s is not None:
        parts.append(f"at most {format_seconds(progress.left_s)} of blocks left")
    return ", ".join(parts)


def told_as_steps(on_step: OnStep) -> OnProgress:
    """Tell a run's progress as steps: each that is new, and every ``_TELL_S`` how far it is."""
    last: list[tuple[str, float]] = [("", 0.0)]

    def tell(progress: RunProgress) -> None:
        now_s = time.monotonic()
        if progress.step != last[0][0] or now_s - last[0][1] >= _TELL_S:
            last[0] = (progress.step, now_s)
            on_step(progress_line(progress))

    return tell


def _without_gpu(runtime: str) -> str:
    return _PLACES[runtime_entry(runtime).device]


def _series_table(measurement: Measurement, console: Console) -> Table:
    table = table_of(console, "ms", "median", "95 % interval", "p90", "p99", "min", "max", "samples")
    for name, each in measurement.series.items():
        cells = (each.p90, each.p99, each.minimum, each.maximum)
        table.add_row(
            name, f"{each.median:.4f}", _interval(each), *(f"{ms:.4f}" for ms in cells), str(each.samples)
        )
    return table


def _facts(measurement: Measurement) -> Iterable[str]:
    """Rate, repetition, GPU, and notes, one line each."""
    if measurement.queries_per_s is not None:
        images = "" if measurement.images_per_s is None else f", {_rate(measurement.images_per_s)} images/s"
        yield (
            f"{_rate(measurement.queries_per_s)} queries/s{images}; "
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
    told = {
        "SM clock {:.0f} MHz": telemetry.sm_clock_mhz,
        "{:.0f} W": telemetry.power_w,
        "{:.0f} C": telemetry.temperature_c,
        "{:.3g} J per image": telemetry.energy_per_image_j,
        "throttled for {:.1%} of the time": telemetry.throttled_share,
    }
    return ", ".join(form.format(value) for form, value in told.items() if value is not None)


TIME_COLUMNS = ("median ms", "95 %", "images/s", "speed-up", "95 % interval", "verdict")
"""Headers of ``time_cells``."""


def time_cells(measurement: Measurement, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Time and rate of an arm, and the verdict on it if there is one."""
    main = measurement.series.get(measurement.facts.main_series) if measurement.facts else None
    verdict = next((each for each in verdicts if each.arm == measurement.arm.label), None)
    times = ("[red]failed[/red]", "") if main is None else (f"{main.median:.4f}", _half_width(main))
    rate = "" if measurement.images_per_s is None else _rate(measurement.images_per_s)
    return (*times, rate, *_verdict_cells(verdict))


def _half_width(main: Statistic) -> str:
    """Relative to the median, as far as that says something: the interval is symmetric in the logarithm."""
    half_width = relative_half_width(main)
    return f"+-{half_width:.2%}" if half_width < 1 else "over 100%"


def _verdict_cells(verdict: Verdict | None) -> tuple[str, str, str]:
    if verdict is None:
        return ("", "", "")
    word = f"[{_STYLES[verdict.verdict]}]{verdict.verdict}[/]"
    if verdict.ratio is None or verdict.ci95 is None:
        return ("", "", word)
    return (f"{verdict.ratio:.3f}x", f"{verdict.ci95[0]:.3f} to {verdict.ci95[1]:.3f}", word)


def _rate(per_s: float) -> str:
    return f"{per_s:.0f}" if per_s >= 1000 else f"{per_s:.4g}"


def _interval(statistic: Statistic) -> str:
    return f"{statistic.ci95[0]:.4f} to {statistic.ci95[1]:.4f}"


def render_raw_files(raw_files: Iterable[Path], console: Console) -> None:
    """Print where every sample is kept."""
    for path in raw_files:
        console.print(Text(f"every sample: {path}", style="dim"), soft_wrap=True)


def render_failure(subject: str, reason: str | None, console: Console) -> None:
    """Print why something failed, if it did."""
    if reason is not None:
        console.print(Text.assemble((f"{subject} failed", "red"), f": {reason}"), soft_wrap=True)


def table_of(console: Console, *headers: str) -> Table:
    """A table without lines; only the names of arms may wrap."""
    gap = 1 if console.width < _WIDE else 2
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for header in headers:
        is_text = header in ("ms", "arm", "verdict", "")
        # Folded, since what tells two arms apart may be at the end of their names.
        table.add_column(
            header, justify="left" if is_text else "right", no_wrap=header != "arm", overflow="fold"
        )
    return table
