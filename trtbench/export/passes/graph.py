"""Steps through a graph and edits of it that the passes share."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """Return the node that computes ``value``, if it is of one of ``op_types``."""
    node = None if value is None else value.producer()
    return node if node is not None and node.op_type in op_types else None


def only_user(value: ir.Value, *op_types: str) -> ir.Node | None:
    """Return the one node that reads ``value``, if there is one and it is of one of ``op_types`` (or any)."""
    users = value.consumers()
    if len(users) != 1 or value.is_graph_output():
        return None
    return users[0] if not op_types or users[0].op_type in op_types else None


def other_input(node: ir.Node, value: ir.Value) -> ir.Value:
    """Return the operand of a binary ``node`` that is not ``value``."""
    first, second = node.inputs
    operand = second if first is value else first
    if operand is None:
        raise ValueError(f"{node.name} lacks an operand")
    return operand


def constant(value: ir.Value | None) -> np.ndarray | None:
    """Return the numbers of an initializer."""
    return None if value is None or value.const_value is None else value.const_value.numpy()


def initializer(graph: ir.Graph, name: str, array: np.ndarray) -> ir.Value:
    """Add a constant under ``name``."""
    value = ir.val(name, const_value=ir.tensor(array, name=name))
    graph.register_initializer(value)
    return value


def add_node(
    before: ir.Node,
    path: str,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    name: str | None = None,
    **attributes: object,
) -> ir.Value:
    """Insert a node named ``path/name`` (or after its type) and return what it computes."""
    if before.graph is None:
        raise ValueError(f"{before.name} is in no graph")
    node = ir.node(op_type, inputs, attributes=attributes, name=f"{path}/{name or op_type}")  # type: ignore[arg-type]
    node.outputs[0].name = f"{node.name}_output_0"
    before.graph.insert_before(before, node)
    return node.outputs[0]


def static_shape(value: ir.Value) -> tuple[int, ...] | None:
    """Return the shape of ``value`` where every dimension is a number."""
    if value.shape is None or not value.shape.is_static():
        return None
    return tuple(int(dim) for dim in value.shape)  # type: ignore[arg-type]


def numpy_type(value: ir.Value) -> np.dtype:
    """Return the element type of ``value`` as numpy has it."""
    if value.dtype is None:
        raise ValueError(f"{value.name} has no type")
    return value.dtype.numpy()
