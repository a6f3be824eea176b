"""An ONNX file as the audit needs it: nodes, shapes and element types, but no weights."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, NodeProto, TensorProto
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from trtbench.audit.shape_arithmetic import fold_shape_arithmetic
from trtbench.audit.without_weights import load_without_weights
from trtbench.errors import ArtifactError

PRODUCT_OPERATORS = frozenset({"MatMul", "Gemm", "Conv", "Attention"})
"""Operators that multiply matrices."""
_SHAPE_TENSOR_ELEMENTS = 64
"""Tensors up to this size may be shapes, axes or factors of a Resize: shape inference needs their values."""
_DATA_FIELDS = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data")


@dataclass(frozen=True)
class GraphNode:
    """A node; ``attributes`` holds its integers only."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, int]


@dataclass(frozen=True)
class Graph:
    """Nodes in graph order; shape and ONNX element type of every tensor where they are known.

    ``inputs``: names of those that are no weights.
    """

    path: Path
    inputs: tuple[str, ...]
    nodes: tuple[GraphNode, ...]
    producers: dict[str, GraphNode]
    shapes: dict[str, tuple[int, ...]]
    element_types: dict[str, int]
    weights: frozenset[str]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of ``tensor``.

        Raises:
            ArtifactError: shape inference did not reach it.
        """
        if tensor not in self.shapes:
            raise ArtifactError(
                f"{self.path}: the shape of tensor {tensor!r} cannot be inferred: "
                "simplify the graph, or remove the custom operator in front of it"
            )
        return self.shapes[tensor]


def read_graph(path: Path) -> Graph:
    """Read nodes and shapes of an ONNX file with static shapes; external data stays on disk.

    Raises:
        ArtifactError: no such file, not ONNX, damaged, or a dynamic shape.
    """
    model = _load_without_weights(path)
    _refuse_dynamic_inputs(model, path)
    nodes = tuple(_graph_node(node) for node in model.graph.node)
    weights = frozenset(tensor.name for tensor in model.graph.initializer)
    _make_inferable(model)
    shapes, element_types = _infer(model)
    while _products_without_shape(nodes, shapes) and fold_shape_arithmetic(model, shapes):
        shapes, element_types = _infer(model)
    return Graph(
        path=path,
        inputs=tuple(value.name for value in model.graph.input if value.name not in weights),
        nodes=nodes,
        producers={output: node for node in nodes for output in node.outputs},
        shapes=shapes,
        element_types=element_types,
        weights=weights,
    )


def _infer(model: onnx.ModelProto) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Static shapes and element types of all tensors that ONNX's inference reaches."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, tuple[int, ...]] = {}
    element_types: dict[str, int] = {}
    for info in (*inferred.input, *inferred.output, *inferred.value_info):
        tensor_type = info.type.tensor_type
        element_types[info.name] = tensor_type.elem_type
        dims = tuple(dim.dim_value for dim in tensor_type.shape.dim)
        if tensor_type.HasField("shape") and all(dims):
            shapes[info.name] = dims
    for tensor in inferred.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
        element_types[tensor.name] = tensor.data_type
    return shapes, element_types


def _products_without_shape(nodes: tuple[GraphNode, ...], shapes: dict[str, tuple[int, ...]]) -> bool:
    return any(
        node.op_type in PRODUCT_OPERATORS and not {*node.inputs[:2], *node.outputs[:1]} <= shapes.keys()
        for node in nodes
    )


def _load_without_weights(path: Path) -> onnx.ModelProto:
    try:
        model = load_without_weights(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path}: no such ONNX file: check the path") from error
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}): give the path of an ONNX file"
        ) from error
    except DecodeError as error:
        raise ArtifactError(f"{path}: not an ONNX file, or truncated: export or copy it again") from error
    if not model.graph.node:
        raise ArtifactError(f"{path}: holds no ONNX graph: export or copy it again")
    for tensor in _tensors(model.graph):
        if math.prod(tensor.dims) > _SHAPE_TENSOR_ELEMENTS:
            for field in _DATA_FIELDS:
                tensor.ClearField(field)
        elif uses_external_data(tensor):
            load_external_data_for_tensor(tensor, str(path.parent))
    return model


def _tensors(graph: onnx.GraphProto) -> Iterable[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (
                attribute.t for attribute in node.attribute if attribute.type == AttributeProto.TENSOR
            )


def _refuse_dynamic_inputs(model: onnx.ModelProto, path: Path) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name in weights:
            continue
        dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if any(not isinstance(dim, int) or dim <= 0 for dim in dims):
            shown = ", ".join(str(dim or "?") for dim in dims)
            raise ArtifactError(
                f"{path}: input {value.name!r} has the dynamic shape [{shown}]: "
                "audits need a static batch; export again with a fixed one"
            )


def _graph_node(node: NodeProto) -> GraphNode:
    return GraphNode(
        # TensorRT's parser names a nameless node like this.
        name=node.name or f"node_of_{node.output[0]}",
        op_type=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={a.name: a.i for a in node.attribute if a.type == AttributeProto.INT},
    )


def _make_inferable(model: onnx.ModelProto) -> None:
    """Turn quantizers of the domain ``trt`` into Casts: they keep the shape, and ONNX does not know them.

    Stated shapes go too: they may be older than the batch size, and inference would keep them.
    """
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    types |= {
        node.output[0]: attribute.t.data_type
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
    }
    casts = []
    for node in model.graph.node:
        targets = _output_types(node, types) if node.domain == "trt" else []
        if targets:
            casts += [
                onnx.helper.make_node("Cast", [node.input[0]], [output], to=target)
                for output, target in zip(node.output, targets, strict=False)
            ]
        else:
            casts.append(node)
    kept = [NodeProto.FromString(node.SerializeToString()) for node in casts]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _output_types(node: NodeProto, types: dict[str, int]) -> list[int]:
    """Element types of the outputs of a quantizer of ModelOpt's; empty for any other operator."""
    stated = next((a.i for a in node.attribute if a.name == "output_dtype"), 0)
    if node.op_type.endswith("DynamicQuantize"):
        data = TensorProto.FLOAT4E2M1 if "FP4" in node.op_type else TensorProto.FLOAT8E4M3FN
        scale = TensorProto.FLOAT8E4M3FN if "FP4" in node.op_type else TensorProto.FLOAT8E8M0
        return [data, scale]
    if node.op_type.endswith("DequantizeLinear"):
        return [stated or types.get(node.input[1], TensorProto.FLOAT)]
    if node.op_type.endswith("QuantizeLinear"):
        zero_point = types.get(node.input[2]) if len(node.input) > 2 else None
        by_name = TensorProto.INT8 if "INT8" in node.op_type else TensorProto.FLOAT8E4M3FN
        return [stated or zero_point or by_name]
    return []
