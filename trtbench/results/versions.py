"""The same ONNX files through several versions of the compiler, side by side."""

from typing import Any, Literal

from trtbench.results.base import SCHEMA_VERSION, Finding
from trtbench.results.comparison import CompiledSummary, EngineSummary
from trtbench.results.diff import EngineDiff
from trtbench.results.environments import EnvironmentRecord
from trtbench.results.measurement import Measurement, Verdict
from trtbench.specs import BuildSpec, RecipeField, Spec


class VersionRow(Spec):
    """One recipe in one environment, in one runtime if it was timed; a failed row has a ``reason``.

    Rows compare only if their ``onnx_sha256`` and ``protocol_sha256`` (of the ``BenchSpec``) are the same.
    """

    recipe: RecipeField
    environment: str
    status: Literal["ok", "failed"]
    reason: str | None = None
    onnx_sha256: str | None = None
    targets: tuple[str, ...] = ()
    engine: EngineSummary | None = None
    compiled: CompiledSummary | None = None
    runtime: str | None = None
    protocol_sha256: str | None = None
    measured: Measurement | None = None
    findings: tuple[Finding, ...] = ()


class VersionDifference(Spec):
    """What becomes of a recipe between the first environment and another one."""

    recipe: RecipeField
    before: str
    after: str
    diff: EngineDiff


class VersionComparison(Spec):
    """Recipes x environments: one ONNX file a recipe, and the same options for all that is built.

    ``build_spec``: how TensorRT-RTX builds, or the compiler asked for; rows tell theirs, and targets.
    ``differences`` hold every environment against the first one that has an engine of the recipe;
    ``verdicts`` every environment that was timed against the first, recipe by recipe. ``not_timed``: why rows
    without ``measured`` have none. ``gpu``: that queries ran on.
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
    verdicts: tuple[Verdict, ...] = ()
    not_timed: str | None = None
    gpu: str | None = None
