"""How long an engine is expected to take on a GPU that is named. Evidence kind: predicted, never measured."""

from typing import Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Positive, Result
from trtbench.results.rows import Row, aligned, ends, flat
from trtbench.specs import Spec

Level = Literal["measured", "same_chip", "unmeasured"]
"""How far a GPU is from one that was measured: itself, another board with its chip, another chip."""

Bound = Literal["compute", "l2", "dram", "floor"]
"""What most of a kernel's time is: tiles on the SMs, traffic through L2 or DRAM, or its graph node."""


class LayerPrediction(Spec):
    """One kernel; ``kernel`` is the operation as audits name it (``gemm``, ``norm``, ``quantize``)."""

    name: str
    role: str
    kernel: str
    predicted_ms: float
    interval_ms: tuple[float, float]
    bound: Bound


class BlockKernel(Spec):
    """One compiled kernel of a transformer block, and how long it is predicted to take.

    ``m, n, k`` and ``bytes`` as ``AuditedLayer`` has them, ``shape``: of its first output; empty if unknown.
    """

    name: str
    role: str
    kernel: str
    precision_in: str
    precision_out: str
    m: int | None
    n: int | None
    k: int | None
    shape: tuple[int, ...]
    flops: int
    bytes: int
    predicted_ms: float
    interval_ms: tuple[float, float]
    bound: Bound


class PredictedGroup(Spec):
    """Kernels of one kind and precision, which are taken to be off by one common factor.

    ``factor`` holds measured over predicted time of the group, as often as the prediction's ``coverage``
    says. ``rates``: the precision whose fitted rates they take, ``any`` where no product is.
    """

    predicted_ms: float
    factor: tuple[float, float]
    rates: str


class Prediction(Spec):
    """Predicted GPU time of one inference of the whole batch.

    ``interval_ms`` holds the measured time in ``coverage`` of the cases, if the engine's kernels are as fast
    as those that the model was fitted to. ``error_pct`` is the larger distance of its ends from
    ``gpu_compute_ms``. ``level``: whether the GPU was measured itself; ``calibrated_on``: the GPU whose
    kernel times were, and ``source`` where these come from. ``layers`` are empty in a comparison, which keeps
    sums only: the engine and its audit give them again.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["prediction"] = "prediction"
    gpu: str
    target: str
    clock_mhz: float
    level: Level
    calibrated_on: str
    source: str
    batch: Positive
    gpu_compute_ms: float
    interval_ms: tuple[float, float]
    coverage: float
    error_pct: float
    images_per_s: float
    by_role_ms: dict[str, float]
    by_kernel_ms: dict[str, float]
    groups: dict[str, PredictedGroup] = Field(description="by kind and precision, such as ``gemm fp8``")
    layers: tuple[LayerPrediction, ...]
    assumptions: tuple[str, ...]

    def columns(self) -> Row:
        """The predicted time and where it goes by role, in ms."""
        fields = ("gpu", "clock_mhz", "level", "gpu_compute_ms", "coverage", "error_pct", "images_per_s")
        by_role: Row = {f"predicted_{role}_ms": each for role, each in self.by_role_ms.items()}
        return {
            **flat(self, *fields, prefix="predicted_"),
            **ends("predicted_gpu_compute", self.interval_ms, "_ms"),
            **by_role,
        }


class GpuEntry(Spec):
    """One GPU of the cost model. A GPU without rates has no ``level`` and says why in ``not_predicted``.

    ``dense_tflops`` is the peak by precision (``fp16``, ``fp8``, ``fp4``); null without tensor cores for it.
    """

    name: str
    title: str
    target: str
    sms: int
    clock_mhz: float
    dram_gb_per_s: float
    dense_tflops: dict[str, float | None]
    level: Level | None
    calibrated_on: str | None
    not_predicted: str | None


class GpuList(Result):
    """The GPUs that times can be predicted for, and those that are only listed."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["gpu_list"] = "gpu_list"
    gpus: tuple[GpuEntry, ...]

    def to_rows(self) -> list[Row]:
        """One a GPU."""
        fields = ("name", "title", "target", "sms", "clock_mhz", "dram_gb_per_s", "level", "calibrated_on")
        return aligned(
            {
                **flat(gpu, *fields, "not_predicted"),
                **{f"dense_{name}_tflops": peak for name, peak in gpu.dense_tflops.items()},
            }
            for gpu in self.gpus
        )


class PredictedSpeedup(Spec):
    """How many times faster a row of a comparison is than its baseline, by both predicted times.

    ``interval``: all ratios that the factors of the groups allow, if one factor holds for a group in both
    rows. It is no wider than the quotient of the ends of both times' intervals.
    """

    baseline: str
    arm: str
    ratio: float
    interval: tuple[float, float]
