"""An ONNX file as the audit needs it: nodes, shapes and element types, but no weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx
from onnx import AttributeProto, NodeProto
from onnx.shape_inference import InferenceError

from trtbench.audit.constants import constant_sources, scalar_constants
from trtbench.audit.functions import node_name
from trtbench.audit.model_file import load_model, make_inferable
from trtbench.audit.shape_arithmetic import fold_shape_arithmetic
from trtbench.audit.uncounted import is_product, uncounted_products
from trtbench.errors import ArtifactError

_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class GraphNode:
    """A node; ``attributes`` holds its integers only, ``equation`` is that of an Einsum."""

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, int]
    domain: str = ""
    equation: str = ""

    @property
    def is_product(self) -> bool:
        """Whether it multiplies matrices."""
        return is_product(self.op_type, self.domain, self.equation)


@dataclass(frozen=True)
class Graph:
    """Nodes in graph order; shape and ONNX element type of every tensor where they are known.

    ``inputs``: names of those that are no weights. ``constants``: tensors that no input changes, each with
    the weights that it is computed from; ``scalars``: values of those of one element. ``uncounted``: nodes
    that multiply matrices, or may, and are not among the products, each with what it is.
    """

    path: Path
    inputs: tuple[str, ...]
    nodes: tuple[GraphNode, ...]
    producers: dict[str, GraphNode]
    shapes: dict[str, tuple[int, ...]]
    element_types: dict[str, int]
    constants: dict[str, tuple[str, ...]]
    scalars: dict[str, float]
    uncounted: dict[str, str]

    @cached_property
    def products(self) -> tuple[GraphNode, ...]:
        """Nodes that multiply matrices."""
        return tuple(node for node in self.nodes if node.is_product)

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of ``tensor``.

        Raises:
            ArtifactError: shape inference did not reach it.
        """
        if tensor not in self.shapes:
            raise ArtifactError(
                f"{self.path}: the shape of tensor {tensor!r} cannot be inferred{self._reason(tensor)}"
            )
        return self.shapes[tensor]

    def _reason(self, tensor: str) -> str:
        """Where inference stopped, and what to do about it."""
        while tensor in self.producers:
            node = self.producers[tensor]
            unknown = [name for name in node.inputs if name and name not in self.shapes]
            if not unknown:
                return _advice(node)
            tensor = unknown[0]
        if tensor in self.inputs:
            return f": the file states no shape of input {tensor!r}; give it one with --shape"
        return f": no node computes {tensor!r}; check the graph with onnx.checker"


def _advice(node: GraphNode) -> str:
    if node.domain not in _STANDARD:
        return f": ONNX does not know the operator {node.domain}::{node.op_type} of node {node.name!r}"
    return f": ONNX's inference stops at node {node.name!r} ({node.op_type}); simplify the graph (onnxslim)"


def read_graph(path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Read nodes and shapes of an ONNX file; external data stays on disk.

    Args:
        path: the file.
        shapes: of dynamic inputs, by name.

    Raises:
        ArtifactError: no such file, not ONNX, damaged, or a shape is dynamic and not given.
        SpecError: a given shape does not fit.
    """
    model = load_model(path, shapes or {})
    nodes = tuple(_graph_node(node) for node in model.graph.node)
    constants, scalars = constant_sources(model.graph), scalar_constants(model.graph)
    weights = {tensor.name for tensor in model.graph.initializer}
    uncounted = uncounted_products(model.graph)
    make_inferable(model)
    try:
        known, element_types = _infer(model)
        while _products_without_shape(nodes, known) and fold_shape_arithmetic(model, known):
            known, element_types = _infer(model)
    except InferenceError as error:
        raise ArtifactError(
            f"{path}: shapes cannot be inferred ({' '.join(str(error).split())}): check the graph with "
            "onnx.checker"
        ) from error
    return Graph(
        path=path,
        inputs=tuple(value.name for value in model.graph.input if value.name not in weights),
        nodes=nodes,
        producers={output: node for node in nodes for output in node.outputs},
        shapes=known,
        element_types=element_types,
        constants=constants,
        scalars=scalars,
        uncounted=uncounted,
    )


def _infer(model: onnx.ModelProto) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
    """Static shapes and element types of all tensors that ONNX's inference reaches."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes: dict[str, tuple[int, ...]] = {}
    element_types: dict[str, int] = {}
    for info in (*inferred.input, *inferred.output, *inferred.value_info):
        tensor_type = info.type.tensor_type
        element_types[info.name] = tensor_type.elem_type
        dims = tensor_type.shape.dim
        if tensor_type.HasField("shape") and all(dim.HasField("dim_value") for dim in dims):
            shapes[info.name] = tuple(dim.dim_value for dim in dims)
    for tensor in inferred.initializer:
        shapes[tensor.name] = tuple(tensor.dims)
        element_types[tensor.name] = tensor.data_type
    return shapes, element_types


def _products_without_shape(nodes: tuple[GraphNode, ...], shapes: dict[str, tuple[int, ...]]) -> bool:
    return any(
        node.is_product and not {*node.inputs[:2], *node.outputs[:1]} <= shapes.keys() for node in nodes
    )


def _graph_node(node: NodeProto) -> GraphNode:
    return GraphNode(
        name=node_name(node),
        op_type=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={a.name: a.i for a in node.attribute if a.type == AttributeProto.INT},
        domain=node.domain,
        equation=next((a.s.decode() for a in node.attribute if a.name == "equation"), ""),
    )
