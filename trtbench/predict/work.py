"""What the formulas need to know of each compiled layer."""

import math
from dataclasses import dataclass

from trtbench.audit.kernel_shapes import tensor_bytes
from trtbench.audit.kernels import steps_of
from trtbench.audit.precision import element_bits
from trtbench.errors import SpecError
from trtbench.predict.fitted import Kind
from trtbench.results import AuditedLayer
from trtbench.specs import GpuSpec

_SCALE_BYTES = {"fp4": 1 / 16, "mxfp8": 1 / 32}
_FITTED_AS = {
    "fp16": "fp16",
    "bf16": "fp16",
    "fp32": "fp16",
    "fp8": "fp8",
    "int8": "fp8",
    "mxfp8": "fp8",
    "fp4": "fp4",
}
_MEASURED = frozenset({"fp16", "bf16", "fp8", "fp4"})
_WIDEST_HEAD = 128
_USUAL_HEAD = 64
_GELU_STEPS = frozenset({"Erf", "Tanh"})
_HALF_ACCUMULATOR = "f16f16_f16f16_f16"
"""In the name of a tactic: FP16 operands that accumulate in FP16."""


@dataclass(frozen=True)
class KernelWork:
    """A layer as the cost model sees it: ``sizes`` are m, n, k, or heads, queries, keys, head width."""

    layer: AuditedLayer
    kind: Kind
    precision: str
    sizes: tuple[float, ...] = ()

    @property
    def fitted_precision(self) -> str:
        """The precision whose rates it takes."""
        by_kind = {"pointwise": "any", "attention": "fp16"}
        return by_kind.get(self.kind) or _FITTED_AS[self.precision]

    @property
    def precision_measured(self) -> bool:
        """Whether the fit had kernels of this kind in this precision."""
        timed = {"gemm": _MEASURED, "attention": {"fp16", "bf16"}}
        return self.kind == "pointwise" or self.precision in timed[self.kind]

    @property
    def group(self) -> str:
        """Kernels whose times are taken to be off by one factor.

        Those that take the same fitted rates, apart from precisions never timed: how far these are off
        is not known to go with anything.
        """
        return f"{self.kind} {self.fitted_precision if self.precision_measured else self.precision}"

    @property
    def operand_bytes(self) -> float:
        """Bytes of one element of an operand, with its share of a block's scale."""
        return element_bytes(self.precision)

    @property
    def epilogue_bytes(self) -> float:
        """Bytes that the epilogue of a product writes and reads for an element of the result."""
        m, n, k = self.sizes
        written = sum(map(tensor_bytes, self.layer.outputs))
        read = sum(map(tensor_bytes, self.layer.inputs)) - m * k * self.operand_bytes
        return (written + max(read, 0.0)) / (m * n)

    @property
    def gelu_elements(self) -> float:
        """Elements that a pointwise kernel takes the GELU of, if only to find scales of it."""
        steps = set(steps_of(self.layer))
        if not (steps & _GELU_STEPS if steps else self.layer.op == "gelu"):
            return 0.0
        tensors = (*self.layer.inputs, *self.layer.outputs)
        return float(max(math.prod(tensor.dimensions) for tensor in tensors))

    def peak(self, gpu: GpuSpec) -> float:
        """FLOP per clock and SM of the products on ``gpu``.

        Raises:
            SpecError: the GPU has no tensor cores for them.
        """
        half = self.precision == "fp16" and _HALF_ACCUMULATOR in self.layer.tactic_name
        return gpu.rate("fp16_fp16" if half else tensor_core_key(self.precision))


def element_bytes(precision: str) -> float:
    """Bytes of one element, with its share of a block's scale."""
    return element_bits(precision) / 8 + _SCALE_BYTES.get(precision, 0.0)


def tensor_core_key(precision: str) -> str:
    """The key of a GPU's peaks that products in ``precision`` have: FP32 products run in TF32."""
    return "tf32" if precision == "fp32" else precision


def work_of(layer: AuditedLayer) -> KernelWork:
    """Describe an audited layer of an engine.

    Raises:
        SpecError: a product in a precision that the cost model has no rates for.
    """
    if layer.op == "attention" and layer.flops and layer.outputs:
        return KernelWork(layer, "attention", _precision(layer), _attention_sizes(layer))
    if layer.op in ("gemm", "conv") and layer.m and layer.n and layer.k:
        return KernelWork(layer, "gemm", _precision(layer), (float(layer.m), float(layer.n), float(layer.k)))
    return KernelWork(layer, "pointwise", layer.precision_in)


def _precision(layer: AuditedLayer) -> str:
    """The wider one of two operands: the narrower is converted before it is multiplied."""
    words = layer.precision_in.split(" x ")
    if unknown := [word for word in words if word not in _FITTED_AS]:
        raise SpecError(
            f"layer {layer.name}: the cost model has no rates for products in {unknown[0]}, "
            f"only for {', '.join(_FITTED_AS)}"
        )
    return max(words, key=element_bits)


def _attention_sizes(layer: AuditedLayer) -> tuple[float, ...]:
    """Heads of all images, queries, keys and head width, from the result and the FLOPs.

    Both products of a head are ``2 x queries x keys x width``. A result that keeps the heads apart says
    how wide they are; otherwise they are taken as 64.
    """
    dimensions = layer.outputs[0].dimensions
    elements = math.prod(dimensions)
    keys = layer.flops / (4 * elements)
    apart = len(dimensions) > 2 and dimensions[-1] <= _WIDEST_HEAD
    width = float(dimensions[-1] if apart else _USUAL_HEAD)
    queries = float(dimensions[-2]) if apart else keys
    return (elements / (queries * width), queries, keys, width)
