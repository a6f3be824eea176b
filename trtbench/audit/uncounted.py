"""Work that a count of matrix products leaves out, and why."""

from collections.abc import Iterator

from onnx import AttributeProto, GraphProto, NodeProto

from trtbench.audit.einsum import contracts
from trtbench.onnx_files.functions import node_name

PRODUCT_OPERATORS = frozenset(
    {"Attention", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "Einsum", "Gemm", "MatMul"}
    | {"MatMulInteger", "QLinearConv", "QLinearMatMul"}
)
"""Operators that multiply matrices; of Einsum only those of two operands that sum over something."""

_RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
_STANDARD = ("", "ai.onnx")
_QUANTIZER_DOMAIN = "trt"


def is_product(operator: str, domain: str, equation: str) -> bool:
    """Whether an operator is a product whose size follows from the shapes of its operands."""
    return (
        operator in PRODUCT_OPERATORS
        and domain in _STANDARD
        and (operator != "Einsum" or contracts(equation))
    )


def uncounted_products(graph: GraphProto) -> dict[str, str]:
    """Name of each node that multiplies matrices, or may, and is not counted, with what it is."""
    return {name: kind for node in graph.node for name, kind in _of_node(node)}


def _of_node(node: NodeProto) -> Iterator[tuple[str, str]]:
    name = node_name(node)
    if node.domain not in (*_STANDARD, _QUANTIZER_DOMAIN):
        yield name, f"{node.domain}::{node.op_type}"
    elif node.op_type in _RECURRENT or (node.op_type == "Einsum" and len(node.input) > 2):
        yield name, node.op_type
    for attribute in node.attribute:
        bodies = [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs
        for body in bodies:
            for inner in body.node:
                if inner.op_type in PRODUCT_OPERATORS:
                    yield node_name(inner), f"in the body of {node.op_type}"
                yield from _of_node(inner)
