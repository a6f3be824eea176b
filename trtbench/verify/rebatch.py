"""The same network for another batch, so that eight images do not cost a whole batch of 64."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from onnx import NodeProto

from trtbench.errors import ArtifactError
from trtbench.onnx_files import infer_shapes
from trtbench.verify.standard_graph import Array, StandardGraph

Shapes = Mapping[str, tuple[int, ...]]


def with_batch(graph: StandardGraph, batch: int) -> StandardGraph | None:
    """Set another batch, or return None where it cannot be shown that every image is computed as before.

    The batch also stands in the shapes that Reshape and Expand are given. A proposal for those is made and
    then proven on the inferred shapes: every tensor that an image reaches has the batch in exactly one
    dimension, and Reshape moves rows of whole images, with the batch outermost before and after.
    """
    old = graph.input_shape[0]
    if batch == old:
        return graph
    shapes = _shapes(graph)
    if shapes is None:
        return None
    proposal = _proposal(graph, shapes, batch)
    new_shapes = _shapes(proposal)
    if new_shapes is None or not _is_proven(graph, shapes, new_shapes, (old, batch)):
        return None
    return proposal


def _shapes(graph: StandardGraph) -> Shapes | None:
    """Static shapes of all tensors; None if some cannot be inferred."""
    produced = [name for node in graph.nodes for name in node.output if name]
    try:
        model = graph.model(graph.output_names)
        inferred = infer_shapes(model, Path("the graph in standard operators"), strict=True).graph
    except ArtifactError:
        return None
    shapes = {name: array.shape for name, array in graph.constants.items()}
    for info in (*inferred.input, *inferred.value_info, *inferred.output):
        dims = info.type.tensor_type.shape.dim
        if info.type.tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            shapes[info.name] = tuple(dim.dim_value for dim in dims)
    return shapes if all(name in shapes for name in produced) else None


def _proposal(graph: StandardGraph, shapes: Shapes, batch: int) -> StandardGraph:
    constants = dict(graph.constants)
    nodes: list[NodeProto] = []
    for node in graph.nodes:
        target = _retargeted(node, graph, shapes, batch)
        if target is not None:
            name = f"{node.input[1]}/{node.op_type}.{len(nodes)}"
            constants[name] = target
            node = NodeProto.FromString(node.SerializeToString())
            node.input[1] = name
        nodes.append(node)
    return replace(
        graph, nodes=tuple(nodes), constants=constants, input_shape=(batch, *graph.input_shape[1:])
    )


def _retargeted(node: NodeProto, graph: StandardGraph, shapes: Shapes, batch: int) -> Array | None:
    """The shape for ``node`` with the new batch in front; None if it names no batch."""
    old = graph.input_shape[0]
    target = graph.constants.get(node.input[1]) if node.op_type in ("Reshape", "Expand") else None
    if target is None or not target.size or target[0] <= 0 or target[0] % old:
        return None
    changed: Array = target.copy()
    if node.op_type == "Expand":
        changed[0] = target[0] // old * batch
    elif -1 not in target:
        changed[0] = -1  # the same shape as long as the input stays, whether it holds the batch or not
    else:
        source = shapes[node.input[0]]
        changed[0] = target[0] // old * batch if source and source[0] % old == 0 else target[0]
    return changed


def _is_proven(graph: StandardGraph, old: Shapes, new: Shapes, batches: tuple[int, int]) -> bool:
    carries = {name: _batch_axis(shape, new[name], batches) for name, shape in old.items()}
    return all(_keeps_images_apart(node, carries) for node in graph.nodes)


def _batch_axis(old: tuple[int, ...], new: tuple[int, ...], batches: tuple[int, int]) -> int | None:
    """The one dimension that follows the batch; None if the shape stayed, -1 if it changed in another way."""
    if old == new:
        return None
    changed = [axis for axis, (before, after) in enumerate(zip(old, new, strict=False)) if before != after]
    if len(old) != len(new) or len(changed) != 1:
        return -1
    (axis,) = changed
    return axis if old[axis] * batches[1] == new[axis] * batches[0] else -1


def _keeps_images_apart(node: NodeProto, carries: Mapping[str, int | None]) -> bool:
    inputs = [carries[name] for name in node.input if name]
    outputs = [carries[name] for name in node.output if name]
    if -1 in inputs or -1 in outputs:
        return False
    reached = any(axis is not None for axis in inputs)
    if reached and None in outputs:  # a Shape, or a sum over the batch
        return False
    if node.op_type == "Reshape" and reached:
        return inputs[0] == 0 and outputs == [0]
    return True
