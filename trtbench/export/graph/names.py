"""Names that say which module a node or a weight belongs to."""

from collections.abc import Iterable

import onnx
from onnx import GraphProto, NodeProto


def with_module_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Name all nodes and weights under the paths that torch's exporter gives: ``/blocks/blocks.0/attn/...``.

    Nodes that ModelOpt adds have no name or one made of the weight's: each gets the path of the module that
    it feeds, and there ``weight_quantizer`` or ``input_quantizer``. Weights that torch's exporter transposes
    are called ``onnx::MatMul_123``: each gets the path of the product and ``weight``.
    """
    graph = model.graph
    used = {node.name for node in graph.node}
    weight_side = _computed_from_weights(graph)
    path_of_reader: dict[str, str] = {}
    for node in reversed(graph.node):
        path = _module_path(node.name)
        if path is None:
            path = next((path_of_reader[name] for name in node.output if name in path_of_reader), "")
            side = "weight" if node.output[0] in weight_side else "input"
            node.name = _unused(f"{path}/{side}_quantizer/{node.op_type}", used)
        path_of_reader.update(dict.fromkeys(node.input, path))
    _rename_constants(graph, path_of_reader)
    return model


def _module_path(node_name: str) -> str | None:
    """``/head/input_quantizer/Cast`` -> ``/head``; None for a name that torch's exporter did not make."""
    if not node_name.startswith("/"):
        return None
    parts = node_name.split("/")[:-1]
    return "/".join(part for part in parts if not part.endswith("_quantizer"))


def _computed_from_weights(graph: GraphProto) -> set[str]:
    constant = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if constant.issuperset(node.input):
            constant.update(node.output)
    return constant


def _rename_constants(graph: GraphProto, path_of_reader: dict[str, str]) -> None:
    used = {tensor.name for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    for tensor in graph.initializer:
        if tensor.name.startswith("onnx::"):
            kind = "weight" if tensor.name.startswith("onnx::MatMul") else "constant"
            renamed[tensor.name] = _unused(f"{path_of_reader.get(tensor.name, '')}/{kind}", used)
            tensor.name = renamed[tensor.name]
    _rename_inputs(graph.node, renamed)


def rename_tensors(graph: GraphProto, renamed: dict[str, str]) -> None:
    """Rename inputs and outputs of nodes."""
    _rename_inputs(graph.node, renamed)
    for node in graph.node:
        for index, name in enumerate(node.output):
            node.output[index] = renamed.get(name, name)


def _rename_inputs(nodes: Iterable[NodeProto], renamed: dict[str, str]) -> None:
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)


def _unused(name: str, used: set[str]) -> str:
    """``name``, with a number when it is taken; marks it as taken."""
    candidate, number = name, 0
    while candidate in used:
        number += 1
        candidate = f"{name}_{number}"
    used.add(candidate)
    return candidate
