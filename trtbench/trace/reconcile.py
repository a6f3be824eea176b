"""Which compiled layer is which kernel of an inference, and what was predicted of it.

Both are sequences in execution order. They are aligned without crossing, so that pairs are worth the most
together: equal names, then a kernel that names the layer's tactic, then two that do the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trtbench.results import Audit, AuditedLayer, Prediction
from trtbench.results.trace import Category, LayerMatch, Reconciliation, Trace
from trtbench.trace.inferences import split_inferences
from trtbench.trace.layer_profile import LayerProfile
from trtbench.trace.recording import Recording
from trtbench.trace.taxonomy import category_of

Matched = Literal["name", "tactic", "place"]

_WORTH: dict[Matched, int] = {"name": 10, "tactic": 8, "place": 3}
# Myelin numbers layers (_myl0_12) and hashes kernels (_0x5c...).
_NUMBER = re.compile(r"(_myl\d+_\d+|_0x[0-9a-f]+)+$")
_STUB = "__myelin_CASK_STUB"
_DOES: dict[str, tuple[Category, ...]] = {
    "gemm": ("gemm",),
    "conv": ("conv", "gemm"),
    "attention": ("attention",),
    "norm": ("norm",),
    "gelu": ("gelu",),
    "quantize": ("quantize",),
    "dequantize": ("quantize",),
    "reformat": ("reformat", "copy"),
    "pointwise": ("pointwise",),
}
"""Categories of kernels by the operation of a layer."""


@dataclass(frozen=True)
class KernelRun:
    """One kernel of an inference: its median time over all inferences."""

    name: str
    us: float


def kernel_runs(source: Recording | LayerProfile) -> tuple[KernelRun, ...]:
    """The kernels of an inference in order; none where inferences were not found.

    Of inferences with different numbers of kernels, those with the most frequent number count.
    """
    if isinstance(source, LayerProfile):
        return tuple(KernelRun(layer.name, 1e3 * layer.median_ms) for layer in source.layers)
    split = split_inferences(source)
    if split is None:
        return ()
    counts = split.last - split.first
    usual = int(np.argmax(np.bincount(counts)))
    place = split.first[counts == usual][:, None] + np.arange(usual)
    kernels = source.kernels
    median_us = 1e-3 * np.median(kernels.end[place] - kernels.start[place], axis=0)
    names = (kernels.names[index] for index in kernels.name[place[0]])
    return tuple(KernelRun(name, float(us)) for name, us in zip(names, median_us, strict=True))


def reconcile(
    trace: Trace,
    runs: Sequence[KernelRun],
    audit: Audit | None,
    prediction: Prediction | None,
    graph_ms: float | None = None,
) -> Reconciliation:
    """Put compiled layers beside kernels.

    Args:
        trace: of which this is.
        runs: the kernels of one of its inferences.
        audit: of the engine that ran; None: only sums are compared.
        prediction: for the engine, its layers those of the audit.
        graph_ms: time of an inference that was measured without a profiler.
    """
    layers = audit.layers if audit else ()
    pairs = _aligned(layers, runs)
    predicted = [each.predicted_ms for each in prediction.layers] if prediction else [None] * len(layers)
    taken = {kernel for kernel, _ in pairs.values()}
    span_ms = trace.inferences.span_ms if trace.inferences else None
    kernel_ms = 1e-3 * sum(run.us for run in runs)
    return Reconciliation(
        engine=audit.backend if audit else None,
        gpu=prediction.gpu if prediction else None,
        graph_ms=graph_ms,
        kernel_ms=kernel_ms,
        gap_ms=None if span_ms is None else max(0.0, span_ms - kernel_ms),
        predicted_ms=prediction.gpu_compute_ms if prediction else None,
        layers=tuple(
            _match(layer, runs, pairs.get(index), predicted[index]) for index, layer in enumerate(layers)
        ),
        unmatched_kernels=tuple(run.name for index, run in enumerate(runs) if index not in taken)
        if layers
        else (),
    )


def _match(
    layer: AuditedLayer,
    runs: Sequence[KernelRun],
    pair: tuple[int, Matched] | None,
    predicted_ms: float | None,
) -> LayerMatch:
    run = None if pair is None else runs[pair[0]]
    return LayerMatch(
        layer=layer.name,
        role=layer.role,
        op=layer.op,
        kernel=run.name if run else None,
        matched_by=pair[1] if pair else None,
        measured_us=run.us if run else None,
        predicted_us=None if predicted_ms is None else 1e3 * predicted_ms,
    )


def _aligned(layers: Sequence[AuditedLayer], runs: Sequence[KernelRun]) -> dict[int, tuple[int, Matched]]:
    """For each layer that has one, its kernel and why (Needleman and Wunsch, gaps cost nothing)."""
    why = [[_likeness(layer, run.name) for run in runs] for layer in layers]
    worth = np.zeros((len(layers) + 1, len(runs) + 1), np.int64)
    for row, reasons in enumerate(why):
        for column, reason in enumerate(reasons):
            together = worth[row, column] + _WORTH[reason] if reason else 0
            worth[row + 1, column + 1] = max(together, worth[row, column + 1], worth[row + 1, column])
    pairs: dict[int, tuple[int, Matched]] = {}
    row, column = len(layers), len(runs)
    while row and column:
        reason = why[row - 1][column - 1]
        if reason and worth[row, column] == worth[row - 1, column - 1] + _WORTH[reason]:
            row, column = row - 1, column - 1
            pairs[row] = (column, reason)
        elif worth[row, column] == worth[row - 1, column]:
            row -= 1
        else:
            column -= 1
    return pairs


def _likeness(layer: AuditedLayer, kernel: str) -> Matched | None:
    if _NUMBER.sub("", layer.name) == _NUMBER.sub("", kernel):
        return "name"
    if layer.tactic_name and layer.tactic_name != _STUB and layer.tactic_name in kernel:
        return "tactic"
    return "place" if category_of(kernel) in _DOES.get(layer.op, ()) else None
