"""From a float32 torch model to an ONNX graph with quantised Linear layers; imports ModelOpt."""

from contextlib import nullcontext

import onnx
import torch
from torch import Tensor, nn

from trtbench.export.model import image_shape
from trtbench.export.quantize import BLOCK_SIZE, quantize, quantize_as_stock
from trtbench.export.quantized_weights import emit_block_quantizers, with_quantized_weights
from trtbench.export.stock import stock_graph
from trtbench.export.trace import trace
from trtbench.progress import OnStep
from trtbench.recipes import Precision, Recipe


def quantized_graph(
    model: nn.Module, recipe: Recipe, images: Tensor | None, ranks: dict[str, int], on_step: OnStep
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Quantise, trace, and quantise the weights; the graph has a symbolic batch.

    Args:
        model: in float32.
        recipe: with a quantised precision.
        images: for calibration, ``(N, C, H, W)``.
        ranks: of the inputs of the Linear layers, by name.
        on_step: told of each step.

    Returns:
        The graph, and a note for each deviation from what was asked for.
    """
    on_step("quantize")
    model, notes = (quantize_as_stock if recipe.stock else quantize)(model, recipe.precision, images, ranks)
    shape = image_shape(model)
    on_step("trace to ONNX")
    if recipe.stock and recipe.precision is not Precision.NVFP4:
        graph = stock_graph(model, shape)
    else:
        # FP16 before tracing, because converting the graph after it takes longer than all the rest.
        with emit_block_quantizers(model) if recipe.precision in BLOCK_SIZE else nullcontext():
            graph = trace(model.half(), shape, torch.float16)
        on_step("quantize the weights")
        graph = with_quantized_weights(graph, recipe.precision)
    if recipe.precision is Precision.MXFP8 and any(node.op_type == "Gelu" for node in graph.graph.node):
        notes += ("GELU is its tanh approximation: ModelOpt's MXFP8 exporter changes it, so numerics differ",)
    return graph, notes
