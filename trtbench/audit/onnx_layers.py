"""The matrix products of an ONNX graph, in the precision that the graph asks for."""

import math

from trtbench.audit.graph import PRODUCT_OPERATORS, Graph, GraphNode
from trtbench.audit.precision import element_bits, precision_of_onnx, precision_of_product
from trtbench.results import AuditedLayer
from trtbench.vit import PRODUCT_ROLES, block_of, role_of

_KEEP_VALUES = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# NVFP4 stores 8 bits of scale for 16 elements, MXFP8 for 32.
_SCALE_BITS = {"fp4": 8 / 16, "mxfp8": 8 / 32}


def audit_products(graph: Graph) -> tuple[AuditedLayer, ...]:
    """All MatMul, Gemm, Conv and Attention nodes, in graph order.

    ``precision_in`` is that of both operands when both are dequantized from it: a product whose weights alone
    are quantized reads ``fp16 x fp4``, and runs in FP16.

    Raises:
        ArtifactError: a shape cannot be inferred.
    """
    return tuple(_audit_product(graph, node) for node in graph.nodes if node.op_type in PRODUCT_OPERATORS)


def _audit_product(graph: Graph, node: GraphNode) -> AuditedLayer:
    operands = node.inputs[:3] if node.op_type == "Attention" else node.inputs[:2]
    precisions = [_asked_precision(graph, operand) for operand in operands]
    output = node.outputs[0]
    precision_out = precision_of_onnx(graph.element_types.get(output, 0))
    m, n, k, flops = _product_size(graph, node)
    stored = zip((*operands, output), (*precisions, precision_out), strict=True)
    return AuditedLayer(
        name=node.name,
        role=_product_role(graph, node),
        op={"Conv": "conv", "Attention": "attention"}.get(node.op_type, "gemm"),
        block=block_of(node.name),
        precision_in=precision_of_product(precisions[0], precisions[-1]),
        precision_out=precision_out,
        m=m,
        n=n,
        k=k,
        flops=flops,
        bytes=sum(_stored_bytes(graph.shape(tensor), precision) for tensor, precision in stored),
        onnx_nodes=(node.name,),
    )


def _product_size(graph: Graph, node: GraphNode) -> tuple[int | None, int | None, int | None, int]:
    """M, N, K (batch folded into M) and FLOPs, a multiplication and an addition counted as 2."""
    first, second, out = (graph.shape(name) for name in (*node.inputs[:2], node.outputs[0]))
    if node.op_type == "Attention":
        return None, None, None, _attention_flops(graph, node)
    if node.op_type == "Conv":
        m, n, k = math.prod(out) // out[1], out[1], math.prod(second[1:])
    else:
        k = first[-2] if node.attributes.get("transA") else first[-1]
        n = out[-1] if len(second) > 1 else 1
        m = math.prod(out) // n
    return m, n, k, 2 * m * n * k


def _attention_flops(graph: Graph, node: GraphNode) -> int:
    """``Q K^T`` and ``P V`` of the ONNX operator Attention: rank 4 is (B, H, S, D), rank 3 (B, S, H*D)."""
    q, k, out = (graph.shape(name) for name in (node.inputs[0], node.inputs[1], node.outputs[0]))
    return 2 * k[-2] * (math.prod(q) + math.prod(out))


def _product_role(graph: Graph, node: GraphNode) -> str:
    """Role by the node's name, else by its weight's, else attention if both operands are activations."""
    sources = [_source(graph, operand) for operand in node.inputs[:2]]
    weights = [source for source in sources if source in graph.weights]
    roles = [role for role in map(role_of, (node.name, *weights)) if role in PRODUCT_ROLES]
    if weights and roles[:1] == ["attention"] and node.name.split("/")[-2:-1] == ["attn"]:
        # BEiT multiplies by the weight of attn.qkv without calling that module.
        return "qkv"
    return (roles or ["other" if weights else "attention"])[0]


def _asked_precision(graph: Graph, operand: str) -> str:
    """Element type that ``operand`` was quantized to, or its own."""
    dequantize = graph.producers.get(_before_reshapes(graph, operand))
    if dequantize is not None and "DequantizeLinear" in dequantize.op_type:
        return precision_of_onnx(
            graph.element_types.get(dequantize.inputs[0], 0), dequantize.attributes.get("block_size", 0)
        )
    return precision_of_onnx(graph.element_types.get(operand, 0))


def _before_reshapes(graph: Graph, tensor: str) -> str:
    """Follow ``tensor`` back through operators that keep its values, and through products with one scalar."""
    node = graph.producers.get(tensor)
    while node is not None:
        if node.op_type == "Mul":
            factors = [name for name in node.inputs if math.prod(graph.shapes.get(name, (0,))) != 1]
            if len(factors) != 1:
                break
            tensor = factors[0]
        elif node.op_type in _KEEP_VALUES:
            tensor = node.inputs[0]
        else:
            break
        node = graph.producers.get(tensor)
    return tensor


def _source(graph: Graph, operand: str) -> str:
    """The weight behind ``operand``, through its quantizers; else the first activation before them."""
    tensor = _before_reshapes(graph, operand)
    node = graph.producers.get(tensor)
    while node is not None and node.op_type.endswith("uantizeLinear"):
        tensor = _before_reshapes(graph, node.inputs[0])
        node = graph.producers.get(tensor)
    return tensor


def _stored_bytes(shape: tuple[int, ...], precision: str) -> int:
    return math.ceil(math.prod(shape) * (element_bits(precision) + _SCALE_BITS.get(precision, 0)) / 8)
