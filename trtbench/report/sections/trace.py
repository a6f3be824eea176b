"""The section of traces: metrics side by side, where the time goes, and what would help."""

from collections.abc import Iterable

from trtbench.report.figures.figure import short
from trtbench.report.figures.trace import categories, idle
from trtbench.report.sections.section import Cell, Section, Source, Table, remedies_of, table_of
from trtbench.report.text.trace import metric_columns
from trtbench.report.written.trace import savings
from trtbench.results.trace import Trace, TraceReport

_MOST_KERNELS = 25


def trace_section(report: TraceReport, source: Source) -> Section:
    """All traces side by side, then the longest kernels of each."""
    names = ", ".join(trace.label for trace in report.traces)
    figures = (categories(report), idle(report))
    helps = list(savings(report.traces))
    return Section(
        kind="trace_report",
        title=short(f"Trace: {names}", 120),
        source=source.name,
        evidence=report.evidence,
        facts=tuple((short(trace.label), short(_subject(trace), 300)) for trace in report.traces),
        verdict=f"What would help the most: {short(helps[0], 400)}." if helps else "",
        uncertain=("a profiler makes kernels and launches a little slower",) if report.traces else (),
        tables=_lines("helps", "What would help, at most", helps),
        appendix=(
            _metrics(report),
            *(_kernels(trace, place) for place, trace in enumerate(report.traces, start=1)),
        ),
        figures=tuple(figure for figure in figures if figure),
        remedies=remedies_of((trace.label, found) for trace in report.traces for found in trace.findings),
    )


def _subject(trace: Trace) -> str:
    return f"{trace.path}, {trace.tool}" + (f", on {trace.gpu}" if trace.gpu else "")


def _metrics(report: TraceReport) -> Table:
    labels, columns = metric_columns(report.traces)
    cells = {short(name): [Cell(each) for each in values] for name, values in columns.items()}
    return table_of("metrics", "Metrics", {"metric": [Cell(each.strip()) for each in labels], **cells}, cells)


def _kernels(trace: Trace, place: int) -> Table:
    shown = trace.kernels[:_MOST_KERNELS]
    columns = {
        trace.unit: [Cell(short(each.name, 160)) for each in shown],
        "category": [Cell(each.category) for each in shown],
        "share": [Cell(f"{each.share:.1%}", each.share) for each in shown],
        "runs": [Cell(str(each.count), each.count) for each in shown],
        "mean us": [Cell(f"{each.mean_us:.1f}", each.mean_us) for each in shown],
    }
    return table_of(
        f"kernels-{place}",
        f"Longest {trace.unit}s of {short(trace.label)}",
        columns,
        {"share", "runs", "mean us"},
    )


def _lines(name: str, title: str, lines: Iterable[str]) -> tuple[Table, ...]:
    listed = [Cell(short(line, 400)) for line in lines]
    return (table_of(name, title, {"what": listed}, ()),) if listed else ()
