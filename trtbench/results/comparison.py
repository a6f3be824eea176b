"""Several recipes of one model, side by side."""

from typing import Any, Literal

from trtbench.results.audit import RoleCoverage
from trtbench.results.base import SCHEMA_VERSION, Finding
from trtbench.results.fidelity import Fidelity
from trtbench.results.measurement import Measurement, Verdict
from trtbench.specs import RecipeField, Spec


class OnnxSummary(Spec):
    """The ONNX file of a row."""

    path: str
    sha256: str
    size_bytes: int
    nodes: int


class EngineSummary(Spec):
    """The engine of a row."""

    path: str
    sha256: str
    size_bytes: int
    backend: str
    backend_version: str
    build_s: float


class CompiledSummary(Spec):
    """What the compiler made of a recipe; memory is null where it does not tell. Evidence kind: compiled."""

    gemm_flops_share: dict[str, float]
    attention_precision: str | None
    gemm_kernels: int
    attention_kernels: int
    quantize_kernels: int
    other_kernels: int
    other_bytes: int
    weight_bytes: int | None
    activation_bytes: int | None
    by_role: dict[str, RoleCoverage]


class ComparisonRow(Spec):
    """One recipe, in one runtime if it was timed.

    A failed row has a ``reason`` and no more than the stages that worked.
    """

    recipe: RecipeField
    status: Literal["ok", "failed"]
    reason: str | None = None
    onnx: OnnxSummary | None = None
    engine: EngineSummary | None = None
    compiled: CompiledSummary | None = None
    fidelity: Fidelity | None = None
    runtime: str | None = None
    measured: Measurement | None = None
    predicted: None = None
    findings: tuple[Finding, ...] = ()


class Comparison(Spec):
    """Several recipes of one model, side by side; ``not_timed`` says why no row has a measurement.

    ``img_size``: side of the images in pixels, where it was asked for; else the model's own.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["comparison"] = "comparison"
    environment: dict[str, Any]
    model: str
    batch: int
    img_size: int | None = None
    target: dict[str, Any]
    baseline: str
    rows: tuple[ComparisonRow, ...]
    verdicts: tuple[Verdict, ...] = ()
    not_timed: str | None = None
