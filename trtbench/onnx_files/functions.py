"""Calls of a model's own functions, replaced by what the functions do."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import onnx
from onnx import FunctionProto, NodeProto, inliner

from trtbench.errors import ArtifactError
from trtbench.onnx_files.tensors import bodies_of

_Key = tuple[str, str]
_Functions = Mapping[_Key, FunctionProto]

_MOST_NODES = 1_000_000
"""Nodes of a graph once its functions are replaced; a ViT has thousands."""
_DEEPEST_CALL = 100


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


def check_functions(model: onnx.ModelProto, path: Path) -> None:
    """Refuse functions that call themselves, or that make far more nodes than any model has.

    Raises:
        ArtifactError: they do, or two have one name.
    """
    functions = {(function.domain, function.name): function for function in model.functions}
    if len(functions) < len(model.functions):
        raise ArtifactError(f"{path}: two of its functions have one name: export it again")
    calls = {key: [*_called(function.node, functions)] for key, function in functions.items()}
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError as error:
        raise ArtifactError(
            f"{path}: the function {error.args[1][0][1]!r} calls itself: export it again"
        ) from error
    sizes: dict[_Key, int] = {}
    depths: dict[_Key, int] = {}
    for key in order:
        sizes[key] = len(functions[key].node) + sum(sizes[called] for called in calls[key])
        depths[key] = 1 + max((depths[called] for called in calls[key]), default=0)
    nodes = len(model.graph.node) + sum(sizes[key] for key in _called(model.graph.node, functions))
    if nodes > _MOST_NODES:
        raise ArtifactError(f"{path}: its functions make {nodes} nodes, more than {_MOST_NODES}: simplify it")
    if max(depths.values(), default=0) > _DEEPEST_CALL:
        raise ArtifactError(f"{path}: its functions are nested over {_DEEPEST_CALL} deep: simplify it")


def _called(nodes: Iterable[NodeProto], functions: _Functions) -> Iterator[_Key]:
    """The function of each call, those in bodies, too."""
    for node in nodes:
        if (node.domain, node.op_type) in functions:
            yield node.domain, node.op_type
        for body in bodies_of(node):
            yield from _called(body.node, functions)


def _names(nodes: Iterable[NodeProto], functions: _Functions, calls: str = "") -> Iterator[str]:
    for node in nodes:
        function = functions.get((node.domain, node.op_type))
        if function is None:
            yield node_name(node) + calls
        else:
            yield from _names(function.node, functions, f" | {node_name(node)} ({node.op_type}){calls}")
