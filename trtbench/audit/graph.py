"""An ONNX file as the audit needs it: nodes, shapes and element types, but no weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import AttributeProto, NodeProto

from trtbench.audit.constants import constant_sources, scalar_constants
from trtbench.audit.model_file import load_model, make_inferable
from trtbench.audit.shape_arithmetic import fold_shape_arithmetic
from trtbench.audit.uncounted import is_product, uncounted_products
from trtbench.errors import ArtifactError
from trtbench.onnx_files import infer_shapes, onnx_faults
from trtbench.onnx_files.functions import node_name

Shapes = dict[str, tuple[int, ...]]
"""Of tensors, by name."""

_STANDARD = ("", "ai.onnx")
_QLINEAR = frozenset({"QLinearConv", "QLinearMatMul"})


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

    ``inputs``: names of those that are not weights. ``products``: nodes that multiply matrices and whose
    shapes are known. ``constants``: tensors that no input changes, each with the weights that it is computed
    from; ``scalars``: values of those of one element. ``uncounted``: nodes that multiply matrices, or may,
    and are not among the products, each with what it is.
    """

    path: Path
    inputs: tuple[str, ...]
    nodes: tuple[GraphNode, ...]
    products: tuple[GraphNode, ...]
    producers: dict[str, GraphNode]
    shapes: dict[str, tuple[int, ...]]
    element_types: dict[str, int]
    constants: dict[str, tuple[str, ...]]
    scalars: dict[str, float]
    uncounted: dict[str, str]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of ``tensor``.

        Raises:
            ArtifactError: shape inference did not reach it.
        """
        if tensor not in self.shapes:
            raise ArtifactError(
                f"{self.path}: the shape of {tensor!r} cannot be inferred: simplify the graph (onnxslim)"
            )
        return self.shapes[tensor]


def operands_of(node: GraphNode) -> tuple[str, ...]:
    """The tensors that a product multiplies: two, of an Attention three."""
    if node.op_type in _QLINEAR:
        return node.inputs[0], node.inputs[3]
    return node.inputs[:3] if node.op_type == "Attention" else node.inputs[:2]


def read_graph(path: Path, shapes: Shapes | None = None) -> Graph:
    """Read nodes and shapes of an ONNX file; external data stays on disk.

    Args:
        path: the file.
        shapes: of dynamic inputs, by name.

    Raises:
        ArtifactError: no such file, not ONNX, damaged, or a shape is dynamic and not given.
        SpecError: a given shape does not fit.
    """
    model = load_model(path, shapes or {})
    with onnx_faults(path):
        return _graph_of(model, path)


def _graph_of(model: onnx.ModelProto, path: Path) -> Graph:
    nodes = tuple(_graph_node(node) for node in model.graph.node)
    constants, scalars = constant_sources(model.graph), scalar_constants(model.graph)
    weights = {tensor.name for tensor in model.graph.initializer}
    uncounted = uncounted_products(model.graph)
    make_inferable(model)
    known, element_types = _infer(model, path)
    while _products_without_shape(nodes, known) and fold_shape_arithmetic(model, known):
        known, element_types = _infer(model, path)
    producers = {output: node for node in nodes for output in node.outputs}
    products = [node for node in nodes if node.is_product]
    unknown = {
        node.name: _end_of_inference(node, producers, known)
        for node in products
        if not _is_known(node, known)
    }
    return Graph(
        path=path,
        inputs=tuple(value.name for value in model.graph.input if value.name not in weights),
        nodes=nodes,
        products=tuple(node for node in products if node.name not in unknown),
        producers=producers,
        shapes=known,
        element_types=element_types,
        constants=constants,
        scalars=scalars,
        uncounted=unknown | uncounted,
    )


def _infer(model: onnx.ModelProto, path: Path) -> tuple[Shapes, dict[str, int]]:
    """Static shapes and element types of all tensors that ONNX's inference reaches."""
    inferred = infer_shapes(model, path).graph
    shapes: Shapes = {}
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


def _products_without_shape(nodes: tuple[GraphNode, ...], shapes: Shapes) -> bool:
    return any(node.is_product and not _is_known(node, shapes) for node in nodes)


def _is_known(product: GraphNode, shapes: Shapes) -> bool:
    return {*operands_of(product), *product.outputs[:1]} <= shapes.keys()


def _end_of_inference(product: GraphNode, producers: Mapping[str, GraphNode], shapes: Shapes) -> str:
    """Where ONNX's inference stopped, so that the shapes of a product are unknown."""
    node = product
    while unknown := [name for name in node.inputs if name and name not in shapes]:
        if unknown[0] not in producers:
            return f"of unknown shape, as is the input {unknown[0]}"
        node = producers[unknown[0]]
    operator = node.op_type if node.domain in _STANDARD else f"{node.domain}::{node.op_type}"
    return f"of unknown shape behind {node.name} ({operator})"


def _graph_node(node: NodeProto) -> GraphNode:
    return GraphNode(
        name=node_name(node),
        op_type=node.op_type,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={a.name: a.i for a in node.attribute if a.type == AttributeProto.INT},
        domain=node.domain,
        equation=next((a.s.decode(errors="replace") for a in node.attribute if a.name == "equation"), ""),
    )
