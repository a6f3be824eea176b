"""What was timed on a GPU that is named (or on a CPU). Evidence kind: measured.

Series of times, all in milliseconds and one value a query (one enqueue of the whole batch):
    gpu_compute_ms  between two CUDA events around the query, queries queued ahead
    enqueue_ms      what the host spends to enqueue it
    host_wall_ms    from the call to the end of the query, one at a time
    h2d_ms, d2h_ms  copies of inputs and outputs from and to pinned memory, apart from the query
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.results.base import SCHEMA_VERSION, Count, Finding, Positive, Result, TensorRecord
from trtbench.results.environments import Environment
from trtbench.results.rows import Row, ends, flat
from trtbench.specs import ArmSpec, BenchSpec, Spec

Series = Literal["gpu_compute_ms", "enqueue_ms", "host_wall_ms", "h2d_ms", "d2h_ms"]
GraphUse = Literal["captured", "runtime", "none"]
ThrottleReason = Literal[
    "sw_power_cap", "sync_boost", "sw_therm_slowdown", "hw_therm_slowdown", "hw_power_brake_slowdown"
]
"""What may hold the clock down, in NVML's words."""
VerdictWord = Literal["FASTER", "SLOWER", "SAME", "AMBIGUOUS", "INCOMPARABLE"]


_TimeMs = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class LayerTime(Spec):
    """One layer in the profile of a runtime that times its layers: median, and its share of all layers."""

    name: str
    median_ms: float
    share: float


class ArmFacts(Spec):
    """What a process that loaded an arm found out.

    ``main_series`` is the one that speeds refer to: ``gpu_compute_ms``, or ``host_wall_ms`` on a CPU.
    ``graph_kernels`` counts kernel nodes of the graph we captured; unknown for a runtime's own graph.
    ``output_sample`` are the outputs of the first images, to be compared between arms. ``l2_bytes``: the L2
    cache of the GPU, where it is known. ``empty_query_ms``: of a query that computes nothing, in the main
    series; None where the runtime has no such model. ``layers``: timed apart from the queries, where the
    runtime does. ``unsteady``: how warm-ups ended that found no steady state.
    """

    runtime_version: str
    main_series: Series
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    cuda_graph: GraphUse
    graph_kernels: int | None
    output_sample: tuple[float, ...]
    device_memory_bytes: int | None
    l2_bytes: int | None = None
    empty_query_ms: float | None = Field(default=None, gt=0)
    load_s: float
    pid: int
    notes: tuple[str, ...] = ()
    layers: tuple[LayerTime, ...] = ()
    unsteady: tuple[str, ...] = ()


class Telemetry(Spec):
    """The GPU during one block, from NVML; a tuple holds what was read before, during and after it.

    ``throttle_us``: for how long each reason held the clock down, by the driver's own counters.
    """

    sm_clock_mhz: tuple[int, ...]
    power_w: tuple[float, ...]
    temperature_c: tuple[int, ...]
    energy_j: float | None
    throttle_us: dict[ThrottleReason, int]
    foreign_pids: tuple[int, ...]
    duration_s: float = Field(gt=0)


class TimedBlock(Spec):
    """Raw samples of one block: a line of ``blocks.jsonl``, or on zeros of ``constant_blocks.jsonl``."""

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION)
    arm: str
    build: int
    process: int
    block: int
    started_utc: str
    samples: dict[Series, Annotated[tuple[_TimeMs, ...], Field(min_length=1)]]
    telemetry: Telemetry | None = None


class Statistic(Spec):
    """Summary of a series in ms; ``ci95`` of the median, over builds, processes, blocks, samples."""

    samples: Count
    median: float = Field(gt=0)
    ci95: tuple[float, float]
    mean: float
    minimum: float
    p90: float
    p99: float
    maximum: float


class TelemetrySummary(Spec):
    """Telemetry of all blocks of an arm: medians, None where NVML reports nothing, and sums of counters."""

    sm_clock_mhz: float | None
    power_w: float | None
    temperature_c: float | None
    energy_per_image_j: float | None
    throttle_us: dict[ThrottleReason, int]
    throttled_share: float = Field(description="of the time of the blocks")


