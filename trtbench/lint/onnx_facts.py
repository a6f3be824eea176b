"""Facts about an ONNX graph, ours or not."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from onnx import TensorProto

from trtbench.audit.graph import Graph, GraphNode, Shapes, operands_of
from trtbench.audit.inspect import stated_shapes
from trtbench.audit.onnx_layers import audit_products
from trtbench.audit.precision import precision_of_onnx
from trtbench.build.dimensions import shown
from trtbench.lint.onnx_file import (
    OnnxFile,
    asymmetric_quantizers,
    dynamic_inputs,
    foreign_tensors,
    graph_of,
    int32_dequantizers,
    integer_operators,
    open_onnx,
    strides_of,
    unsigned_quantizers,
)
from trtbench.lint.subject import BLOCK_SIZE, Attention, Convolution, LinearLayer, LintSubject, Quantizer
from trtbench.results import AuditedLayer
from trtbench.specs import ImageSize
from trtbench.specs.recipe import Recipe
from trtbench.store.paths import load_onnx
from trtbench.vit import ROLES_WITHOUT_WEIGHTS

_DYNAMIC_QUANTIZERS = {"TRT_FP4DynamicQuantize": "fp4", "TRT_MXFP8DynamicQuantize": "mxfp8"}
_QUANTIZE = frozenset(
    {"QuantizeLinear", "DequantizeLinear", "TRT_FP8QuantizeLinear", "TRT_FP8DequantizeLinear"}
    | {"TRT_INT8QuantizeLinear", "TRT_INT8DequantizeLinear", "TRT_MXFP8DequantizeLinear"}
    | set(_DYNAMIC_QUANTIZERS)
)
_MOVE = frozenset({"Cast", "Dropout", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
_ON_SCORES = _MOVE | _QUANTIZE | {"Add", "Div", "Mul", "Sub", "Where"}
_CUTS = frozenset({"Gather", "Slice"})
_PARTS = 3
_STEPS = 12
"""Nodes that are followed from one product to the next."""


def onnx_subject(
    path: Path, batch: int, image_size: ImageSize, targets: tuple[str, ...], shapes: Shapes | None = None
) -> LintSubject:
    """Read an exported model or any ONNX file; dynamic dimensions count as ``batch`` and ``image_size``.

    ``shapes``: of dynamic inputs, by name, that are given.

    Raises:
        SpecError: a given shape does not fit.
        ArtifactError: the file is missing, damaged or no ONNX model.
    """
    source = load_onnx(path, "lint")
    recipe: Recipe | None = None
    stated: Shapes = {}
    if not isinstance(source, Path):
        recipe, path = source.manifest.spec.recipe, source.payload
        stated = stated_shapes(source.manifest)
    file = open_onnx(path)
    reader = _Reader(file, graph_of(file, batch, image_size, {**stated, **(shapes or {})}))
    return LintSubject(
        name=path.name if recipe is None else path.parent.name,
        origin="graph",
        recipe=recipe,
        batch=reader.batch,
        targets=targets,
        linears=tuple(reader.linear_layers()),
        quantizers=tuple(reader.quantizers()),
        attentions=tuple(reader.attentions()),
        convolutions=tuple(reader.convolutions()),
        dynamic_inputs=tuple(
            (name, shown(dims)) for name, dims in dynamic_inputs(file).items() if name not in stated
        ),
        foreign_tensors=foreign_tensors(file),
        asymmetric_quantizers=asymmetric_quantizers(file),
        unsigned_quantizers=unsigned_quantizers(file),
        integer_operators=integer_operators(file),
        int32_dequantizers=int32_dequantizers(file),
        unjudged=reader.graph.uncounted,
    )


@dataclass(frozen=True)
class _Reader:
    """Finds layers in a graph."""

    file: OnnxFile
    graph: Graph

    @property
    def batch(self) -> int | None:
        """First dimension of the first input."""
        shape = self.graph.shapes.get(self.file.inputs[0].name, ()) if self.file.inputs else ()
        return shape[0] if shape else None

    @cached_property
    def products(self) -> dict[str, tuple[GraphNode, AuditedLayer]]:
        """Products of known shape, by their output."""
        pairs = zip(self.graph.products, audit_products(self.graph), strict=True)
        return {node.outputs[0]: (node, layer) for node, layer in pairs}

    @cached_property
    def _readers(self) -> dict[str, list[GraphNode]]:
        readers: dict[str, list[GraphNode]] = {}
        for node in self.graph.nodes:
            for tensor in dict.fromkeys(node.inputs):
                readers.setdefault(tensor, []).append(node)
        return readers

    def linear_layers(self) -> Iterable[LinearLayer]:
        """Products of an activation and a weight."""
        for node, layer in self.products.values():
            if (
                layer.op == "gemm"
                and layer.role not in ROLES_WITHOUT_WEIGHTS
                and layer.m is not None
                and layer.n is not None
                and layer.k is not None
            ):
                rows = (layer.m,) if node.op_type == "Einsum" else self.graph.shape(operands_of(node)[0])[:-1]
                yield LinearLayer(
                    name=layer.name,
                    role=layer.role,
                    shape=(*rows, layer.k),
                    n=layer.n,
                    precision=layer.precision_in,
                    cut_in_three=self._is_cut_in_three(node),
                )

    def quantizers(self) -> Iterable[Quantizer]:
        """Quantisers to block formats."""
        for node in self.graph.nodes:
            precision = self._block_format_of(node)
            if precision is not None and node.inputs[0] in self.graph.shapes:
                yield Quantizer(
                    name=node.name,
                    role=self._role_behind(node),
                    precision=precision,
                    shape=self.graph.shape(node.inputs[0]),
                    axis=node.attributes.get("axis", -1),
                    block=node.attributes.get("block_size", BLOCK_SIZE[precision]),
                    source=precision_of_onnx(self.graph.element_types.get(node.inputs[0], 0)),
                    is_dynamic=node.op_type in _DYNAMIC_QUANTIZERS,
                )

    def _block_format_of(self, quantizer: GraphNode) -> str | None:
        """What TensorRT's operators quantise to, and ONNX's own where it quantises blocks to E2M1."""
        is_blocked = quantizer.op_type == "QuantizeLinear" and quantizer.attributes.get("block_size", 0) > 0
        if is_blocked and self.graph.element_types.get(quantizer.outputs[0]) == TensorProto.FLOAT4E2M1:
            return "fp4"
        return _DYNAMIC_QUANTIZERS.get(quantizer.op_type)

    def attentions(self) -> Iterable[Attention]:
        """Both products around each softmax, and the operators Attention."""
        for node in self.graph.nodes:
            if node.op_type == "Softmax":
                pair = self._products_around(node)
                if pair is not None:
                    yield self._attention_of(*pair)
            elif node.outputs and node.op_type == "Attention" and node.outputs[0] in self.products:
                yield self._attention_operator(node)

    def convolutions(self) -> Iterable[Convolution]:
        """Convolutions of images."""
        strides = {
            node.output[0]: strides_of(node) for node in self.file.model.graph.node if node.op_type == "Conv"
        }
        for node, layer in self.products.values():
            image, weight = self.graph.shape(node.inputs[0]), self.graph.shape(node.inputs[1])
            if node.op_type == "Conv" and len(image) == 4:
                first, second = _operands(layer)
                yield Convolution(
                    name=layer.name,
                    role=layer.role,
                    activation=first,
                    weight=second,
                    image=(image[2], image[3]),
                    kernel=(weight[2], weight[3]),
                    strides=strides[node.outputs[0]],
                    flops=layer.flops,
                )

    def _attention_of(
        self, scores: tuple[GraphNode, AuditedLayer], weighted: tuple[GraphNode, AuditedLayer]
    ) -> Attention:
        node, layer = scores
        query, key = _operands(layer)
        probability, value = _operands(weighted[1])
        shape = self.graph.shape(node.outputs[0])
        return Attention(
            name=layer.name,
            queries=shape[-2],
            keys=shape[-1],
            head_dim=layer.k or 0,
            precisions=(query, key, value, probability),
            scores=layer.precision_out,
            # A product with its operands exchanged has the queries there.
            value_dim=weighted[1].n if weighted[1].n not in (layer.k, shape[-2]) else None,
        )

    def _attention_operator(self, node: GraphNode) -> Attention:
        """Q and K of rank 4 are (B, H, N, D), of rank 3 (B, N, H*D)."""
        _, layer = self.products[node.outputs[0]]
        query, key = self.graph.shape(node.inputs[0]), self.graph.shape(node.inputs[1])
        heads = node.attributes.get("q_num_heads", 1) if len(query) == 3 else 1
        first, second = _operands(layer)
        return Attention(
            name=layer.name,
            queries=query[-2],
            keys=key[-2],
            head_dim=query[-1] // heads,
            precisions=(first, first, second, layer.precision_out),
            scores=layer.precision_out,
            is_operator=True,
        )

    def _products_around(
        self, softmax: GraphNode
    ) -> tuple[tuple[GraphNode, AuditedLayer], tuple[GraphNode, AuditedLayer]] | None:
        scores = self._product_before(softmax.inputs[0], _STEPS)
        weighted = self._product_behind(softmax.outputs[0], _MOVE | _QUANTIZE)
        if scores is None or weighted is None:
            return None
        return scores, weighted

    def _product_before(self, tensor: str, steps: int) -> tuple[GraphNode, AuditedLayer] | None:
        if tensor in self.products:
            return self.products[tensor]
        node = self.graph.producers.get(tensor)
        if node is None or node.op_type not in _ON_SCORES or not steps:
            return None
        found = (self._product_before(operand, steps - 1) for operand in node.inputs)
        return next(filter(None, found), None)

    def _product_behind(self, tensor: str, passed: frozenset[str]) -> tuple[GraphNode, AuditedLayer] | None:
        """The product that reads ``tensor``, or what operators of the types ``passed`` make of it."""
        reached = [tensor]
        for _ in range(_STEPS):
            readers = [node for name in reached for node in self._readers.get(name, ())]
            for node in readers:
                if node.outputs and node.outputs[0] in self.products:
                    return self.products[node.outputs[0]]
            reached = [output for node in readers if node.op_type in passed for output in node.outputs]
        return None

    def _role_behind(self, quantizer: GraphNode) -> str:
        product = self._product_behind(quantizer.outputs[0], _MOVE | _QUANTIZE)
        return "other" if product is None else product[1].role

    def _is_cut_in_three(self, product: GraphNode) -> bool:
        """Whether the result is split in three, or three times sliced, behind bias and reshapes."""
        reached = [product.outputs[0]]
        for _ in range(_STEPS):
            readers = [node for name in reached for node in self._readers.get(name, ())]
            if any(node.op_type == "Split" and len(node.outputs) == _PARTS for node in readers):
                return True
            if sum(node.op_type in _CUTS for node in readers) >= _PARTS:
                return True
            reached = [
                node.outputs[0] for node in readers if node.op_type in _MOVE or node.op_type in ("Add", "Mul")
            ]
        return False


def _operands(layer: AuditedLayer) -> tuple[str, str]:
    """Precisions of both operands."""
    first, _, second = layer.precision_in.partition(" x ")
    return first, second or first
