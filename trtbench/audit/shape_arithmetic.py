"""Shapes that a graph computes at run time although all its inputs are static, as torch exports them.

ONNX's own inference passes integers through Shape, Gather and Concat, but not through the Equal and Where
that torch puts in front of an Expand (class and register tokens), nor through the Mod, Div and Ceil of padded
windows.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, numpy_helper

from trtbench.audit.constants import is_computed

_KNOWN_TYPES = frozenset(
    (
        TensorProto.BOOL,
        TensorProto.DOUBLE,
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.INT32,
        TensorProto.INT64,
    )
)
_FOLDED = frozenset(
    {"Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "ConstantOfShape", "Div", "Equal"}
    | {"Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater"}
    | {"GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not"}
    | {"Or", "Pow", "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round"}
    | {"ScatterElements", "ScatterND", "Shape", "Sign", "Size", "Slice", "Split", "Sqrt", "Squeeze"}
    | {"Sub", "Tile", "Transpose", "Unsqueeze", "Where"}
)
"""Operators of shape arithmetic; of those that repeat or count, ``_grows`` looks at the result first."""
_KINDS = "bif"
"""Of numpy's types: boolean, integer, floating point."""
_MAX_ELEMENTS = 64

Array = npt.NDArray[Any]


def fold_shape_arithmetic(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """Replace small computed values of ``model`` by constants; return how many nodes that took away."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)
    values = {tensor.name: value for tensor in model.graph.initializer for value in _small_values(tensor)}
    kept: list[NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                values.update((node.output[0], value) for value in _small_values(attribute.t))
        feeds = _inputs_of(node, values, shapes)
        results = None if feeds is None else _evaluate(node, feeds, opset)
        if results is None:
            kept.append(NodeProto.FromString(node.SerializeToString()))
        else:
            values |= results
            model.graph.initializer.extend(
                numpy_helper.from_array(value, name) for name, value in results.items()
            )
    folded = len(model.graph.node) - len(kept)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return folded


def _small_values(tensor: TensorProto) -> list[Array]:
    """Value of a tensor that may be a shape, or go into one; empty for any other."""
    if tensor.data_type in _KNOWN_TYPES and math.prod(tensor.dims) <= _MAX_ELEMENTS:
        return [numpy_helper.to_array(tensor)]
    return []


def _inputs_of(
    node: NodeProto, values: dict[str, Array], shapes: dict[str, tuple[int, ...]]
) -> dict[str, Array] | None:
    """Inputs of a node whose value follows from ``values`` and ``shapes``; None for any other node."""
    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
        return {node.input[0]: np.broadcast_to(np.float32(0), shapes[node.input[0]])}
    if node.op_type in _FOLDED and is_computed(node) and all(name in values for name in node.input if name):
        feeds = [values[name] for name in node.input if name]
        return (
            None if _grows(node.op_type, feeds) else dict(zip(filter(None, node.input), feeds, strict=True))
        )
    return None


def _grows(operator: str, feeds: Sequence[Array]) -> bool:
    """Whether a result has more elements than any that matters here, by the values that set its size."""
    values = [np.asarray(feed, dtype=float) for feed in feeds]
    if operator in ("ConstantOfShape", "Expand", "Tile") and values:
        repeated = values[0].size if operator == "Tile" else 1
        return bool(repeated * np.prod(values[-1]) > _MAX_ELEMENTS)
    if operator == "Range":
        start, limit, step = (value.item() for value in values)
        return bool(abs(limit - start) > abs(step) * _MAX_ELEMENTS)
    return False


def _evaluate(node: NodeProto, feeds: dict[str, Array], opset: int) -> dict[str, Array] | None:
    """Small results of a node by name; None if it has others."""
    from onnx.reference import ReferenceEvaluator

    try:
        outputs = ReferenceEvaluator(node, opsets={"": opset}).run(None, feeds)
    except Exception:  # it raises whatever numpy does where a node contradicts its inputs
        return None
    results = {name: np.asarray(value) for name, value in zip(node.output, outputs, strict=True) if name}
    is_small = all(value.size <= _MAX_ELEMENTS and value.dtype.kind in _KINDS for value in results.values())
    return results if is_small else None
