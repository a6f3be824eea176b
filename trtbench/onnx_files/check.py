"""What every reader of a graph relies on: names, order, numbers of operands, data that fit their tensors."""

import math
from collections import Counter
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.external_data_helper import uses_external_data

from trtbench.errors import ArtifactError
from trtbench.onnx_files.finite import check_finite
from trtbench.onnx_files.functions import check_functions
from trtbench.onnx_files.tensors import bodies_of, stored_bytes, tensors_of

_STANDARD = ("", "ai.onnx")
_SMALL = 64
"""Elements up to which a tensor may be a shape or a scale, whose value is used."""


def check_model(model: ModelProto, path: Path, has_data: bool) -> None:
    """Refuse a model that no reader can make sense of; ``has_data``: its large tensors have theirs.

    Raises:
        ArtifactError: it has no graph, opset or output, is written for a newer ONNX, has names that are not
            unique, a cycle, functions without end, or data that do not fit or are not finite.
    """
    if not model.graph.node:
        raise ArtifactError(f"{path}: holds no ONNX graph: export or download it again")
    if not model.opset_import or not model.graph.output:
        raise ArtifactError(f"{path}: not an ONNX model, or cut short: it has no opset or no graph output")
    opset = _opset(model, path)
    check_functions(model, path)
    _check_graph(path, model.graph, opset)
    for function in model.functions:
        for node in function.node:
            _check_node(path, node, opset)
    for tensor in tensors_of(model):
        _check_tensor(path, tensor, has_data)


def _opset(model: ModelProto, path: Path) -> int:
    opset = next((each.version for each in model.opset_import if each.domain in _STANDARD), 1)
    known = onnx.defs.onnx_opset_version()
    if not 1 <= opset <= known:
        raise ArtifactError(
            f"{path}: has opset {opset}, and onnx {onnx.__version__} knows 1 to {known}: export it with one "
            "of these, or install a newer onnx"
        )
    return opset


def _check_graph(path: Path, graph: GraphProto, opset: int) -> set[str]:
    """Check a graph and the bodies in it; return the names that it reads from outside."""
    read = [_check_node(path, node, opset) for node in graph.node]
    _check_names(path, graph)
    _check_order(path, graph.node, read)
    own = {value.name for value in (*graph.input, *graph.initializer)}
    return set().union(*read) - own.union(name for node in graph.node for name in node.output)


def _check_names(path: Path, graph: GraphProto) -> None:
    for what, names in (
        ("constants", [tensor.name for tensor in graph.initializer]),
        ("inputs", [value.name for value in graph.input]),
        ("outputs", [value.name for value in graph.output]),
        ("results of nodes", [name for node in graph.node for name in node.output if name]),
    ):
        name, count = Counter(names).most_common(1)[0] if names else ("", 0)
        if count > 1:
            raise ArtifactError(f"{path}: {count} {what} have the name {name!r}: export it again")
    given = {value.name for value in (*graph.input, *graph.initializer)}
    twice = sorted(given.intersection(name for node in graph.node for name in node.output))
    if twice:
        raise ArtifactError(f"{path}: {twice[0]!r} is given and computed, too: export it again")


def _check_order(path: Path, nodes: Sequence[NodeProto], read: Sequence[set[str]]) -> None:
    """Nodes may stand in any order, but not wait for one another; ``read``: the names that each reads."""
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    before = {index: {makers[name] for name in names if name in makers} for index, names in enumerate(read)}
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        node = nodes[error.args[1][0]]
        raise ArtifactError(
            f"{path}: node {node.name or node.output[0]!r} ({node.op_type}) reads what it leads to, a cycle: "
            "export it again"
        ) from error


def _check_node(path: Path, node: NodeProto, opset: int) -> set[str]:
    """Check a node and the bodies in it; return the names that it reads."""
    _check_operands(path, node, opset)
    bodies = [_check_graph(path, body, opset) for body in bodies_of(node)]
    return set(node.input).union(*bodies)


def _check_operands(path: Path, node: NodeProto, opset: int) -> None:
    """Their numbers, for readers take the first ones; operators of other domains may have any."""
    label = f"{path}: node {node.name or node.op_type!r} ({node.op_type})"
    if not any(node.output):
        raise ArtifactError(f"{label} has no output: export it again")
    if node.domain not in _STANDARD:
        return
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return  # not one of ONNX's, as the compiler will say
    for what, names, least, most in (
        ("input", node.input, schema.min_input, schema.max_input),
        ("output", node.output, schema.min_output, schema.max_output),
    ):
        if not least <= len(names) <= most or not all(names[: least if what == "input" else 0]):
            raise ArtifactError(f"{label} has {len(names)} {what}s, not {least} to {most}: export it again")


def _check_tensor(path: Path, tensor: TensorProto, has_data: bool) -> None:
    label = f"{path}: tensor {tensor.name!r} ({'x'.join(map(str, tensor.dims)) or 'scalar'})"
    if any(dim < 0 for dim in tensor.dims):
        raise ArtifactError(f"{label} has a negative dimension: export it again")
    if tensor.data_type == TensorProto.STRING and not tensor.HasField("raw_data"):
        return
    if uses_external_data(tensor):
        return
    needed = _stored_bytes(tensor, label)
    found = len(tensor.raw_data) if tensor.HasField("raw_data") else needed
    if has_data and found != needed:
        raise ArtifactError(f"{label} has {found} bytes, not {needed}: export or download it again")
    if math.prod(tensor.dims) <= _SMALL or (has_data and not tensor.HasField("raw_data")):
        try:
            numpy_helper.to_array(tensor)
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"{label} has no data that fit it: export or download it again") from error
    if has_data:
        check_finite(path, tensor, _bytes_of(tensor))


def _bytes_of(tensor: TensorProto) -> npt.NDArray[np.uint8]:
    """The data as they are stored, or would be; they fit the tensor."""
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, np.uint8)
    return np.frombuffer(numpy_helper.to_array(tensor).tobytes(), np.uint8)


def _stored_bytes(tensor: TensorProto, label: str) -> int:
    try:
        return stored_bytes(tensor)
    except ValueError as error:
        raise ArtifactError(
            f"{label} is of the type {tensor.data_type}, which has no bytes: export it again, or install a "
            "newer onnx"
        ) from error
