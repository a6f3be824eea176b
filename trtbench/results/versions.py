"""The same ONNX files through several versions of the compiler, side by side."""

from typing import Any, Literal

from trtbench.results.base import SCHEMA_VERSION, Finding
from trtbench.results.diff import EngineDiff
from trtbench.results.environments import EnvironmentRecord
from trtbench.specs import BuildSpec, RecipeField, Spec


class VersionCompiled(Spec):
    """What one version made of one ONNX file. Evidence kind: compiled."""

    engine_path: str
    engine_sha256: str
    engine_bytes: int
    build_s: float
    gemm_flops_share: dict[str, float]
    attention_precision: str | None
    gemm_kernels: int
    attention_kernels: int
    quantize_kernels: int
    other_kernels: int
    other_bytes: int
    weight_bytes: int
    activation_bytes: int


class VersionRow(Spec):
    """One recipe in one environment; a failed row has a ``reason``."""

    recipe: RecipeField
    environment: str
    status: Literal["ok", "failed"]
    reason: str | None = None
    backend: str | None = None
    backend_version: str | None = None
    onnx_sha256: str | None = None
    compiled: VersionCompiled | None = None
    findings: tuple[Finding, ...] = ()


class VersionDifference(Spec):
    """What becomes of a recipe between the first environment and another one."""

    recipe: RecipeField
    before: str
    after: str
    diff: EngineDiff


class VersionComparison(Spec):
    """Recipes x environments: one ONNX file a recipe and one ``build_spec`` for all.

    ``differences`` hold every environment against the first one that has an engine of the recipe.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["version_comparison"] = "version_comparison"
    environment: dict[str, Any]
    model: str
    batch: int
    build_spec: BuildSpec
    environments: tuple[EnvironmentRecord, ...]
    rows: tuple[VersionRow, ...]
    differences: tuple[VersionDifference, ...]
