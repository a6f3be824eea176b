"""Attention in FP8: Q, K, V and the result of softmax between quantise and dequantise.

The compiler fuses attention in FP8 only where all four are quantised with 16-bit scales; then
``_gemm_mha_v2`` takes FP8. Softmax gives numbers up to 1, so that its scale is 1/448 whatever the
images, 448 being the largest E4M3 number; those of Q, K and V come from calibration.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import initializer, numpy_type, only_user

_E4M3_MAX = 448.0


@dataclass(frozen=True)
class AttentionRange:
    """Largest magnitudes that one attention saw; ``query`` with the scale of attention applied."""

    query: float
    key: float
    value: float


def run(model: ir.Model, ranges: Sequence[AttentionRange]) -> int:
    """Quantise every attention; return how many.

    Raises:
        ValueError: the graph has another number of attentions than were calibrated.
    """
    attentions = [found for node in model.graph if (found := _attention(node)) is not None]
    if len(attentions) != len(ranges):
        raise ValueError(f"{len(ranges)} attentions were calibrated, the graph has {len(attentions)}")
    for (scores, softmax, weighted), limits in zip(attentions, ranges, strict=True):
        path = (softmax.name or "").removesuffix("/Softmax")
        for node, operand, name, amax in (
            (scores, 0, "q_quantizer", limits.query),
            (scores, 1, "k_quantizer", limits.key),
            (weighted, 0, "softmax_quantizer", 1.0),
            (weighted, 1, "v_quantizer", limits.value),
        ):
            scale = np.array(amax / _E4M3_MAX).astype(numpy_type(softmax.outputs[0]))
            _quantize(model.graph, node, operand, f"{path}/{name}", scale)
    return len(attentions)


def _attention(softmax: ir.Node) -> tuple[ir.Node, ir.Node, ir.Node] | None:
    """Both products of attention with the softmax between them."""
    if softmax.op_type != "Softmax" or softmax.inputs[0] is None:
        return None
    scores, weighted = softmax.inputs[0].producer(), only_user(softmax.outputs[0], "MatMul")
    if scores is None or scores.op_type != "MatMul" or weighted is None:
        return None
    return scores, softmax, weighted


def _quantize(graph: ir.Graph, node: ir.Node, operand: int, path: str, scale: np.ndarray) -> None:
    value = node.inputs[operand]
    inputs = [
        initializer(graph, f"{path}/scale", scale),
        initializer(graph, f"{path}/zero_point", np.array(0, ml_dtypes.float8_e4m3fn)),
    ]
    for op_type in ("QuantizeLinear", "DequantizeLinear"):
        quantizer = ir.node(op_type, [value, *inputs], name=f"{path}/{op_type}")
        value = quantizer.outputs[0]
        value.name = f"{quantizer.name}_output_0"
        graph.insert_before(node, quantizer)
    node.replace_input_with(operand, value)
