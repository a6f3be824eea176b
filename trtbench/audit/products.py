"""Sizes of the operators that multiply matrices."""

import math
from dataclasses import dataclass

from trtbench.audit import einsum
from trtbench.audit.graph import Graph, GraphNode, operands_of

_CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "DeformConv", "QLinearConv"})


@dataclass(frozen=True)
class ProductSize:
    """``(m, k) x (k, n)``, batch folded into ``m``; none of an Attention, which has two products."""

    m: int | None
    n: int | None
    k: int | None
    flops: int


def operation_of(node: GraphNode) -> str:
    """What audits call a product: gemm, conv or attention."""
    if node.op_type == "Attention":
        return "attention"
    return "conv" if node.op_type in _CONVOLUTIONS or node.op_type == "ConvTranspose" else "gemm"


def size_of(graph: Graph, node: GraphNode) -> ProductSize:
    """Size and FLOPs of a product, a multiplication and an addition counted as 2.

    Raises:
        ArtifactError: a shape cannot be inferred.
    """
    if node.op_type == "Attention":
        return ProductSize(None, None, None, _attention_flops(graph, node))
    m, n, k = _extents(graph, node)
    return ProductSize(m, n, k, 2 * m * n * k)


def _extents(graph: Graph, node: GraphNode) -> tuple[int, int, int]:
    first, second = (graph.shape(name) for name in operands_of(node))
    out = graph.shape(node.outputs[0])
    if node.op_type == "Einsum":
        return einsum.extents(node.equation, first, second)
    if node.op_type == "ConvTranspose":
        # Every input pixel of (B, C, H, W) is multiplied by the whole kernel (C, N / groups, R, S).
        return first[0] * math.prod(first[2:]), math.prod(second[1:]), first[1]
    if node.op_type in _CONVOLUTIONS:
        return out[0] * math.prod(out[2:]), out[1], math.prod(second[1:])
    k = first[-2] if node.attributes.get("transA") else first[-1]
    return (math.prod(out[:-1]), out[-1], k) if len(second) > 1 else (math.prod(out), 1, k)


def _attention_flops(graph: Graph, node: GraphNode) -> int:
    """``Q K^T`` and ``P V`` of the ONNX operator Attention: rank 4 is (B, H, S, D), rank 3 (B, S, H*D)."""
    q, k, out = (graph.shape(name) for name in (node.inputs[0], node.inputs[1], node.outputs[0]))
    return 2 * k[-2] * (math.prod(q) + math.prod(out))
