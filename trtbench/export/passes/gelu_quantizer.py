"""NVFP4 quantisation of what GELU gives, without GELU's result in memory.

A dynamic quantiser needs the largest number of a block before it can quantise the first one, so the
compiler writes GELU's result in 16 bits and reads it again: the largest tensor of a block, four times the
width. Here GELU is computed twice, once for the scales and once for the numbers: both kernels read the
product of ``fc1`` and write 4 and 8 bits.
"""

from functools import partial

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import add_node, constant, initializer, only_user, producer, static_shape
from trtbench.export.passes.nvfp4_quantizer import BLOCK, Quantizer, block_scales, quantize_with, quantizers


def run(model: ir.Model) -> int:
    """Change every quantiser behind a bias and GELU; return how many."""
    return sum(_change(model.graph, quantizer) for quantizer in quantizers(model.graph))


def _change(graph: ir.Graph, quantizer: Quantizer) -> bool:
    gelu = producer(quantizer.x, "Gelu")
    add_bias = gelu and producer(gelu.inputs[0], "Add")
    shape = static_shape(quantizer.x)
    if gelu is None or add_bias is None or shape is None or only_user(gelu.outputs[0]) is None:
        return False
    operands = _product_and_bias(add_bias)
    if operands is None:
        return False
    product, bias = operands
    blocks = (*shape[:-1], shape[-1] // BLOCK)
    add = partial(add_node, quantizer.node, quantizer.path)
    # Blocks before bias and GELU: computed on equal shapes, both copies would be merged into one again.
    blocked = initializer(graph, f"{quantizer.path}/blocks", np.array((*blocks, BLOCK), np.int64))
    bias_blocks = initializer(graph, f"{quantizer.path}/bias", bias.reshape(-1, BLOCK))
    biased = add("Add", [add("Reshape", [product, blocked]), bias_blocks])
    again = add("Gelu", [biased], **{name: attr.value for name, attr in gelu.attributes.items()})
    quantize_with(quantizer, block_scales(quantizer, again, blocks))
    return True


def _product_and_bias(add_bias: ir.Node) -> tuple[ir.Value, np.ndarray] | None:
    for product, operand in (add_bias.inputs, reversed(add_bias.inputs)):
        bias = constant(operand)
        if product is not None and bias is not None and bias.ndim == 1:
            return product, bias
    return None
