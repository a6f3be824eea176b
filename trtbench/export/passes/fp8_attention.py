"""Attention in FP8: Q, K, V and the result of softmax between quantise and dequantise.

The compiler fuses attention in FP8 only where all four are quantised with 16-bit scales; then
``_gemm_mha_v2`` takes FP8. Softmax gives numbers up to 1, so that its scale is 1/448 whatever the
images, 448 being the largest E4M3 number; those of Q, K and V come from calibration.

An NVFP4 projection behind it reads the result twice, for its scales and for its numbers. Quantised, too, the
result comes out of the same kernel in 8 bits. It is a weighted mean of V's rows and takes their scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnx_ir as ir

from trtbench.errors import ExportError
from trtbench.export.fp16 import fp16_scales
from trtbench.export.passes.graph import initializer, numpy_type, only_user

_E4M3_MAX = 448.0


@dataclass(frozen=True)
class AttentionRange:
    """Largest magnitudes that one attention saw; ``query`` with the scale of attention applied."""

    query: float
    key: float
    value: float


def run(model: ir.Model, ranges: Sequence[AttentionRange], quantize_result: bool) -> int:
    """Quantise every attention, with ``quantize_result`` also what comes out of it; return how many.

    Raises:
        ExportError: the graph has another number of attentions than were calibrated.
    """
    attentions = [found for node in model.graph if (found := _attention(node)) is not None]
    if len(attentions) != len(ranges):
        raise ExportError(
            f"+fp8attn: {len(ranges)} attentions were calibrated, the graph has {len(attentions)}: some have "
            "a mask or a bias, which FP8 attention has not; remove +fp8attn"
        )
    for (scores, softmax, weighted), limits in zip(attentions, ranges, strict=True):
        path, dtype = (softmax.name or "").removesuffix("/Softmax"), numpy_type(softmax.outputs[0])
        result = weighted.outputs[0]
        users = list(result.uses()) if quantize_result else []
        for name, value, readers, amax in (
            ("q_quantizer", scores.inputs[0], [(scores, 0)], limits.query),
            ("k_quantizer", scores.inputs[1], [(scores, 1)], limits.key),
            ("softmax_quantizer", weighted.inputs[0], [(weighted, 0)], 1.0),
            ("v_quantizer", weighted.inputs[1], [(weighted, 1)], limits.value),
            ("result_quantizer", result, users, limits.value),
        ):
            if readers:
                scale = fp16_scales(np.array(amax / _E4M3_MAX)).astype(dtype)
                _quantize(model.graph, value, readers, f"{path}/{name}", scale)
    return len(attentions)


def _attention(softmax: ir.Node) -> tuple[ir.Node, ir.Node, ir.Node] | None:
    """Both products of attention with the softmax between them."""
    if softmax.op_type != "Softmax" or softmax.inputs[0] is None:
        return None
    scores, weighted = softmax.inputs[0].producer(), only_user(softmax.outputs[0], "MatMul")
    if scores is None or scores.op_type != "MatMul" or weighted is None:
        return None
    return scores, softmax, weighted


def _quantize(
    graph: ir.Graph,
    value: ir.Value | None,
    readers: Sequence[tuple[ir.Node, int]],
    path: str,
    scale: np.ndarray,
) -> None:
    """Let ``readers`` (nodes with the number of an input) read ``value`` quantised and dequantised."""
    inputs = [
        initializer(graph, f"{path}/scale", scale),
        initializer(graph, f"{path}/zero_point", np.array(0, ml_dtypes.float8_e4m3fn)),
    ]
    first = next(node for node in graph if any(node is reader for reader, _ in readers))
    for op_type in ("QuantizeLinear", "DequantizeLinear"):
        quantizer = ir.node(op_type, [value, *inputs], name=f"{path}/{op_type}")
        value = quantizer.outputs[0]
        value.name = f"{quantizer.name}_output_0"
        graph.insert_before(first, quantizer)
    for reader, index in readers:
        reader.replace_input_with(index, value)
