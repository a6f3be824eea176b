"""NVFP4 quantisation of what attention gives, without a copy that joins the heads.

The compiler's dynamic quantiser takes its input in one piece, so the result of attention, which lies head by
head, is first copied into the order of tokens. The scales of blocks of 16 channels are the same before and
after: taken head by head, they leave a quantiser that reads the heads as they lie.
"""

from functools import partial

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import add_node, initializer, only_user, producer, static_shape
from trtbench.export.passes.nvfp4_quantizer import BLOCK, Quantizer, block_scales, quantize_with, quantizers

_JOIN_HEADS = [0, 2, 1, 3]


def run(model: ir.Model) -> int:
    """Change every quantiser behind the joining of heads; return how many."""
    return sum(_change(model.graph, quantizer) for quantizer in quantizers(model.graph))


def _change(graph: ir.Graph, quantizer: Quantizer) -> bool:
    join = producer(quantizer.x, "Reshape")
    transpose = join and producer(join.inputs[0], "Transpose")
    heads = None if transpose is None else transpose.inputs[0]
    shape = None if heads is None else static_shape(heads)
    if join is None or transpose is None or heads is None or shape is None or len(shape) != 4:
        return False
    if list(transpose.attributes["perm"].as_ints()) != _JOIN_HEADS or shape[-1] % BLOCK:
        return False
    if only_user(join.outputs[0]) is None:
        return False
    (batch, head_count, tokens, head_dim), path = shape, quantizer.path
    blocks = (batch, head_count, tokens, head_dim // BLOCK)
    add = partial(add_node, quantizer.node, path)
    blocked = initializer(graph, f"{path}/blocks", np.array((*blocks, BLOCK), np.int64))
    scales = block_scales(quantizer, add("Reshape", [heads, blocked]), blocks)
    joined = initializer(graph, f"{path}/joined", np.array((batch, tokens, -1), np.int64))
    scales = add("Transpose", [scales], "Scale/Transpose", perm=_JOIN_HEADS)
    quantize_with(quantizer, add("Reshape", [scales, joined], "Scale/Reshape"))
    return True
