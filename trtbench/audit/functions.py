"""Calls of a model's own functions, replaced by what the functions do."""

from collections.abc import Iterable, Iterator, Mapping

import onnx
from onnx import FunctionProto, NodeProto, inliner

_Functions = Mapping[tuple[str, str], FunctionProto]


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give a model without functions, its nodes named as TensorRT names them.

    A node of a function is ``NODE | CALL (FUNCTION)``, one of a function in a function
    ``NODE | INNER CALL (FUNCTION) | CALL (FUNCTION)``; a call has the name of its node.
    """
    if not model.functions:
        return model
    functions = {(function.domain, function.name): function for function in model.functions}
    names = list(_names(model.graph.node, functions))
    inlined = inliner.inline_local_functions(model)
    for node, name in zip(inlined.graph.node, names, strict=True):
        node.name = name
    return inlined


def node_name(node: NodeProto) -> str:
    """Name of a node; TensorRT's parser names a nameless one after its first output."""
    return node.name or f"node_of_{node.output[0]}"


def _names(nodes: Iterable[NodeProto], functions: _Functions, calls: str = "") -> Iterator[str]:
    for node in nodes:
        function = functions.get((node.domain, node.op_type))
        if function is None:
            yield node_name(node) + calls
        else:
            yield from _names(function.node, functions, f" | {node_name(node)} ({node.op_type}){calls}")
