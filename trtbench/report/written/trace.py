"""A written report on traces, as Markdown: where the time goes, what that costs, and what would help."""

from collections.abc import Iterable, Iterator, Sequence

from trtbench.results.trace import Amdahl, Reconciliation, Trace, TraceReport
from trtbench.units import format_bytes, format_seconds

_TOP = 15
_SHOWN_MS = 0.0005
_MEANS = {
    "queued kernels": "fewer, larger kernels",
    "launch": "launching less: a CUDA graph, fused kernels",
    "synchronisation": "not waiting between inferences",
    "allocation": "allocating beforehand",
    "copies": "copying while kernels run, or not at all",
    "copy calls": "copies from pinned memory",
    "other CUDA calls": "fewer calls of CUDA",
    "operators": "a CUDA graph or a compiled model",
    "Python": "a CUDA graph or a compiled model",
    "outside CUDA": "keeping work ready for the GPU",
}
_REMOVABLE = {
    "quantize": "quantisers that fold into the kernels before them (static scales)",
    "reformat": "layouts that need no transposes, casts or copies",
    "copy": "buffers that need no copies",
    "gelu": "GELU in the epilogue of the GEMM before it",
    "norm": "LayerNorm fused with its neighbours",
    "pointwise": "pointwise kernels fused with their neighbours",
    "softmax": "fused attention",
}


