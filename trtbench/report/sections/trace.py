"""The section of traces: what would help, where the time goes, and all metrics side by side."""

from collections.abc import Iterable, Sequence

from trtbench.report.figures.figure import short
from trtbench.report.figures.trace import categories, idle
from trtbench.report.sections.savings import savings
from trtbench.report.sections.section import Cell, Section, Source, Table, remedies_of, table_of
from trtbench.report.text.trace import metric_columns
from trtbench.results.trace import Amdahl, Reconciliation, Trace, TraceReport
from trtbench.units import format_bytes, format_seconds

_MOST_KERNELS = 25
_SHOWN_MS = 0.0005


def trace_section(report: TraceReport, source: Source) -> Section:
    """All traces side by side, then what is known of each."""
    names = ", ".join(trace.label for trace in report.traces)
    helps = savings(report.traces)
    return Section(
        kind="trace_report",
        title=short(f"Trace: {names}", 120),
        source=source.name,
        evidence=report.evidence,
        facts=tuple((short(trace.label), short(_subject(trace), 300)) for trace in report.traces),
        verdict=f"What would help the most: {short(helps[0], 400)}." if helps else "",
        uncertain=("a profiler makes kernels and launches a little slower",) if report.traces else (),
        tables=_lines("helps", "What would help, at most", helps),
        figures=tuple(figure for figure in (categories(report), idle(report)) if figure),
        remedies=remedies_of((trace.label, found) for trace in report.traces for found in trace.findings),
        appendix=(
            _metrics(report),
            *_lines("amdahl", "Amdahl's law", _amdahl(report.amdahl)),
            *(table for place, trace in enumerate(report.traces, start=1) for table in _of(trace, place)),
        ),
    )


def _subject(trace: Trace) -> str:
    target = f" ({trace.target})" if trace.target else ""
    return f"{trace.path}, {trace.tool}" + (f", on {trace.gpu}{target}" if trace.gpu else target)


def _metrics(report: TraceReport) -> Table:
    labels, columns = metric_columns(report.traces)
    cells = {short(name): [Cell(each) for each in values] for name, values in columns.items()}
    return table_of("metrics", "Metrics", {"metric": [Cell(each.strip()) for each in labels], **cells}, cells)


def _of(trace: Trace, place: int) -> Iterable[Table]:
    """What is said of each trace alone."""
    yield _kernels(trace, place)
    if trace.reconciliation is not None:
        yield _layers(trace.reconciliation, place)
    if trace.transfers:
        yield _copies(trace, place)


def _kernels(trace: Trace, place: int) -> Table:
    shown = trace.kernels[:_MOST_KERNELS]
    columns = {
        trace.unit: [Cell(short(each.name, 160)) for each in shown],
        "category": [Cell(each.category) for each in shown],
        "share": [Cell(f"{each.share:.1%}", each.share) for each in shown],
        "runs": [Cell(str(each.count), each.count) for each in shown],
        "mean us": [Cell(f"{each.mean_us:.1f}", each.mean_us) for each in shown],
    }
    title = f"Longest {trace.unit}s of {short(trace.label)}"
    return table_of(f"kernels-{place}", title, columns, {"share", "runs", "mean us"})


def _layers(found: Reconciliation, place: int) -> Table:
    """Roles of an engine's layers, and the kernels that they are."""
    roles = found.by_role()
    columns = {
        "role": [Cell(short(each.role)) for each in roles],
        "layers": [Cell(str(each.layers), each.layers) for each in roles],
        "with a kernel": [Cell(str(each.matched), each.matched) for each in roles],
        "measured us": [Cell(f"{each.measured_us:.1f}", each.measured_us) for each in roles],
        "predicted us": [_us(each.predicted_us) for each in roles],
    }
    title = f"Compiled layers and kernels: {_sums(found)}"
    return table_of(f"layers-{place}", title, columns, set(columns) - {"role"})


def _sums(found: Reconciliation) -> str:
    parts = [f"kernels take {_ms(found.kernel_ms)} of an inference"]
    parts += [] if found.gap_ms is None else [f"gaps between them {_ms(found.gap_ms)}"]
    parts += [] if found.graph_ms is None else [f"without a profiler it takes {_ms(found.graph_ms)}"]
    predicted = found.predicted_ms
    parts += [] if predicted is None else [f"predicted for {short(str(found.gpu))}: {_ms(predicted)}"]
    return ", ".join(parts)


def _copies(trace: Trace, place: int) -> Table:
    copies = trace.transfers
    columns = {
        "copies": [Cell(short(each.kind)) for each in copies],
        "count": [Cell(str(each.count), each.count) for each in copies],
        "volume": [Cell(format_bytes(each.bytes), each.bytes) for each in copies],
        "time": [Cell(_ms(each.total_ms), each.total_ms) for each in copies],
        "GB/s": [Cell("" if (rate := each.gb_per_s) is None else f"{rate:.1f}", rate) for each in copies],
    }
    title = f"Copies of {short(trace.label)}"
    return table_of(f"copies-{place}", title, columns, set(columns) - {"copies"})


def _amdahl(found: Sequence[Amdahl]) -> Iterable[str]:
    """What faster GEMMs would give the first trace, and what the others take beyond that."""
    for first in found[:1]:
        yield (
            f"{first.trace}: of {_ms(first.total_ms)} in kernels, GEMMs take {_ms(first.gemm_ms)} and others "
            f"{_ms(first.other_ms)}. With GEMMs {first.gemm_speedup:g} times as fast and all else as it is, "
            f"kernels would be {first.ideal:.2f} times as fast; with GEMMs that take no time, "
            f"{first.ceiling:.2f} times."
        )
    for each in found[1:]:
        losses = [loss for loss in each.losses if abs(loss.total_ms) >= _SHOWN_MS]
        beyond = ", ".join(f"{loss.cause} {loss.total_ms:+.3f} ms" for loss in losses)
        yield (
            f"{each.trace} is {each.speedup:.2f} times as fast as {found[0].trace}, not {each.ideal:.2f}"
            + (f". What it takes beyond that: {beyond}." if losses else ".")
        )


def _lines(name: str, title: str, lines: Iterable[str]) -> tuple[Table, ...]:
    listed = [Cell(short(line, 600)) for line in lines]
    return (table_of(name, title, {"what": listed}, ()),) if listed else ()


def _us(microseconds: float | None) -> Cell:
    return Cell("") if microseconds is None else Cell(f"{microseconds:.1f}", microseconds)


def _ms(milliseconds: float) -> str:
    return format_seconds(1e-3 * milliseconds)
