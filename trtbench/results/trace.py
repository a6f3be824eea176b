"""What a profiler recorded of kernels and of the host. Evidence kind: measured.

Times of a recording are those under its profiler, which makes kernels and launches a little slower.
"""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Finding, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.specs import Spec

Category = Literal[
    "gemm",
    "conv",
    "attention",
    "norm",
    "gelu",
    "quantize",
    "reformat",
    "softmax",
    "reduction",
    "sort",
    "copy",
    "pointwise",
    "graph",
    "other",
]
"""What a kernel does. ``reformat``: casts, transposes, concatenations; ``graph``: a replay whose kernels were
not recorded."""

InferenceSource = Literal["range", "graph launch", "kernel sequence", "layer profile"]
"""A range is one of NVTX, or of torch's ``record_function``."""
Cause = Literal[
    "copies",
    "queued kernels",
    "allocation",
    "launch",
    "copy calls",
    "other CUDA calls",
    "synchronisation",
    "operators",
    "Python",
    "outside CUDA",
]
"""What the GPU or the host does while no kernel runs; of several at once, the first counts.

``queued kernels``: the next kernel was launched already, and the GPU has not started it yet.
"""


class KernelTime(Spec):
    """All runs of one kernel, or of one layer of a layer profile; ``share`` is of the time of all kernels.

    ``format``: of the operands of a product (``fp16``, ``fp4``), where the name says so. ``architecture``:
    the one that the kernel was written for, such as ``sm80``, where the name says so. ``inference_ms``: mean
    time in one inference, where inferences were found.
    """

    name: str
    category: Category
    format: str | None
    architecture: str | None
    count: int
    total_ms: float
    mean_us: float
    min_us: float | None
    max_us: float | None
    share: float
    inference_ms: float | None


class CategoryTime(Spec):
    """All kernels of one category and format."""

    category: Category
    format: str | None
    count: int
    total_ms: float
    share: float
    inference_ms: float | None


class GapBin(Spec):
    """Gaps of at least ``from_us`` and less than ``to_us`` (None: any length)."""

    from_us: float
    to_us: float | None
    count: int
    total_ms: float


class Gaps(Spec):
    """Times without a kernel between the first and the last; ``count`` and ``total_ms``: over 10 us."""

    count: int
    total_ms: float
    longest_us: float
    histogram: tuple[GapBin, ...]


class Inferences(Spec):
    """Medians over inferences; ``count`` were found by ``source``, which ``detail`` names.

    ``kernel_ms``: sum of the kernels; ``busy_ms``: time with a kernel running; ``span_ms``: from the first
    kernel's start to the last one's end; ``period_ms``: from start to start.
    """

    source: InferenceSource
    detail: str
    count: int
    kernels: float
    kernel_ms: float
    busy_ms: float | None = None
    span_ms: float | None = None
    period_ms: float | None = None
    gaps: float | None = Field(default=None, description="over 10 us")

    @property
    def pipeline_efficiency(self) -> float | None:
        """Share of an inference with a kernel running, what lies between inferences left out."""
        return self.busy_ms / self.span_ms if self.busy_ms is not None and self.span_ms else None


class Transfer(Spec):
    """All copies of one direction (``host to device``), or all ``memset``."""

    kind: str
    count: int
    bytes: int
    total_ms: float
    gb_per_s: float | None


class IdleShare(Spec):
    """Part of the window in which no kernel runs; ``share`` is of the window."""

    cause: Cause
    total_ms: float
    share: float


class HostCall(Spec):
    """All calls of one function of CUDA."""

    name: str
    cause: Cause
    count: int
    total_ms: float
    mean_us: float


class Timeline(Spec):
    """GPU against wall time; the window is from the first kernel's start to the last one's end.

    ``busy_ms``: with at least one kernel running, on whatever stream. ``utilisation``: its share of the
    window.
    """

    window_ms: float
    busy_ms: float
    utilisation: float
    streams: int
    gaps: Gaps
    idle: tuple[IdleShare, ...]


class LayerMatch(Spec):
    """A compiled layer, the kernel that it is, and the time that was predicted for it.

    ``matched_by``: the equal name, the tactic in the kernel's name, or what both do and where they stand;
    None where no kernel was found. Times are of one inference.
    """

    layer: str
    role: str
    op: str
    kernel: str | None
    matched_by: Literal["name", "tactic", "place"] | None
    measured_us: float | None
    predicted_us: float | None


class RoleTime(Spec):
    """All layers of one role: how many found a kernel, and the time of one inference in them."""

    role: str
    layers: int
    matched: int
    measured_us: float
    predicted_us: float | None


