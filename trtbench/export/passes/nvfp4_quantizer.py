"""NVFP4's dynamic quantiser, and how it is written in standard operators.

TensorRT-RTX 1.7 runs ``TRT_FP4DynamicQuantize`` as a kernel of its own, which reads what another kernel wrote
and writes. Two standard quantisers in its place, one for the scales of the blocks and one for the numbers,
fold into the kernels before them.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import add_node, constant, initializer, numpy_type, only_user

BLOCK = 16
_E2M1_MAX = 6.0
_LARGE_EXPONENT = 14  # 2**14 and its inverse are normal numbers of FP16


@dataclass(frozen=True)
class Quantizer:
    """A ``TRT_FP4DynamicQuantize`` of ``x`` and the node that dequantises its scales.

    ``factors`` lead from the largest magnitude of a block to its scale. They are in the type of ``x``: in
    float32 the compiler would keep 32 bits of each scale between its kernels.
    """

    node: ir.Node
    x: ir.Value
    factors: tuple[np.ndarray, ...]
    step: ir.Node

    @property
    def path(self) -> str:
        """Where the module of the quantiser is."""
        return (self.node.name or "").rpartition("/")[0]


def quantizers(graph: ir.Graph) -> list[Quantizer]:
    """Every dynamic quantiser along the last axis whose scales go nowhere but to be dequantised."""
    found = (_quantizer(node) for node in graph if node.op_type == "TRT_FP4DynamicQuantize")
    return [quantizer for quantizer in found if quantizer is not None]


def block_scales(quantizer: Quantizer, values: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """E4M3 scales ``shape`` of ``values``, which are ``(*shape, 16)``: ``max|x| / 6 / global scale``."""
    add = partial(add_node, quantizer.node, quantizer.path)
    graph = _graph_of(quantizer.node)
    last = initializer(graph, f"{quantizer.path}/block_axis", np.array([-1], np.int64))
    largest = add("ReduceMax", [add("Abs", [values]), last], keepdims=0)
    for index, factor in enumerate(quantizer.factors):
        name = f"Scale/Mul_{index}"
        largest = add("Mul", [largest, initializer(graph, f"{quantizer.path}/{name}/factor", factor)], name)
    one = initializer(graph, f"{quantizer.path}/one", np.ones_like(quantizer.factors[0]))
    scales = add(
        "QuantizeLinear", [largest, one], "Scale/QuantizeLinear", output_dtype=ir.DataType.FLOAT8E4M3FN
    )
    scales.shape = ir.Shape(shape)
    return scales


def quantize_with(quantizer: Quantizer, scales: ir.Value) -> None:
    """Quantise in a standard operator with these scales ``(..., K / 16)`` instead.

    A block of zeros has the scale 0: the codes that 0 / 0 gives, whatever they are, stand for 0 times 0, as
    E2M1 has no NaN.
    """
    codes, old_scales = quantizer.node.outputs
    ir.convenience.replace_all_uses_with(old_scales, scales)
    behind = _next_node(quantizer.step)
    add = partial(add_node, behind, quantizer.path)
    wide = add("Cast", [quantizer.x], "Input/Cast", to=ir.DataType.FLOAT)
    quantized = add(
        "QuantizeLinear",
        [wide, quantizer.step.outputs[0]],
        "Input/QuantizeLinear",
        axis=-1,
        block_size=BLOCK,
        output_dtype=ir.DataType.FLOAT4E2M1,
    )
    ir.convenience.replace_all_uses_with(codes, quantized)


def _quantizer(node: ir.Node) -> Quantizer | None:
    x, global_scale = node.inputs[0], constant(node.inputs[1])
    step = only_user(node.outputs[1], "DequantizeLinear")
    if x is None or x.shape is None or global_scale is None or step is None:
        return None
    if node.attributes.get_int("axis", -1) not in (-1, len(x.shape) - 1):
        return None
    factors = _in_range(1 / (_E2M1_MAX * float(global_scale.item())), numpy_type(x))
    return Quantizer(node, x, factors, step)


def _in_range(factor: float, dtype: np.dtype) -> tuple[np.ndarray, ...]:
    """``factor`` as a product of normal numbers of ``dtype``: powers of two, which are exact, and a rest."""
    _, exponent = math.frexp(factor)
    count = abs(exponent - 1) // _LARGE_EXPONENT
    step = _LARGE_EXPONENT if exponent > 0 else -_LARGE_EXPONENT
    powers = [np.array(math.ldexp(1.0, step), dtype) for _ in range(count)]
    return (*powers, np.array(math.ldexp(factor, -step * count), dtype))


def _graph_of(node: ir.Node) -> ir.Graph:
    if not isinstance(node.graph, ir.Graph):
        raise ValueError(f"{node.name} is in no graph")
    return node.graph


def _next_node(node: ir.Node) -> ir.Node:
    """The first node that reads what ``node`` computes."""
    return next(other for other in _graph_of(node) if any(value is node.outputs[0] for value in other.inputs))
