"""The scale of attention on Q alone.

The exporter multiplies Q and the transposed K by the square root of the scale each. In INT8, on K that costs
two kernels that write K once more; on Q it folds into the one that adds the bias. In other precisions the
compiler moves the scale itself. With heads of 64 it is a power of two: nothing is rounded differently.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import constant, initializer, other_input, producer


def run(model: ir.Model) -> int:
    """Move the scale in every attention that has it on both sides; return how many."""
    return sum(_move(model.graph, node) for node in model.graph if node.op_type == "MatMul")


def _move(graph: ir.Graph, scores: ir.Node) -> bool:
    query, key = (_scaled(operand) for operand in scores.inputs)
    if query is None or key is None:
        return False
    factor = query.scale.astype(np.float64) * key.scale.astype(np.float64)
    scale = initializer(graph, f"{query.node.name}_scale", factor.astype(query.scale.dtype))
    query.node.replace_input_with(query.node.inputs.index(query.constant), scale)
    scores.replace_input_with(1, other_input(key.node, key.constant))
    return True


@dataclass(frozen=True)
class _Scaled:
    """A multiplication by a number."""

    node: ir.Node
    constant: ir.Value
    scale: np.ndarray


def _scaled(value: ir.Value | None) -> _Scaled | None:
    node = producer(value, "Mul")
    for operand in node.inputs if node is not None else ():
        scale = constant(operand)
        if node is not None and operand is not None and scale is not None and scale.size == 1:
            return _Scaled(node, operand, scale)
    return None
