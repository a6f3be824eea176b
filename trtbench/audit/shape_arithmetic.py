"""Shapes that a graph computes at run time although all its inputs are static, as torch exports them.

ONNX's own inference passes integers through Shape, Gather and Concat, but not through the Equal and Where
that torch puts in front of an Expand (class and register tokens).
"""

import math
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

_FOLDABLE = frozenset(
    (
        "Add",
        "Cast",
        "Concat",
        "ConstantOfShape",
        "Div",
        "Equal",
        "Expand",
        "Gather",
        "Mul",
        "Range",
        "Reshape",
        "Slice",
        "Squeeze",
        "Sub",
        "Unsqueeze",
        "Where",
    )
)
_INTEGERS = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
_MAX_ELEMENTS = 64

Array = npt.NDArray[Any]


def fold_shape_arithmetic(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """Replace small computed integers of ``model`` by constants; return how many nodes that took away."""
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    values = {tensor.name: value for tensor in model.graph.initializer for value in _small_integers(tensor)}
    kept: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                values.update((node.output[0], value) for value in _small_integers(attribute.t))
        feeds = _inputs_of(node, values, shapes)
        result = None if feeds is None else _evaluate(node, feeds, opset)
        if result is None:
            kept.append(NodeProto.FromString(node.SerializeToString()))
        else:
            values[node.output[0]] = result
            model.graph.initializer.append(numpy_helper.from_array(result, node.output[0]))
    folded = len(model.graph.node) - len(kept)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return folded


def _small_integers(tensor: TensorProto) -> list[Array]:
    """Value of a tensor that may be a shape; empty for any other."""
    if tensor.data_type in _INTEGERS and math.prod(tensor.dims) <= _MAX_ELEMENTS:
        return [numpy_helper.to_array(tensor)]
    return []


def _inputs_of(
    node: NodeProto, values: dict[str, Array], shapes: dict[str, tuple[int, ...]]
) -> dict[str, Array] | None:
    """Inputs of a node whose value follows from ``values`` and ``shapes``; None for any other node."""
    if node.domain:
        return None
    if node.op_type == "Shape" and node.input[0] in shapes:
        return {node.input[0]: np.broadcast_to(np.float32(0), shapes[node.input[0]])}
    if node.op_type in _FOLDABLE and all(name in values for name in node.input if name):
        return {name: values[name] for name in node.input if name}
    return None


def _evaluate(node: NodeProto, feeds: dict[str, Array], opset: int) -> Array | None:
    from onnx.reference import ReferenceEvaluator

    outputs = cast("list[Array]", ReferenceEvaluator(node, opsets={"": opset}).run(None, feeds))
    value = np.asarray(outputs[0])
    return value if value.size <= _MAX_ELEMENTS and value.dtype.kind in "ib" else None