def written_report(report: TraceReport, command: str) -> str:
    """The report as Markdown.

    Args:
        report: one trace, or several; the others are compared with the first.
        command: that makes this report anew.
    """
    sections = [
        "# Where the GPU's time goes",
        "Evidence kind: measured, under a profiler, which makes kernels and launches a little slower.",
        _subjects(report.traces),
        "## In short",
        *_summary(report),
        "## Kernel time by category",
        _categories(report.traces),
        *(text for trace in report.traces for text in _one(trace, len(report.traces) > 1)),
        *_amdahl(report.amdahl),
        *_recommendations(report.traces),
        "## To reproduce",
        f"```\n{command}\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _subjects(traces: Sequence[Trace]) -> str:
    return "\n".join(
        f"- **{each.label}**: `{each.path}`, {each.tool}"
        + (f", on {each.gpu}" if each.gpu else "")
        + (f" ({each.target})" if each.target else "")
        for each in traces
    )


def _summary(report: TraceReport) -> Iterator[str]:
    """The metrics side by side, and in a sentence what matters the most."""
    names = [trace.label for trace in report.traces]
    rows = [dict(_metrics(trace)) for trace in report.traces]
    labels = dict.fromkeys(label for row in rows for label in row)
    yield _table(["", *names], ([label, *(row.get(label, "-") for row in rows)] for label in labels))
    for trace in report.traces:
        for finding in trace.findings:
            yield f"{trace.label}: {finding.message}. To do: {finding.hint}."


def _metrics(trace: Trace) -> Iterator[tuple[str, str]]:
    found, timeline = trace.inferences, trace.timeline
    if found is not None:
        yield "inferences", f"{found.count} (by {found.source})"
        if found.span_ms is not None:
            yield "latency on the GPU (median)", _ms(found.span_ms)
        if found.period_ms:
            yield "inferences/s", f"{1e3 / found.period_ms:.1f}"
        yield f"{trace.unit}s an inference", f"{found.kernels:.0f}"
        yield f"sum of {trace.unit}s", _ms(found.kernel_ms)
        if found.pipeline_efficiency is not None:
            yield "pipeline efficiency", f"{found.pipeline_efficiency:.1%}"
    if timeline is not None:
        yield "compute utilisation", f"{timeline.utilisation:.1%}"
        yield "gaps over 10 us", f"{timeline.gaps.count}, {_ms(timeline.gaps.total_ms)} together"
    yield f"{trace.unit}s in all", f"{trace.kernel_count}, {_ms(trace.kernel_ms)} together"
    yield f"mean {trace.unit}", format_seconds(1e-6 * trace.mean_us)


def _categories(traces: Sequence[Trace]) -> str:
    """Milliseconds of one inference, or of the trace where inferences were not found."""
    groups = dict.fromkeys((each.category, each.format) for trace in traces for each in trace.categories)
    rows = []
    for category, kind in groups:
        cells = [category if kind is None else f"{category} {kind}"]
        for trace in traces:
            found = next((e for e in trace.categories if (e.category, e.format) == (category, kind)), None)
            time_ms = None if found is None else found.inference_ms or found.total_ms
            cells.append("-" if found is None else f"{time_ms:.3f} ms ({found.share:.1%})")
        rows.append(cells)
    return _table(["category", *(trace.label for trace in traces)], rows)


def _one(trace: Trace, has_several: bool) -> Iterator[str]:
    """What is said of each trace alone."""
    of = f"{trace.label}: " * has_several
    yield f"## {of}{_heading(f'longest {trace.unit}s', of)}"
    yield _table(
        ["share", "runs", "mean us", "category", trace.unit],
        (
            [f"{e.share:.1%}", str(e.count), f"{e.mean_us:.1f}", e.category, f"`{e.name}`"]
            for e in trace.kernels[:_TOP]
        ),
    )
    if trace.reconciliation is not None:
        yield from _reconciliation(trace.reconciliation, of)
    if trace.transfers:
        yield f"## {of}{_heading('copies', of)}"
        yield _table(
            ["copies", "count", "volume", "time", "GB/s"],
            (
                [
                    each.kind,
                    str(each.count),
                    format_bytes(each.bytes),
                    _ms(each.total_ms),
                    "-" if each.gb_per_s is None else f"{each.gb_per_s:.1f}",
                ]
                for each in trace.transfers
            ),
        )
    if trace.timeline is not None and trace.timeline.idle:
        yield f"## {of}{_heading('while no kernel runs', of)}"
        rows = [[each.cause, f"{each.share:.1%}", _ms(each.total_ms)] for each in trace.timeline.idle]
        yield _table(["what happens", "of the window", "time"], rows)


def _heading(text: str, before: str) -> str:
    return text if before else text[0].upper() + text[1:]


def _reconciliation(found: Reconciliation, of: str) -> Iterator[str]:
    yield f"## {of}{_heading('compiled layers and kernels', of)}"
    parts = f"Kernels take {_ms(found.kernel_ms)} of an inference"
    parts += "" if found.gap_ms is None else f", gaps between them {_ms(found.gap_ms)}"
    parts += "" if found.graph_ms is None else f"; without a profiler it takes {_ms(found.graph_ms)}"
    parts += "" if found.predicted_ms is None else f"; predicted for {found.gpu}: {_ms(found.predicted_ms)}"
    yield f"{parts}."
    if found.layers:
        yield _table(
            ["role", "layers", "with a kernel", "measured us", "predicted us"],
            (
                [
                    each.role,
                    str(each.layers),
                    str(each.matched),
                    f"{each.measured_us:.1f}",
                    "-" if each.predicted_us is None else f"{each.predicted_us:.1f}",
                ]
                for each in found.by_role()
            ),
        )


def _amdahl(found: Sequence[Amdahl]) -> Iterator[str]:
    if not found:
        return
    first = found[0]
    yield "## Amdahl's law"
    yield (
        f"{first.trace}: of {_ms(first.total_ms)} in kernels, GEMMs take {_ms(first.gemm_ms)} and all else "
        f"{_ms(first.other_ms)}. With GEMMs {first.gemm_speedup:g} times as fast and all else as it is, "
        f"kernels would be {first.ideal:.2f} times as fast; with GEMMs that take no time, "
        f"{first.ceiling:.2f} times."
    )
    for each in found[1:]:
        yield (
            f"{each.trace} is {each.speedup:.2f} times as fast as {first.trace}, not {each.ideal:.2f} times. "
            "What it takes beyond that:"
        )
        yield _table(
            ["cause", "time"],
            (
                [loss.cause, f"{loss.total_ms:+.3f} ms"]
                for loss in each.losses
                if abs(loss.total_ms) >= _SHOWN_MS
            ),
        )


def _recommendations(traces: Sequence[Trace]) -> Iterator[str]:
    lines = savings(traces)
    if lines:
        yield "## What would help, and by how much at most"
        yield "\n".join(f"- {text}" for text in lines)


def savings(traces: Sequence[Trace]) -> list[str]:
    """What could be saved at most, the most first: an upper bound, since nothing takes no time."""
    lines = [line for trace in traces for line in _savings(trace, len(traces) > 1)]
    return [text for _, text in sorted(lines, reverse=True)]


def _savings(trace: Trace, has_several: bool) -> Iterator[tuple[float, str]]:
    """Share of the window, and what saves it."""
    of = f"{trace.label}: " if has_several else ""
    busy = trace.timeline.utilisation if trace.timeline else 1.0
    for each in trace.timeline.idle if trace.timeline else ():
        if each.share >= 0.01:
            yield each.share, f"{of}{_MEANS[each.cause]}: up to {each.share:.1%} of the time"
    shares: dict[str, float] = {}
    for group in trace.categories:
        shares[group.category] = shares.get(group.category, 0.0) + busy * group.share
    for category, share in shares.items():
        if category in _REMOVABLE and share >= 0.01:
            yield share, f"{of}{_REMOVABLE[category]}: up to {share:.1%} of the time"


def _table(headers: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = list(headers)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _ms(milliseconds: float) -> str:
    return format_seconds(1e-3 * milliseconds)
