"""The matrix products of an ONNX graph, in the precision that the graph asks for."""

import math

from trtbench.audit.graph import Graph, GraphNode, operands_of
from trtbench.audit.precision import element_bits, precision_of_onnx, precision_of_product
from trtbench.audit.products import operation_of, size_of
from trtbench.onnx_files import onnx_faults
from trtbench.results import AuditedLayer
from trtbench.vit import PRODUCT_ROLES, block_of, role_of

_KEEP_VALUES = frozenset(
    {"Cast", "Dropout", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split"}
    | {"Squeeze", "Tile", "Transpose", "Unsqueeze"}
)
"""Operators that the compiler moves in front of a DequantizeLinear, in compiled layers; Pad is not one."""
# NVFP4 stores 8 bits of scale for 16 elements, MXFP8 for 32.
_SCALE_BITS = {"fp4": 8 / 16, "mxfp8": 8 / 32}


def audit_products(graph: Graph) -> tuple[AuditedLayer, ...]:
    """All products of known shape, in graph order.

    ``precision_in`` is that of both operands when both are dequantized from it: a product whose weights alone
    are quantized reads ``fp16 x fp4``, and runs in FP16.

    Raises:
        ArtifactError: shapes contradict each other.
    """
    with onnx_faults(graph.path):
        return tuple(_audit_product(graph, node) for node in graph.products)


def _audit_product(graph: Graph, node: GraphNode) -> AuditedLayer:
    operands = operands_of(node)
    precisions = [_asked_precision(graph, operand) for operand in operands]
    output = node.outputs[0]
    precision_out = precision_of_onnx(graph.element_types.get(output, 0))
    size = size_of(graph, node)
    stored = zip((*operands, output), (*precisions, precision_out), strict=True)
    return AuditedLayer(
        name=node.name,
        role=_product_role(graph, node),
        op=operation_of(node),
        block=block_of(node.name),
        precision_in=precision_of_product(precisions[0], precisions[-1]),
        precision_out=precision_out,
        m=size.m,
        n=size.n,
        k=size.k,
        flops=size.flops,
        bytes=sum(_stored_bytes(graph.shape(tensor), precision) for tensor, precision in stored),
        onnx_nodes=(node.name,),
    )


def _product_role(graph: Graph, node: GraphNode) -> str:
    """Role by the node's name, else by its weight's, else attention if both operands are activations."""
    constant = [operand for operand in operands_of(node) if operand in graph.constants]
    weights = [source for operand in constant for source in graph.constants[operand]]
    roles = [role for role in map(role_of, (node.name, *weights)) if role in PRODUCT_ROLES]
    if constant and roles[:1] == ["attention"] and node.name.split("/")[-2:-1] == ["attn"]:
        # BEiT multiplies by the weight of attn.qkv without calling that module.
        return "qkv"
    return (roles or ["other" if constant else "attention"])[0]


def _asked_precision(graph: Graph, operand: str) -> str:
    """Element type that ``operand`` was quantized to, or its own."""
    precisions = {_stored_precision(graph, source) for source in before_moves(graph, operand)}
    if len(precisions) == 1:
        return precisions.pop()
    return precision_of_onnx(graph.element_types.get(operand, 0))


def _stored_precision(graph: Graph, tensor: str) -> str:
    dequantize = graph.producers.get(tensor)
    if dequantize is not None and "DequantizeLinear" in dequantize.op_type:
        return precision_of_onnx(
            graph.element_types.get(dequantize.inputs[0], 0), dequantize.attributes.get("block_size", 0)
        )
    return precision_of_onnx(graph.element_types.get(tensor, 0))


def before_moves(graph: Graph, tensor: str) -> set[str]:
    """Find the tensors whose values ``tensor`` holds, maybe moved, or multiplied by one scalar."""
    found, open_ends = set[str](), [tensor]
    while open_ends:
        name = open_ends.pop()
        node = graph.producers.get(name)
        before = () if node is None else _moved_inputs(graph, node)
        open_ends += before
        if not before:
            found.add(name)
    return found


def _moved_inputs(graph: Graph, node: GraphNode) -> tuple[str, ...]:
    """Inputs whose values are those of the outputs; none of a node that computes."""
    if node.op_type == "Concat":
        return node.inputs if _have_one_scale(graph, node) else ()
    if node.op_type == "Mul":
        factors = tuple(name for name in node.inputs if math.prod(graph.shapes.get(name, (0,))) != 1)
        return factors if len(factors) == 1 else ()
    return node.inputs[:1] if node.op_type in _KEEP_VALUES else ()


def _have_one_scale(graph: Graph, concat: GraphNode) -> bool:
    """Whether all parts are dequantized with one scale: only then does the compiler join them before."""
    sources = {source for part in concat.inputs for source in before_moves(graph, part)}
    dequantizers = [graph.producers[source] for source in sources if source in graph.producers]
    if len(dequantizers) < len(sources) or not all("DequantizeLinear" in d.op_type for d in dequantizers):
        return False
    return len({graph.scalars.get(node.inputs[1], node.inputs[1]) for node in dequantizers}) == 1


def _stored_bytes(shape: tuple[int, ...], precision: str) -> int:
    return math.ceil(math.prod(shape) * (element_bits(precision) + _SCALE_BITS.get(precision, 0)) / 8)