class Reconciliation(Spec):
    """One inference: compiled layers against kernels. ``graph_ms`` is measured without a profiler.

    ``kernel_ms`` and ``gap_ms`` add up to the span under the profiler. ``unmatched_kernels``: kernels of
    an inference that no layer explains.
    """

    engine: str | None
    gpu: str | None = Field(description="that times are predicted for")
    graph_ms: float | None
    kernel_ms: float
    gap_ms: float | None
    predicted_ms: float | None
    layers: tuple[LayerMatch, ...]
    unmatched_kernels: tuple[str, ...]

    def by_role(self) -> tuple[RoleTime, ...]:
        """Sums by role, the longest measured first."""
        roles: dict[str, list[LayerMatch]] = {}
        for layer in self.layers:
            roles.setdefault(layer.role, []).append(layer)
        sums = (
            RoleTime(
                role=role,
                layers=len(layers),
                matched=sum(layer.kernel is not None for layer in layers),
                measured_us=sum(layer.measured_us or 0.0 for layer in layers),
                predicted_us=None
                if self.predicted_ms is None
                else sum(layer.predicted_us or 0.0 for layer in layers),
            )
            for role, layers in roles.items()
        )
        return tuple(sorted(sums, key=lambda each: -each.measured_us))


class Loss(Spec):
    """Part of the time between the ideal and the kernels of a trace; negative where the trace is better."""

    cause: str
    total_ms: float


class Amdahl(Spec):
    """Kernel time of one inference against an ideal: the GEMMs of the first trace at ``gemm_speedup``.

    ``total_ms`` is ``gemm_ms`` (convolutions among them) plus ``other_ms``. ``ideal``: speed-up of the first
    trace if its GEMMs alone were that much faster; ``ceiling``: if they took no time; ``speedup``: what this
    trace reaches. ``losses`` add up to the time that this trace takes beyond the ideal.
    """

    trace: str
    gemm_speedup: float
    total_ms: float
    gemm_ms: float
    other_ms: float
    speedup: float
    ideal: float
    ceiling: float
    losses: tuple[Loss, ...]


class Trace(Spec):
    """One GPU in one recording; a layer profile has neither a timeline nor host calls."""

    label: str
    path: str
    tool: str
    gpu: str | None
    target: str | None = Field(description="compute capability of the GPU, such as sm120")
    unit: Literal["kernel", "layer"] = "kernel"
    kernel_count: int
    kernel_ms: float
    mean_us: float
    timeline: Timeline | None
    inferences: Inferences | None
    categories: tuple[CategoryTime, ...]
    kernels: tuple[KernelTime, ...]
    transfers: tuple[Transfer, ...] = ()
    host_calls: tuple[HostCall, ...] = ()
    reconciliation: Reconciliation | None = None
    findings: tuple[Finding, ...] = ()

    def columns(self) -> Row:
        """What sets traces apart, and the metrics of the whole trace.

        ``trace_busy_share`` is the compute utilisation, ``inference_busy_share`` the pipeline efficiency.
        """
        row: Row = {"trace": self.label, "gpu": self.gpu}
        metrics: Row = {
            "trace_kernels": self.kernel_count,
            "trace_kernel_ms": self.kernel_ms,
            "trace_mean_us": self.mean_us,
        }
        if self.timeline is not None:
            metrics |= flat(self.timeline, "window_ms", "busy_ms", prefix="trace_")
            metrics["trace_busy_share"] = self.timeline.utilisation
            metrics["trace_gaps_over_10us"] = self.timeline.gaps.count
        if self.inferences is not None:
            metrics["inference_busy_share"] = self.inferences.pipeline_efficiency
            metrics |= flat(self.inferences, "count", "kernel_ms", "span_ms", prefix="inference_")
        return row | metrics


class TraceReport(Result):
    """One trace or several side by side; the first is the one that others are compared with."""

    EVIDENCE: ClassVar[tuple[str, ...]] = ("measured",)
    SHOWN: ClassVar[tuple[str, ...]] = (
        "trace",
        "name",
        "category",
        "format",
        "count",
        "total_ms",
        "kernel_share",
    )

    schema_version: int = SCHEMA_VERSION
    kind: Literal["trace_report"] = "trace_report"
    traces: tuple[Trace, ...]
    amdahl: tuple[Amdahl, ...] = Field(default=(), description="one a trace, where all have inferences")

    @property
    def evidence(self) -> tuple[str, ...]:
        """Measured; predicted too where a trace is reconciled with a prediction."""
        reconciled = [each.reconciliation for each in self.traces if each.reconciliation]
        has_prediction = any(each.predicted_ms is not None for each in reconciled)
        return ("measured", "predicted") if has_prediction else self.EVIDENCE

    def to_rows(self) -> list[Row]:
        """One a kernel of each trace, the longest first, with the metrics of its trace."""
        fields = ("name", "category", "format", "architecture", "count", "total_ms", "mean_us")
        return aligned(
            {
                **flat(each, *fields, "min_us", "max_us", "inference_ms"),
                "kernel_share": each.share,
                **trace.columns(),
            }
            for trace in self.traces
            for each in trace.kernels
        )
