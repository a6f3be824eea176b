"""One concern: from static graphs to one whose batch is open, and in which nothing else is.

Passes read static shapes, and a graph with a symbolic batch keeps arithmetic on shapes between its products.
So the graph is made for two batches. They differ in nothing but constants that state the batch; these are
taken from the input instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from trtbench.errors import ExportError
from trtbench.export.graph.tensor_types import with_tensor_types
from trtbench.export.passes.graph import add_node, constant, initializer, static_shape

_SYMBOL = "batch"


@dataclass(frozen=True)
class _Batches:
    """The batch of the graph, and that of the other graph."""

    own: int
    other: int


def with_dynamic_batch(at_batch: Callable[[int], onnx.ModelProto], batch: int) -> onnx.ModelProto:
    """Return a graph of the nodes that ``at_batch(batch)`` has, and whose first dimension is open.

    A Reshape is given -1 in place of the batch, or of its multiple; any other operator a computed shape.

    Raises:
        ExportError: the graph depends on the batch in another way.
    """
    batches = _Batches(batch, batch + 1)
    other = {tensor.name: tensor for tensor in at_batch(batches.other).graph.initializer}
    model = ir.from_proto(at_batch(batches.own))
    for node in list(model.graph):
        for index, value in enumerate(node.inputs):
            shape = _shape_with_batch(value, other)
            if value is not None and shape is not None:
                node.replace_input_with(index, _opened(model.graph, node, value, shape, batches))
    _remove_unused(model.graph)
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.shape = _open_shape(value)
    return with_tensor_types(ir.to_proto(model))


def _shape_with_batch(value: ir.Value | None, other: Mapping[str, onnx.TensorProto]) -> np.ndarray | None:
    """Return what an integer constant is in the other graph, if that differs."""
    own = constant(value)
    if value is None or own is None or own.dtype != np.int64:
        return None
    tensor = other.get(str(value.name))
    found = None if tensor is None else onnx.numpy_helper.to_array(tensor)
    if found is None or found.shape != own.shape:
        raise ExportError(f"the batch cannot be dynamic: constant {value.name} depends on it")
    return None if (found == own).all() else found


def _opened(
    graph: ir.Graph, node: ir.Node, value: ir.Value, other: np.ndarray, batches: _Batches
) -> ir.Value:
    """Return the shape that ``node`` reads with the batch of the images in place of a number."""
    own = constant(value)
    if own is None or own.ndim != 1:
        raise ExportError(f"the batch cannot be dynamic: {node.name} reads it from {value.name}")
    follows = own != other
    if (own[follows] * batches.other != other[follows] * batches.own).any():
        raise ExportError(f"the batch cannot be dynamic: {value.name} is not a multiple of it")
    result = static_shape(node.outputs[0])
    if node.op_type == "Reshape" and follows.sum() == 1 and result is not None:
        target = np.where(follows, -1, np.where(own == -1, result, own))
        return initializer(graph, f"{node.name}/open_shape", target)
    return _computed(graph, node, own, follows, batches.own)


def _computed(graph: ir.Graph, node: ir.Node, own: np.ndarray, follows: np.ndarray, batch: int) -> ir.Value:
    """Concatenate the batch, or a multiple of it, with what does not follow it."""
    path = f"{node.name}/open_shape"
    size = add_node(node, path, "Shape", [graph.inputs[0]], start=0, end=1)
    parts = []
    for index, (number, is_open) in enumerate(zip(own.tolist(), follows.tolist(), strict=True)):
        factor = initializer(graph, f"{path}/{index}", np.array([number // batch if is_open else number]))
        is_multiple = is_open and number != batch
        parts.append(add_node(node, path, "Mul", [size, factor], f"Mul_{index}") if is_multiple else factor)
        parts[-1] = size if is_open and not is_multiple else parts[-1]
    return add_node(node, path, "Concat", parts, axis=0)


def _open_shape(value: ir.Value) -> ir.Shape:
    if value.shape is None:
        raise ExportError(f"the shape of {value.name} cannot be inferred")
    return ir.Shape([_SYMBOL, *list(value.shape)[1:]])


def _remove_unused(graph: ir.Graph) -> None:
    for name, value in list(graph.initializers.items()):
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[name]
