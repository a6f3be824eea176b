"""What the stages found. Every stored result carries a schema version.

Format history of stored JSON:
    1  first version
"""

from typing import Any, Literal

from pydantic import Field

from trtbench.specs import BuildSpec, ExportSpec, RecipeField, Spec

SCHEMA_VERSION = 1

Severity = Literal["info", "warning", "error"]


class Finding(Spec):
    """Something the user should know, with its numbers and the next step."""

    code: str
    severity: Severity
    message: str
    hint: str
    numbers: dict[str, float] = Field(default_factory=dict)
    layers: tuple[str, ...] = ()


class FileRecord(Spec):
    """A file beside the manifest; ``name`` is relative to it."""

    name: str
    sha256: str
    size_bytes: int


class TensorRecord(Spec):
    """A graph input or output; ``dtype`` in numpy's words (``float16``)."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class CalibrationRecord(Spec):
    """The images that calibrated the quantizers."""

    source: Literal["synthetic", "folder"]
    samples: int
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


class OnnxManifest(Spec):
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
    tool_versions: dict[str, str]
    created_utc: str
    duration_s: float


class EngineManifest(Spec):
    """``manifest.json`` of an engine; the first file is the engine. A bare ONNX file has no ``export``."""

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
    activation_bytes: int
    weight_bytes: int
    scratch_bytes: int
    peak_rss_bytes: int
    tool_versions: dict[str, str]
    created_utc: str
    build_s: float


class LayerTensor(Spec):
    """A tensor of a compiled layer; ``dtype`` and ``format`` as TensorRT prints them (``FP4E2M1``)."""

    name: str
    dimensions: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    format: str


class CompiledLayer(Spec):
    """One layer of the compiled engine, as the builder's verbose log prints it."""

    name: str
    layer_type: str
    tactic_name: str
    stream_id: int
    inputs: tuple[LayerTensor, ...]
    constants: tuple[LayerTensor, ...]
    outputs: tuple[LayerTensor, ...]
    onnx_nodes: tuple[str, ...]


class CompiledEngine(Spec):
    """``layers.json``: all compiled layers in execution order."""

    schema_version: int = SCHEMA_VERSION
    backend: str
    backend_version: str
    targets: tuple[str, ...]
    layers: tuple[CompiledLayer, ...]


class AuditedLayer(Spec):
    """A layer with its role in the ViT. ``precision_*`` is an element type such as ``fp16`` or ``fp4``.

    ``m, n, k``: the matrix product ``(m, k) x (k, n)``, batch folded into ``m``; absent elsewhere.
    ``bytes``: inputs, outputs and constants, each counted once: an upper bound on the DRAM traffic.
    """

    name: str
    role: str
    op: str
    block: int | None
    precision_in: str
    precision_out: str
    m: int | None = None
    n: int | None = None
    k: int | None = None
    flops: int = 0
    bytes: int = 0
    onnx_nodes: tuple[str, ...] = ()


class RoleCoverage(Spec):
    """FLOPs of one role by precision: asked for, in the ONNX, compiled (absent without an engine).

    ``onnx`` and ``compiled`` are shares that add up to 1; ``fp16 x fp4`` has operands of two precisions.
    """

    role: str
    flops: int
    asked: str | None
    onnx: dict[str, float]
    compiled: dict[str, float] | None


class Audit(Spec):
    """What the graph holds and, with an engine, what the compiler made of it.

    ``gemm_kernels`` are those of the Linear layers, ``other_kernels`` those that multiply no matrices (so
    that the convolution of the patch embedding counts in neither); ``quantize_kernels`` are those of the
    others that only quantise, dequantise or arrange scales. Of a graph alone, all counts of kernels are 0.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["audit"] = "audit"
    recipe: RecipeField | None
    backend: str | None
    layers: tuple[AuditedLayer, ...]
    by_role: tuple[RoleCoverage, ...]
    onnx_flops: int
    compiled_flops: int | None
    analytic_flops: int | None
    gemm_flops_share: dict[str, float]
    attention_precision: str | None
    gemm_kernels: int
    attention_kernels: int
    quantize_kernels: int
    other_kernels: int
    other_bytes: int
    findings: tuple[Finding, ...]


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
    """What the compiler made of a recipe. Evidence kind: compiled."""

    gemm_flops_share: dict[str, float]
    attention_precision: str | None
    gemm_kernels: int
    attention_kernels: int
    quantize_kernels: int
    other_kernels: int
    other_bytes: int
    weight_bytes: int
    activation_bytes: int
    by_role: dict[str, RoleCoverage]


class ComparisonRow(Spec):
    """One recipe. A failed row has a ``reason`` and no more than the stages that worked."""

    recipe: RecipeField
    status: Literal["ok", "failed"]
    reason: str | None = None
    onnx: OnnxSummary | None = None
    engine: EngineSummary | None = None
    compiled: CompiledSummary | None = None
    fidelity: None = None
    measured: None = None
    predicted: None = None
    findings: tuple[Finding, ...] = ()


class Comparison(Spec):
    """Several recipes of one model, side by side."""

    schema_version: int = SCHEMA_VERSION
    kind: Literal["comparison"] = "comparison"
    environment: dict[str, Any]
    model: str
    batch: int
    target: dict[str, Any]
    baseline: str
    rows: tuple[ComparisonRow, ...]
    verdicts: tuple[str, ...] = ()