class Measurement(Result):
    """One arm, timed. A failed one has a ``reason``, its ``code`` and what was measured before.

    ``environment`` is null within a result that has it for all of its arms. ``builds``: engines that were
    built anew from the same model, the first among them.
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = ("measured",)

    schema_version: int = SCHEMA_VERSION
    kind: Literal["measurement"] = "measurement"
    arm: ArmSpec
    status: Literal["ok", "failed"]
    reason: str | None = None
    code: Code | None = None
    gpu: str | None = Field(description="null when a CPU computed it")
    protocol: BenchSpec
    batch: Positive | None
    facts: ArmFacts | None
    series: dict[Series, Statistic]
    queries_per_s: float | None
    images_per_s: float | None
    builds: Positive = Field(default=1, exclude_if=lambda builds: builds == 1)
    processes: Count
    blocks: Count
    telemetry: TelemetrySummary | None
    findings: tuple[Finding, ...] = ()
    environment: Environment | None = None
    raw: str = Field(description="file of raw blocks, relative to the result")

    @property
    def has_failed(self) -> bool:
        """Whether the arm failed."""
        return self.status == "failed"

    @property
    def main(self) -> Statistic | None:
        """The series that speeds refer to; None where nothing was timed."""
        return self.series.get(self.facts.main_series) if self.facts else None

    @property
    def median_ms(self) -> float | None:
        """Median of the main series; None where nothing was timed, or timing failed."""
        return self.main.median if self.main and not self.has_failed else None

    def measurements(self) -> "tuple[Measurement, ...]":
        """This one."""
        return (self,)

    def raw_files(self, folder: Path) -> list[Path]:
        """Files of every sample; ``folder`` holds the stored result."""
        return raw_files_of([self], folder)

    def with_samples_in(self, folder: Path) -> "Measurement":
        """The same, to be kept outside of ``folder``, where the file of raw blocks is."""
        return self.model_copy(update={"raw": str(folder.absolute() / self.raw)})

    def to_rows(self) -> list[Row]:
        """The only one."""
        arm = flat(self.arm, "label", "runtime", "recipe")
        return [{**arm, **flat(self, "batch", "status", "reason", "code"), **self.columns()}]

    def columns(self) -> Row:
        """What was measured, times in ms by series: ``measured_gpu_compute_median_ms``."""
        row = flat(self, "gpu", "images_per_s", "queries_per_s", "processes", "blocks", prefix="measured_")
        for name, found in self.series.items():
            series = f"measured_{name.removesuffix('_ms')}"
            for field in ("median", "mean", "minimum", "p90", "p99", "maximum"):
                row[f"{series}_{field}_ms"] = getattr(found, field)
            row |= ends(f"{series}_ci95", found.ci95, "_ms")
        fields = ("sm_clock_mhz", "power_w", "temperature_c", "energy_per_image_j", "throttled_share")
        return row | (flat(self.telemetry, *fields, prefix="measured_") if self.telemetry else {})

    def in_environment(self, machine: Environment | None) -> "Measurement":
        """The same, with the machine and the versions that were found where the arm ran."""
        own = self.environment or machine
        if own is not None and self.arm.environment is not None:
            own = own.with_versions(self.arm.environment.versions)
        return self.model_copy(update={"environment": own})


def raw_files_of(measurements: Iterable[Measurement], folder: Path) -> list[Path]:
    """Where the samples of these measurements are kept, each file once; ``folder`` is that of the result."""
    return [folder / raw for raw in dict.fromkeys(each.raw for each in measurements if each.blocks)]


class Verdict(Spec):
    """Two arms: ``ratio`` is the speed-up of ``arm`` over ``baseline``, with its 95 % interval."""

    baseline: str
    arm: str
    verdict: VerdictWord
    reason: str
    series: Series | None
    ratio: float | None
    ci95: tuple[float, float] | None
