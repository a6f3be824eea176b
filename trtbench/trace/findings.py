"""What a user should know of a trace."""

from collections.abc import Callable, Iterator

from trtbench.errors import Code
from trtbench.results import Finding
from trtbench.results.trace import Cause, KernelTime, Trace
from trtbench.trace.taxonomy import is_older
from trtbench.units import format_count

_IDLE = 0.2
_UNKNOWN = 0.1
_MOST_NAMED = 5
_HINTS: dict[Cause, str] = {
    "queued kernels": "run fewer, larger kernels: fuse them, or use a larger batch",
    "copies": "keep inputs and outputs on the GPU, or copy on another stream while kernels run",
    "allocation": "allocate before the first inference, or from a pool",
    "launch": "replay a CUDA graph, fuse kernels, or use a larger batch",
    "copy calls": "copy from and to pinned memory, asynchronously",
    "other CUDA calls": "see the table of host calls for the functions",
    "synchronisation": "enqueue the next inference before waiting for this one",
    "operators": "replay a CUDA graph, or compile the model",
    "Python": "replay a CUDA graph, or compile the model",
    "outside CUDA": "keep work ready for the GPU: enqueue ahead, or prepare inputs in another thread",
}


def findings_on(trace: Trace, graph_replays: int) -> tuple[Finding, ...]:
    """All findings; ``graph_replays`` are those whose kernels were not recorded."""
    checks: tuple[Callable[[Trace], Finding | None], ...] = (
        lambda each: _hidden_kernels(each, graph_replays),
        _older_kernels,
        _idle,
        _unknown_kernels,
        _no_inferences,
        _sums,
    )
    return tuple(finding for check in checks if (finding := check(trace)) is not None)


def _hidden_kernels(trace: Trace, graph_replays: int) -> Finding | None:
    if not graph_replays:
        return None
    return Finding(
        code=Code.TRACE_HIDES_KERNELS,
        severity="warning",
        message=f"{format_count(graph_replays, 'replay')} of CUDA graphs were recorded without kernels; "
        "each counts as one kernel",
        hint="record again with nsys profile --cuda-graph-trace=node",
        numbers={"graph_replays": graph_replays},
    )


def _older_kernels(trace: Trace) -> Finding | None:
    older = [each for each in trace.kernels if is_older(each.architecture, trace.target)]
    if not older:
        return None
    share = sum(each.share for each in older)
    architectures = ", ".join(sorted({str(each.architecture) for each in older}))
    return Finding(
        code=Code.OLDER_KERNELS,
        severity="warning" if share > _UNKNOWN else "info",
        message=f"{share:.0%} of the kernel time is in kernels written for {architectures}; the GPU is "
        f"{trace.target}",
        hint="try a newer version of the library or of TensorRT, which may have kernels for this GPU",
        numbers={"share": share},
        layers=tuple(each.name for each in older[:_MOST_NAMED]),
    )


def _idle(trace: Trace) -> Finding | None:
    timeline = trace.timeline
    if timeline is None or not timeline.idle or 1 - timeline.utilisation < _IDLE:
        return None
    most = max(timeline.idle, key=lambda each: each.total_ms)
    return Finding(
        code=Code.GPU_IDLE,
        severity="warning",
        message=f"no kernel runs in {1 - timeline.utilisation:.0%} of the window; most of that is "
        f"{_worded(most.cause)}, {most.share:.0%} of the window",
        hint=_HINTS[most.cause],
        numbers={"utilisation": timeline.utilisation, "share": most.share},
    )


def _worded(cause: Cause) -> str:
    words = {
        "outside CUDA": "work outside CUDA",
        "launch": "launches",
        "operators": "operators of torch",
        "queued kernels": "the start of queued kernels",
    }
    return words.get(cause, cause)


def _unknown_kernels(trace: Trace) -> Finding | None:
    unknown = [each for each in trace.kernels if each.category == "other"]
    share = sum(each.share for each in unknown)
    if share <= _UNKNOWN:
        return None
    return Finding(
        code=Code.UNKNOWN_KERNELS,
        severity="info",
        message=f"{share:.0%} of the kernel time is in kernels whose names do not say what they do: "
        + ", ".join(_unknown_names(unknown)),
        hint="trtbench/trace/taxonomy.yaml holds the patterns of names; add theirs",
        numbers={"share": share},
        layers=tuple(each.name for each in unknown[:_MOST_NAMED]),
    )


def _unknown_names(kernels: list[KernelTime]) -> Iterator[str]:
    for each in kernels[:_MOST_NAMED]:
        yield each.name if len(each.name) <= 60 else f"{each.name[:57]}..."


def _no_inferences(trace: Trace) -> Finding | None:
    if trace.inferences is not None:
        return None
    return Finding(
        code=Code.INFERENCES_NOT_FOUND,
        severity="info",
        message="no inferences were found: no range, graph launch or sequence of kernels repeats",
        hint="put an NVTX range around each inference, and record at least two",
    )


def _sums(trace: Trace) -> Finding | None:
    if trace.unit != "layer":
        return None
    return Finding(
        code=Code.LAYER_SUMS,
        severity="info",
        message="times of layers are taken one by one, without a CUDA graph: their sum is not the latency",
        hint="measure the latency with trtbench bench",
    )
