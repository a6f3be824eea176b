"""Sums over a recording: time by kernel and category, gaps, inferences, copies, and where the rest goes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trtbench.results.trace import (
    CategoryTime,
    Cause,
    GapBin,
    Gaps,
    HostCall,
    IdleShare,
    Inferences,
    KernelTime,
    Timeline,
    Trace,
    Transfer,
)
from trtbench.trace.calls import CAUSES, Function
from trtbench.trace.findings import findings_on
from trtbench.trace.inferences import Split, split_inferences
from trtbench.trace.layer_profile import TOOL, LayerProfile
from trtbench.trace.recording import Copies, Recording
from trtbench.trace.spans import (
    Ns,
    Spans,
    blocks,
    gaps_between,
    overlap_ns,
    together,
    union,
    within,
)
from trtbench.trace.taxonomy import architecture_of, category_of, format_of

GAP_US = 10.0
"""Shorter gaps are those between two kernels of a queue that never runs empty."""
_BIN_EDGES_US = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0, 10000.0)
_MS, _US = 1e-6, 1e-3
_BLOCK = 1 << 19
"""Gaps at a time, whose activities are merged."""


def trace_of(recording: Recording, label: str, path: Path) -> Trace:
    """Sum a recording up."""
    split = split_inferences(recording)
    kernels = _kernel_times(recording, split)
    total_ms = sum(each.total_ms for each in kernels)
    busy = union(recording.kernels.start, recording.kernels.end)
    found = Trace(
        label=label,
        path=str(path),
        tool=recording.tool,
        gpu=recording.gpu,
        target=recording.target,
        kernel_count=len(recording.kernels),
        kernel_ms=total_ms,
        mean_us=1e3 * total_ms / len(recording.kernels),
        timeline=_timeline(recording, busy),
        inferences=None if split is None else _inferences(recording, split, busy),
        categories=_categories(kernels),
        kernels=kernels,
        transfers=tuple(_transfers(recording.copies)),
        host_calls=tuple(_host_calls(recording.calls.functions)),
    )
    return found.model_copy(update={"findings": findings_on(found, recording.graph_replays)})


def trace_of_profile(profile: LayerProfile, label: str, path: Path) -> Trace:
    """Sum a layer profile up; each layer stands for its kernels."""
    total_ms = sum(layer.total_ms for layer in profile.layers)
    kernels = tuple(
        _kernel_time(layer.name, profile.count, layer.total_ms, total_ms, layer.median_ms)
        for layer in sorted(profile.layers, key=lambda layer: -layer.total_ms)
    )
    count = profile.count * len(profile.layers)
    found = Trace(
        label=label,
        path=str(path),
        tool=TOOL,
        gpu=None,
        target=None,
        unit="layer",
        kernel_count=count,
        kernel_ms=total_ms,
        mean_us=1e3 * total_ms / count,
        timeline=None,
        inferences=Inferences(
            source="layer profile",
            detail="sums over all queries",
            count=profile.count,
            kernels=len(profile.layers),
            kernel_ms=sum(layer.median_ms for layer in profile.layers),
        ),
        categories=_categories(kernels),
        kernels=kernels,
    )
    return found.model_copy(update={"findings": findings_on(found, 0)})


def _kernel_times(recording: Recording, split: Split | None) -> tuple[KernelTime, ...]:
    """One a name, the longest together first."""
    kernels = recording.kernels
    duration = kernels.end - kernels.start
    size = len(kernels.names)
    counts = np.bincount(kernels.name, minlength=size)
    # In float64, sums of ns are exact up to 100 days.
    sums = np.bincount(kernels.name, weights=duration, minlength=size)
    least = np.full(size, np.iinfo(np.int64).max)
    most = np.zeros(size, np.int64)
    np.minimum.at(least, kernels.name, duration)
    np.maximum.at(most, kernels.name, duration)
    inside = None if split is None else _inside(split, len(kernels))
    own = sums if inside is None else np.bincount(kernels.name[inside], duration[inside], minlength=size)
    total_ns = float(np.sum(sums))
    return tuple(
        _kernel_time(
            kernels.names[index],
            int(counts[index]),
            _MS * float(sums[index]),
            _MS * total_ns,
            None if split is None else _MS * float(own[index]) / len(split.first),
            (_US * int(least[index]), _US * int(most[index])),
        )
        for index in np.argsort(-sums, kind="stable")
        if counts[index]
    )


def _inside(split: Split, size: int) -> npt.NDArray[np.bool_]:
    """Which kernels belong to an inference."""
    steps = np.zeros(size + 1, np.int8)
    steps[split.first] += 1
    steps[split.last] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _kernel_time(
    name: str,
    count: int,
    total_ms: float,
    all_ms: float,
    inference_ms: float | None,
    range_us: tuple[float, float] | None = None,
) -> KernelTime:
    category = category_of(name)
    return KernelTime(
        name=name,
        category=category,
        format=format_of(name, category),
        architecture=architecture_of(name),
        count=count,
        total_ms=total_ms,
        mean_us=1e3 * total_ms / count,
        min_us=range_us[0] if range_us else None,
        max_us=range_us[1] if range_us else None,
        share=total_ms / all_ms if all_ms else 0.0,
        inference_ms=inference_ms,
    )


def _categories(kernels: Sequence[KernelTime]) -> tuple[CategoryTime, ...]:
    """One a category and format, the longest first."""
    groups: dict[tuple[str, str | None], list[KernelTime]] = {}
    for each in kernels:
        groups.setdefault((each.category, each.format), []).append(each)
    found = (
        CategoryTime(
            category=members[0].category,
            format=members[0].format,
            count=sum(each.count for each in members),
            total_ms=sum(each.total_ms for each in members),
            share=sum(each.share for each in members),
            inference_ms=_sum_of_known(each.inference_ms for each in members),
        )
        for members in groups.values()
    )
    return tuple(sorted(found, key=lambda each: -each.total_ms))


def _sum_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _timeline(recording: Recording, busy: Spans) -> Timeline:
    window_ns = int(busy.end[-1] - busy.start[0])
    idle = gaps_between(busy)
    return Timeline(
        window_ms=_MS * window_ns,
        busy_ms=_MS * busy.total_ns,
        utilisation=busy.total_ns / window_ns if window_ns else 1.0,
        streams=len(np.unique(recording.kernels.stream)),
        gaps=_gaps(idle),
        idle=tuple(_idle_shares(recording, idle, window_ns)),
    )


def _gaps(idle: Spans) -> Gaps:
    length_us = _US * (idle.end - idle.start)
    bins = np.searchsorted(_BIN_EDGES_US, length_us, side="right") - 1
    counts = np.bincount(bins, minlength=len(_BIN_EDGES_US))
    sums = np.bincount(bins, weights=length_us, minlength=len(_BIN_EDGES_US))
    is_long = length_us > GAP_US
    return Gaps(
        count=int(np.count_nonzero(is_long)),
        total_ms=1e-3 * float(np.sum(length_us[is_long])),
        longest_us=float(length_us.max(initial=0.0)),
        histogram=tuple(
            GapBin(
                from_us=_BIN_EDGES_US[index],
                to_us=_BIN_EDGES_US[index + 1] if index + 1 < len(_BIN_EDGES_US) else None,
                count=int(counts[index]),
                total_ms=1e-3 * float(sums[index]),
            )
            for index in range(len(_BIN_EDGES_US))
        ),
    )


def _idle_shares(recording: Recording, idle: Spans, window_ns: int) -> Iterator[IdleShare]:
    """What happens while no kernel runs; of several things at once, the first of the list counts."""
    copying = union(recording.copies.start, recording.copies.end)
    causes: tuple[Cause, ...] = ("copies", "queued kernels", *CAUSES)
    totals = dict.fromkeys(causes, 0)
    for block in blocks(idle, _BLOCK):
        begin, end = int(block.start[0]), int(block.end[-1])
        covered = within(copying, begin, end)
        waiting, queued = _split_by_launch(recording, block)
        before_ns = int(np.sum(overlap_ns(waiting, covered)))
        queued_copies_ns = int(np.sum(overlap_ns(queued, covered)))
        totals["copies"] += before_ns + queued_copies_ns
        totals["queued kernels"] += queued.total_ns - queued_copies_ns
        for cause, spans in recording.calls.activities:
            covered = together(covered, within(spans, begin, end))
            so_far_ns = int(np.sum(overlap_ns(waiting, covered)))
            totals[cause] += so_far_ns - before_ns
            before_ns = so_far_ns
    totals["outside CUDA"] = idle.total_ns - sum(totals.values())
    for cause, total_ns in totals.items():
        if total_ns:
            yield _idle_share(cause, total_ns, window_ns)


def _split_by_launch(recording: Recording, gaps: Spans) -> tuple[Spans, Spans]:
    """Each gap until the kernel after it was launched, and from then on; all of it if that is not known."""
    kernels = recording.kernels
    following = np.searchsorted(kernels.start, gaps.end)
    launched = recording.calls.ended(kernels.correlation[following])
    middle = np.where(launched < 0, gaps.end, np.clip(launched, gaps.start, gaps.end))
    return Spans(gaps.start, middle), Spans(middle, gaps.end)


def _idle_share(cause: Cause, total_ns: int, window_ns: int) -> IdleShare:
    return IdleShare(cause=cause, total_ms=_MS * total_ns, share=total_ns / window_ns)


def _inferences(recording: Recording, split: Split, busy: Spans) -> Inferences:
    kernels, first, last = recording.kernels, split.first, split.last
    places = _interleaved(first, last, len(kernels))
    sums = np.add.reduceat(kernels.end - kernels.start, places)[::2]
    # Kernels of other streams may end later than the last one to start.
    span = Spans(kernels.start[first], np.maximum.reduceat(kernels.end, places)[::2])
    idle = gaps_between(busy)
    long_gaps = idle.start[_US * (idle.end - idle.start) > GAP_US]
    counts = np.searchsorted(long_gaps, span.end) - np.searchsorted(long_gaps, span.start)
    periods = np.diff(span.start)
    return Inferences(
        source=split.source,
        detail=split.detail,
        count=len(first),
        kernels=float(np.median(last - first)),
        kernel_ms=_MS * float(np.median(sums)),
        busy_ms=_MS * float(np.median(overlap_ns(span, busy))),
        span_ms=_MS * float(np.median(span.end - span.start)),
        period_ms=_MS * float(np.median(periods)) if len(periods) else None,
        gaps=float(np.median(counts)),
    )


def _interleaved(first: Ns, last: Ns, size: int) -> Ns:
    """Starts and ends in turn, for ``reduceat``; the end of the array is the end without being named."""
    both: Ns = np.stack([first, last], axis=1).ravel()
    return both[:-1] if both[-1] == size else both


def _transfers(copies: Copies) -> Iterator[Transfer]:
    for index, kind in enumerate(copies.kinds):
        chosen = copies.kind == index
        total_ns, nbytes = int(np.sum((copies.end - copies.start)[chosen])), int(np.sum(copies.bytes[chosen]))
        if np.any(chosen):
            yield Transfer(
                kind=kind,
                count=int(np.count_nonzero(chosen)),
                bytes=nbytes,
                total_ms=_MS * total_ns,
                gb_per_s=nbytes / total_ns if total_ns else None,
            )


def _host_calls(functions: Sequence[Function]) -> Iterator[HostCall]:
    """One a function of CUDA, the longest together first."""
    for each in sorted(functions, key=lambda each: -each.total_ns):
        if each.cause not in ("operators", "Python"):
            yield HostCall(
                name=each.name,
                cause=each.cause,
                count=each.count,
                total_ms=_MS * each.total_ns,
                mean_us=_US * each.total_ns / each.count,
            )
