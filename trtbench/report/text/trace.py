"""Traces as text: one in full, several side by side."""

import re
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trtbench.report.text.findings import render_findings
from trtbench.report.text.tables import print_columns, table_of
from trtbench.results.trace import (
    Amdahl,
    CategoryTime,
    Gaps,
    Inferences,
    KernelTime,
    Reconciliation,
    Trace,
    TraceReport,
)
from trtbench.units import format_bytes, format_count, format_seconds

_TOP = 12
_OTHER_COLUMNS = 42
_NOISE = re.compile(r"^void |at::native::|\(anonymous namespace\)::")
"""What says nothing in the name of a kernel."""


def render_trace(report: TraceReport, console: Console) -> None:
    """Print metrics, where the time goes, and findings; of several traces, side by side."""
    for trace in report.traces:
        _print(console, _head(trace), "bold")
    console.print()
    labels, columns = metric_columns(report.traces)
    print_columns(console, {"": labels}, columns, [""])
    if len(report.traces) == 1:
        _render_one(report.traces[0], console)
    else:
        _render_several(report.traces, console)
        _render_amdahl(report.amdahl, console)
    findings = [
        (each.label * (len(report.traces) > 1), found) for each in report.traces for found in each.findings
    ]
    if findings:
        console.print()
        render_findings(findings, console)


def _head(trace: Trace) -> str:
    gpu = f" on {trace.gpu or 'an unnamed GPU'}" if trace.unit == "kernel" else ""
    target = f" ({trace.target})" if trace.target else ""
    return f"{trace.label}: measured by {trace.tool}{gpu}{target}"


def metric_columns(traces: Sequence[Trace]) -> tuple[list[str], dict[str, list[str]]]:
    """Labels of metrics, and cells by trace; lines that no trace has are left out."""
    columns = {trace.label: dict(_metric_lines(trace)) for trace in traces}
    labels = list(dict.fromkeys(label for lines in columns.values() for label in lines))
    return labels, {name: [lines.get(label, "-") for label in labels] for name, lines in columns.items()}


def _metric_lines(trace: Trace) -> Iterator[tuple[str, str]]:
    timeline = trace.timeline
    if timeline is not None:
        yield "window", _ms(timeline.window_ms)
        yield "a kernel runs for", _ms(timeline.busy_ms)
        yield "compute utilisation", f"{timeline.utilisation:.1%}"
    if trace.inferences is not None and trace.inferences.pipeline_efficiency is not None:
        yield "pipeline efficiency", f"{trace.inferences.pipeline_efficiency:.1%}"
    if timeline is not None:
        yield "streams", str(timeline.streams)
        yield "gaps over 10 us", str(timeline.gaps.count)
        yield "  together", _ms(timeline.gaps.total_ms)
        yield "longest gap", _us(timeline.gaps.longest_us)
    yield f"{trace.unit}s run", str(trace.kernel_count)
    yield f"sum of {trace.unit}s", _ms(trace.kernel_ms)
    yield f"mean {trace.unit}", _us(trace.mean_us)
    if trace.inferences is not None:
        yield from _inference_lines(trace.inferences, trace.unit)
    if trace.reconciliation is not None and trace.reconciliation.graph_ms is not None:
        yield "  without a profiler", _ms(trace.reconciliation.graph_ms)


def _inference_lines(found: Inferences, unit: str) -> Iterator[tuple[str, str]]:
    yield "inferences", str(found.count)
    yield "  found by", found.source
    yield f"  {unit}s in one", f"{found.kernels:.0f}"
    yield f"  sum of {unit}s", _ms(found.kernel_ms)
    if found.span_ms is not None:
        yield "  first start to last end", _ms(found.span_ms)
    if found.period_ms is not None:
        yield "  start to start", _ms(found.period_ms)
    if found.gaps is not None:
        yield "  gaps over 10 us", f"{found.gaps:.0f}"


def _render_one(trace: Trace, console: Console) -> None:
    timeline = trace.timeline
    for table in (_categories(trace, console), _top(trace, console)):
        console.print()
        console.print(table)
    if trace.reconciliation is not None:
        _render_reconciliation(trace.reconciliation, console)
    if timeline is not None and timeline.idle:
        console.print()
        console.print(_idle(trace, console))
    if timeline is not None and timeline.gaps.longest_us:
        console.print()
        console.print(_gaps(timeline.gaps, console))
    if trace.transfers:
        console.print()
        console.print(_transfers(trace, console))
    if trace.host_calls:
        console.print()
        console.print(_host_calls(trace, console))


def _categories(trace: Trace, console: Console) -> Table:
    unit = f"{trace.unit}s"
    table = table_of(
        console, "category", "format", "share", "ms", unit, "mean us", text=("category", "format")
    )
    for each in trace.categories:
        table.add_row(
            each.category,
            each.format or "-",
            f"{each.share:.1%}",
            f"{each.total_ms:.3f}",
            str(each.count),
            f"{1e3 * each.total_ms / each.count:.1f}",
        )
    return table


def _top(trace: Trace, console: Console) -> Table:
    """The kernels that take the most time together."""
    headers = ("share", "runs", "mean us", "category", f"longest {trace.unit}s")
    table = table_of(console, *headers, text=headers[3:])
    width = console.width - _OTHER_COLUMNS
    for each in trace.kernels[:_TOP]:
        table.add_row(
            f"{each.share:.1%}",
            str(each.count),
            f"{each.mean_us:.1f}",
            each.category,
            _short(each.name, width),
        )
    return table


def _idle(trace: Trace, console: Console) -> Table:
    """Where wall time goes besides kernels."""
    header = "while no kernel runs"
    table = table_of(console, header, "of the window", "ms", text=(header,))
    for each in trace.timeline.idle if trace.timeline else ():
        table.add_row(each.cause, f"{each.share:.1%}", f"{each.total_ms:.3f}")
    return table


