"""The same ONNX files through several versions of the compiler, side by side."""

from typing import Any, Literal

from trtbench.results.base import SCHEMA_VERSION, Finding
from trtbench.results.comparison import CompiledSummary, EngineSummary
from trtbench.results.diff import EngineDiff
from trtbench.results.environments import EnvironmentRecord
from trtbench.specs import BuildSpec, RecipeField, Spec


class VersionRow(Spec):
    """One recipe in one environment; a failed row has a ``reason``."""

    recipe: RecipeField
    environment: str
    status: Literal["ok", "failed"]
    reason: str | None = None
    onnx_sha256: str | None = None
    engine: EngineSummary | None = None
    compiled: CompiledSummary | None = None
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
