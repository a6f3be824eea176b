"""What would shorten the time of a trace, and by how much at most: nothing takes no time."""

from collections.abc import Iterator, Sequence

from trtbench.results.trace import Trace

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
_LEAST_SHARE = 0.01


def savings(traces: Sequence[Trace]) -> list[str]:
    """A line each, the most first: an upper bound on the share of the time."""
    lines = [line for trace in traces for line in _savings(trace, len(traces) > 1)]
    return [text for _, text in sorted(lines, reverse=True)]


def _savings(trace: Trace, has_several: bool) -> Iterator[tuple[float, str]]:
    """Share of the window, and what saves it."""
    of = f"{trace.label}: " if has_several else ""
    busy = trace.timeline.utilisation if trace.timeline else 1.0
    for each in trace.timeline.idle if trace.timeline else ():
        if each.share >= _LEAST_SHARE:
            yield each.share, f"{of}{_MEANS[each.cause]}: up to {each.share:.1%} of the time"
    shares: dict[str, float] = {}
    for group in trace.categories:
        shares[group.category] = shares.get(group.category, 0.0) + busy * group.share
    for category, share in shares.items():
        if category in _REMOVABLE and share >= _LEAST_SHARE:
            yield share, f"{of}{_REMOVABLE[category]}: up to {share:.1%} of the time"