def _gaps(gaps: Gaps, console: Console) -> Table:
    table = table_of(console, "gaps between kernels", "count", "ms", text=("gaps between kernels",))
    for each in gaps.histogram:
        if each.count:
            end = "or more" if each.to_us is None else f"to {_us(each.to_us)}"
            table.add_row(f"{_us(each.from_us)} {end}", str(each.count), f"{each.total_ms:.3f}")
    return table


def _transfers(trace: Trace, console: Console) -> Table:
    table = table_of(console, "copies", "count", "volume", "ms", "GB/s", text=("copies",))
    for each in trace.transfers:
        rate = "-" if each.gb_per_s is None else f"{each.gb_per_s:.1f}"
        table.add_row(each.kind, str(each.count), format_bytes(each.bytes), f"{each.total_ms:.3f}", rate)
    return table


def _host_calls(trace: Trace, console: Console) -> Table:
    table = table_of(console, "host calls", "kind", "count", "ms", "mean us", text=("host calls", "kind"))
    for each in trace.host_calls[:_TOP]:
        table.add_row(each.name, each.cause, str(each.count), f"{each.total_ms:.3f}", f"{each.mean_us:.1f}")
    return table


def _render_several(traces: Sequence[Trace], console: Console) -> None:
    """Categories and kernels of all traces side by side, for one inference where each has them."""
    is_divided = all(trace.inferences for trace in traces)
    scope = "ms an inference" if is_divided else "ms"
    width = console.width - sum(2 + max(6, len(trace.label)) for trace in traces)
    times = {
        trace.label: {_category(each): _time(each, is_divided) for each in trace.categories}
        for trace in traces
    }
    groups = list(dict.fromkeys(label for found in times.values() for label in found))
    _print_times(console, f"{scope} by category", groups, groups, times)
    times = {trace.label: {each.name: _time(each, is_divided) for each in trace.kernels} for trace in traces}
    names = list(dict.fromkeys(each.name for trace in traces for each in trace.kernels[:_TOP]))
    _print_times(console, f"{scope} by kernel", names, [_short(name, width) for name in names], times)


def _render_amdahl(found: Sequence[Amdahl], console: Console) -> None:
    """Say what was reached, and what faster GEMMs alone would give."""
    for each in found[1:]:
        first = found[0].trace
        console.print()
        _print(
            console,
            f"kernels of {each.trace} are {each.speedup:.2f} times as fast as those of {first}; GEMMs "
            f"{each.gemm_speedup:g} times as fast would make those of {first} {each.ideal:.2f} times as fast",
        )


def _print_times(
    console: Console,
    header: str,
    keys: Sequence[str],
    labels: Sequence[str],
    times: Mapping[str, Mapping[str, str]],
) -> None:
    columns = {name: [found.get(key, "-") for key in keys] for name, found in times.items()}
    console.print()
    print_columns(console, {header: labels}, columns, [header])


def _category(found: CategoryTime) -> str:
    return " ".join(filter(None, (found.category, found.format)))


def _time(found: CategoryTime | KernelTime, is_divided: bool) -> str:
    return f"{found.inference_ms if is_divided else found.total_ms:.3f}"


def _render_reconciliation(found: Reconciliation, console: Console) -> None:
    console.print()
    _print(console, _sums(found), "bold")
    if not found.layers:
        return
    console.print(_roles(found, console))
    console.print()
    console.print(_slowest_layers(found, console))
    if found.unmatched_kernels:
        count = format_count(len(found.unmatched_kernels), "kernel")
        example = _short(found.unmatched_kernels[0], console.width - _OTHER_COLUMNS)
        _print(console, f"{count} of an inference without a layer, such as {example}")


def _roles(found: Reconciliation, console: Console) -> Table:
    table = table_of(console, "role", "layers", "found", "measured us", "predicted us", text=("role",))
    for each in found.by_role():
        cells = (str(each.layers), str(each.matched), f"{each.measured_us:.1f}", _number(each.predicted_us))
        table.add_row(each.role, *cells)
    return table


def _slowest_layers(found: Reconciliation, console: Console) -> Table:
    headers = ("measured us", "predicted us", "by", "role", "slowest layers")
    table = table_of(console, *headers, text=headers[2:])
    for each in sorted(found.layers, key=lambda each: -(each.measured_us or 0.0))[:_TOP]:
        name = _short(each.layer, console.width - _OTHER_COLUMNS - 8)
        numbers = (_number(each.measured_us), _number(each.predicted_us))
        table.add_row(*numbers, each.matched_by or "-", each.role, name)
    return table


def _number(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds:.1f}"


def _sums(found: Reconciliation) -> str:
    """Kernels and gaps against the time without a profiler, and against the prediction."""
    parts = [f"kernels {_ms(found.kernel_ms)}"]
    if found.gap_ms is not None:
        parts.append(f"gaps {_ms(found.gap_ms)}")
    text = f"one inference: {' + '.join(parts)}"
    if found.graph_ms is not None:
        text += f"; timed without a profiler {_ms(found.graph_ms)}"
    if found.predicted_ms is not None:
        text += f"; predicted for {found.gpu} {_ms(found.predicted_ms)}"
    return text


def _short(name: str, width: int) -> str:
    """The name in one line; the middle of a long one is left out, as templates differ at both ends."""
    name = _NOISE.sub("", name)
    if len(name) <= width:
        return name
    half = (width - 3) // 2
    return f"{name[: width - 3 - half]}...{name[-half:]}"


def _ms(milliseconds: float) -> str:
    return format_seconds(1e-3 * milliseconds)


def _us(microseconds: float) -> str:
    return format_seconds(1e-6 * microseconds)


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
