"""How long an engine is expected to take on a GPU that is named. Evidence kind: predicted, never measured."""

from typing import Literal

from pydantic import Field

from trtbench.errors import Code
from trtbench.results.base import SCHEMA_VERSION
from trtbench.specs import RecipeField, Spec

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


class Prediction(Spec):
    """Predicted GPU time of one inference of the whole batch.

    ``interval_ms`` holds the measured time in ``coverage`` of the cases, if the engine's kernels are as fast
    as those that the model was fitted to. ``error_pct`` is the larger distance of its ends from
    ``gpu_compute_ms``. ``level``: whether the GPU was measured itself.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["prediction"] = "prediction"
    gpu: str
    target: str
    clock_mhz: float
    level: Level
    batch: int
    gpu_compute_ms: float
    interval_ms: tuple[float, float]
    coverage: float
    error_pct: float
    images_per_s: float
    by_role_ms: dict[str, float]
    by_kernel_ms: dict[str, float]
    layers: tuple[LayerPrediction, ...]
    assumptions: tuple[str, ...]
    calibration: dict[str, str] = Field(description="source of the rates, by kind of kernel and precision")


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


class GpuList(Spec):
    """The GPUs that times can be predicted for, and those that are only listed."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["gpu_list"] = "gpu_list"
    gpus: tuple[GpuEntry, ...]


class PredictedSpeedup(Spec):
    """How many times faster a row is than the first row of its shape: the ratio of both predicted times.

    ``interval`` is the plain quotient of bounds, the pessimistic end of one row over the optimistic end of
    the other: it holds whenever the intervals of both times do, so at least in ``coverage`` of the cases,
    however their errors are correlated. As two recipes share their model and most of their kernels, errors
    likely cancel in part, and the true interval is narrower; by how much is not known.
    """

    baseline: str
    ratio: float
    interval: tuple[float, float]
    coverage: float


class PredictionRow(Spec):
    """One recipe and shape; a failed row has a ``reason``, and no prediction.

    Args:
        key: unique among the rows.
        img_size: side of the images in pixels, where it was asked for; else the model's own.
        targets: what the engine was built for.
        speedup: over the first row of the shape; null for that row itself, and where either failed.
    """

    key: str
    recipe: RecipeField
    batch: int
    img_size: int | None = None
    status: Literal["ok", "failed"] = "ok"
    reason: str | None = None
    code: Code | None = None
    targets: tuple[str, ...] = ()
    prediction: Prediction | None = None
    speedup: PredictedSpeedup | None = None

    @property
    def shape(self) -> tuple[int, int | None]:
        """What rows share that are compared with each other."""
        return self.batch, self.img_size


class Predictions(Spec):
    """Predicted times of recipes on one GPU, side by side. Evidence kind: predicted, never measured."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["predictions"] = "predictions"
    model: str
    gpu: GpuEntry
    rows: tuple[PredictionRow, ...] = Field(min_length=1)

    @property
    def has_failed(self) -> bool:
        """Whether a row failed."""
        return any(row.status == "failed" for row in self.rows)
