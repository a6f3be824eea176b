"""Constants of an ONNX model."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto


def tensors_of(model: "ModelProto") -> "Iterator[TensorProto]":
    """All constants of a model, those in bodies and functions, too."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _of_node(node)


def bodies_of(node: "NodeProto") -> "Iterator[GraphProto]":
    """Graphs that a node holds, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def stored_bytes(tensor: "TensorProto") -> int:
    """Size of the data of a tensor in a file.

    Raises:
        ValueError: its type is unknown, or not of a fixed size.
    """
    from onnx import TensorProto, helper

    kind = TensorProto.DataType.Name(tensor.data_type)
    if kind in ("STRING", "UNDEFINED"):
        raise ValueError(f"tensor {tensor.name!r} is of the type {kind}")
    bits: int | None = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2}.get(kind)
    if bits is None:
        bits = 8 * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    elements: int = math.prod(tensor.dims)
    return -(-elements * bits // 8)


def _of_graph(graph: "GraphProto") -> "Iterator[TensorProto]":
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _of_node(node)


def _of_node(node: "NodeProto") -> "Iterator[TensorProto]":
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
    for body in bodies_of(node):
        yield from _of_graph(body)
