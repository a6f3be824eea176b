"""Tensors of a graph that no input changes: weights, what nodes compute from them, and static shapes."""

import math
from collections.abc import Iterable

from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper

_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
_OF_SHAPES = frozenset({"Shape", "Size"})
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)


def constant_sources(graph: GraphProto) -> dict[str, tuple[str, ...]]:
    """Find the constant tensors of a graph of static shapes, each with the weights that it is computed from.

    A weight is an initializer or the output of a Constant node. Exporters slice, split, transpose, add,
    quantize and dequantize weights in the graph, and unmerged adapters multiply them: the compiler slices in
    advance, and multiplies whenever the engine runs.
    """
    sources: dict[str, tuple[str, ...]] = {tensor.name: (tensor.name,) for tensor in graph.initializer}
    sources |= {tensor.values.name: (tensor.values.name,) for tensor in graph.sparse_initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            sources[node.output[0]] = (node.output[0],)
        elif node.op_type in _OF_SHAPES:
            sources[node.output[0]] = ()
        elif is_computed(node) and all(name in sources for name in node.input if name):
            found = _distinct(source for name in node.input if name for source in sources[name])
            sources.update(dict.fromkeys(filter(None, node.output), found))
    return sources


def scalar_constants(graph: GraphProto) -> dict[str, float]:
    """Values of floating-point constants of one element, such as scales."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            tensors.update((node.output[0], each.t) for each in node.attribute if each.HasField("t"))
    return {
        name: float(numpy_helper.to_array(tensor).item())
        for name, tensor in tensors.items()
        if tensor.data_type in _FLOATS and math.prod(tensor.dims) == 1
    }


def is_computed(node: NodeProto) -> bool:
    """Whether the inputs of a node alone determine its outputs; bodies read other tensors, too."""
    has_body = any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute)
    return bool(node.input) and node.op_type not in _RANDOM and not has_body


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
