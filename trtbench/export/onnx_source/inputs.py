"""Inputs of a node: tensors, and integers that are part of what the node computes."""

import onnx_ir as ir

from trtbench.errors import ExportError
from trtbench.export.passes.graph import constant, static_shape


def operands(node: ir.Node) -> list[ir.Value]:
    """Inputs that are tensors; integers, which are axes, indices and shapes, are part of the function."""
    return [value for value in node.inputs if value is not None and not _is_integer(value)]


def _is_integer(value: ir.Value) -> bool:
    numbers = constant(value)
    return numbers is not None and numbers.dtype.kind in "iu"


def shape_of(value: ir.Value | None) -> tuple[int, ...]:
    """Static shape of ``value``.

    Raises:
        ExportError: it is not known.
    """
    shape = None if value is None else static_shape(value)
    if shape is None:
        name = None if value is None else value.name
        raise ExportError(f"the shape of tensor {name!r} is not static; export the model with static shapes")
    return shape


def integers_of(node: ir.Node, index: int, attribute: str = "") -> list[int] | None:
    """Integers that are an input or, in earlier opsets, an attribute."""
    if attribute and attribute in node.attributes:
        return list(node.attributes[attribute].as_ints())
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        return None
    numbers = constant(value)
    if numbers is None:
        raise ExportError(f"{node.op_type} (node {node.name!r}) computes {value.name!r} from the images")
    return [int(number) for number in numbers.reshape(-1)]
