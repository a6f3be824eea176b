"""The biases of Q, K and V in one addition.

FP8 attention behind an NVFP4 product quantises Q, K and V in the kernels that add their biases, three in all.
Stacked as the product writes them, the three are biased and quantised in one kernel. No number changes.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import add_node, constant, initializer, only_user, other_input

_PARTS = ("q", "k", "v")


def run(model: ir.Model) -> int:
    """Stack in every attention whose Q, K and V are added a bias each; return how many."""
    additions = {node.name: node for node in model.graph if node.op_type == "Add"}
    paths = [name.removesuffix("/q/Add") for name in additions if name and name.endswith("/attn/q/Add")]
    count = sum(
        _stack(model.graph, path, [additions.get(f"{path}/{part}/Add") for part in _PARTS]) for path in paths
    )
    model.graph.sort()  # what read the first sum stands before the last product
    return count


def _stack(graph: ir.Graph, path: str, additions: list[ir.Node | None]) -> bool:
    parts = [part for node in additions if (part := _part(node)) is not None]
    if len(parts) != len(_PARTS):
        return False
    name = f"{path}/qkv/bias"
    front = initializer(graph, f"{name}/front", np.array([0], np.int64))
    biases = np.stack([part.bias for part in parts])[:, None, None]
    last = max((part.addition for part in parts), key=list(graph).index)  # behind all three products
    add = partial(add_node, last, name)
    products = [add("Unsqueeze", [part.product, front], f"Unsqueeze_{i}") for i, part in enumerate(parts)]
    stacked = add("Concat", products, axis=0)
    biased = add("Add", [stacked, initializer(graph, f"{name}/stacked", biases)])
    for index, part in enumerate(parts):
        place = initializer(graph, f"{name}/{index}", np.array(index, np.int64))
        taken = add("Gather", [biased, place], f"Gather_{index}", axis=0)
        ir.convenience.replace_all_uses_with(part.addition.outputs[0], taken)
    return True


@dataclass(frozen=True)
class _Part:
    """The addition of a bias ``(C,)`` to a product ``(B, N, C)``."""

    addition: ir.Node
    product: ir.Value
    bias: np.ndarray


def _part(addition: ir.Node | None) -> _Part | None:
    """One of Q, K and V, if it goes to attention with nothing but its scale on the way."""
    if addition is None or not _reaches_attention(addition.outputs[0]):
        return None
    for operand in addition.inputs:
        bias = constant(operand)
        if operand is not None and bias is not None and bias.ndim == 1:
            return _Part(addition, other_input(addition, operand), bias)
    return None


def _reaches_attention(value: ir.Value) -> bool:
    while (node := only_user(value, "Reshape", "Transpose", "Mul")) is not None:
        value = node.outputs[0]
    return only_user(value, "MatMul") is not None
