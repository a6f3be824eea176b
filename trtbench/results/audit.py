"""Layers of a compiled engine, and what they say about the precision of the model."""

from typing import ClassVar, Literal

from pydantic import Field

from trtbench.results.base import SCHEMA_VERSION, Finding, Result
from trtbench.results.rows import Row, aligned, flat
from trtbench.results.tactics import TacticChoice
from trtbench.specs import RecipeField, Spec


class LayerTensor(Spec):
    """A tensor of a compiled layer; ``dtype`` and ``format`` as TensorRT prints them (``FP4E2M1``).

    ``dtype`` is ``unknown`` where TensorRT gives none, as TensorRT 10 may for dynamic shapes.
    """

    name: str
    dimensions: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    format: str


UNKNOWN_LAYER = "unknown"
"""Type of a compiled layer whose description has a form that is not known."""


class CompiledLayer(Spec):
    """One layer of the compiled engine, as the builder's verbose log prints it.

    Of a layer of type ``unknown`` only the name is known.
    """

    name: str
    layer_type: str
    tactic_name: str
    stream_id: int
    inputs: tuple[LayerTensor, ...]
    constants: tuple[LayerTensor, ...]
    outputs: tuple[LayerTensor, ...]
    onnx_nodes: tuple[str, ...]

    @classmethod
    def unread(cls, name: str) -> "CompiledLayer":
        """Make the layer of unknown type that a description of unknown form stands for."""
        return cls(
            name=name,
            layer_type=UNKNOWN_LAYER,
            tactic_name="",
            stream_id=0,
            inputs=(),
            constants=(),
            outputs=(),
            onnx_nodes=(),
        )


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
    ``inputs``, ``constants`` and ``outputs`` are those of the compiled layer; empty for a layer of a graph.
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
    tactic_name: str = ""
    inputs: tuple[LayerTensor, ...] = ()
    constants: tuple[LayerTensor, ...] = ()
    outputs: tuple[LayerTensor, ...] = ()


class RoleCoverage(Spec):
    """FLOPs of one role by precision: asked for, in the ONNX, compiled (absent without an engine).

    ``onnx`` and ``compiled`` are shares that add up to 1; ``fp16 x fp4`` has operands of two precisions.
    """

    role: str
    flops: int
    asked: str | None
    onnx: dict[str, float]
    compiled: dict[str, float] | None


class Audit(Result):
    """What the graph holds and, with an engine, what the compiler made of it.

    ``gemm_kernels`` are those of the Linear layers, ``other_kernels`` those that are not products (so
    that the convolution of the patch embedding counts in neither); ``quantize_kernels`` are those of the
    others that only quantise, dequantise or arrange scales. Of a graph alone, all counts of kernels are 0.
    ``targets``: those that the engine was built for. ``tactics``: of the operators whose tactics the build
    listed (``--tactic-table``).
    """

    SHOWN: ClassVar[tuple[str, ...]] = ("name", "role", "op", "precision_*", "m", "n", "k", "flops", "bytes")

    schema_version: int = SCHEMA_VERSION
    kind: Literal["audit"] = "audit"
    recipe: RecipeField | None
    backend: str | None
    targets: tuple[str, ...] = ()
    inputs: dict[str, tuple[int, ...]] = Field(default={}, description="shapes of the graph's, by name")
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
    tactics: tuple[TacticChoice, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """Compiled; of a graph alone, none."""
        return ("compiled",) if self.backend else ()

    def to_rows(self) -> list[Row]:
        """One a layer, in execution order."""
        fields = ("name", "role", "op", "block", "precision_in", "precision_out", "m", "n", "k")
        return aligned(flat(each, *fields, "flops", "bytes", "tactic_name") for each in self.layers)
