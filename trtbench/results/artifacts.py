"""Manifests: what the store holds, and how it was made."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Count, FileRecord, Finding, Result, TensorRecord
from trtbench.results.rows import Row, flat
from trtbench.specs import BuildSpec, ExportSpec, Spec


class CalibrationRecord(Spec):
    """The images that calibrated the quantizers."""

    source: Literal["synthetic", "folder"]
    samples: Count
    directory: str | None
    sha256: str | None


class SparsityRecord(Spec):
    """2:4 structure counted in the weights as they stand in the ONNX file, after quantisation.

    ``groups`` are runs of 4 weights along K; a group complies when at least 2 of its weights are 0.
    """

    method: str
    layers: int
    weights: int
    zeros: int
    groups: int
    compliant_groups: int


class OnnxManifest(Result):
    """``manifest.json`` of an exported model; the first file is the model.

    ``analytic_flops``: FLOPs of one inference of the whole batch by role, counted on the torch model.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["onnx"] = "onnx"
    spec_id: str
    spec: ExportSpec
    files: tuple[FileRecord, ...]
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    nodes: int
    opset: int
    analytic_flops: dict[str, int]
    calibration: CalibrationRecord | None
    sparsity: SparsityRecord | None
    notes: tuple[str, ...] = Field(default=(), description="deviations, such as layers left unquantized")
    findings: tuple[Finding, ...] = ()
    tool_versions: dict[str, str]
    created_utc: str
    duration_s: float

    def to_rows(self) -> list[Row]:
        """The only one."""
        return [
            {
                **flat(self.spec.model, "name", "img_size", prefix="model_"),
                **flat(self.spec, "recipe", "batch"),
                **flat(self, "spec_id", "nodes", "opset", "notes", "duration_s"),
                **flat(self.files[0], "size_bytes", "sha256", prefix="onnx_"),
            }
        ]


class EngineManifest(Result):
    """``manifest.json`` of an engine; the first file is the engine. A bare ONNX file has no ``export``.

    Device memory that the engine needs is null where the builder does not report it. ``command``: what built
    it. ``timing_cache``: the shared one as it was before the build, of 0 bytes if it was not there yet; null
    where the build shared none.
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = ("compiled",)

    schema_version: int = SCHEMA_VERSION
    kind: Literal["engine"] = "engine"
    spec_id: str
    spec: BuildSpec
    export: ExportSpec | None
    onnx_path: str
    onnx_sha256: str
    files: tuple[FileRecord, ...]
    backend: str
    backend_version: str
    activation_bytes: int | None
    weight_bytes: int | None
    scratch_bytes: int | None
    peak_rss_bytes: int
    tool_versions: dict[str, str]
    created_utc: str
    build_s: float
    command: tuple[str, ...] = ()
    timing_cache: FileRecord | None = None

    def to_rows(self) -> list[Row]:
        """The only one."""
        fields = ("activation_bytes", "weight_bytes", "scratch_bytes", "peak_rss_bytes", "build_s")
        return [
            {
                **flat(self.spec, "targets"),
                **flat(self, "spec_id", "backend", "backend_version", *fields),
                **flat(self.files[0], "size_bytes", "sha256", prefix="engine_"),
            }
        ]


@dataclass(frozen=True)
class EngineMemory:
    """Device memory that the engine needs, as the builder reports it; None where it does not."""

    activation_bytes: int | None
    weight_bytes: int | None
    scratch_bytes: int | None
