"""How long an engine is expected to take on a GPU that is named. Evidence kind: predicted, never measured."""

from typing import Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION
from trtbench.specs import Spec

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
    level: Literal["measured", "same_chip", "unmeasured"]
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
