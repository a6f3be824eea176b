"""From a float32 torch model to an ONNX graph with quantised products; imports ModelOpt."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from trtbench.export.attention_ranges import attention_ranges
from trtbench.export.model import image_shape
from trtbench.export.passes import model_passes
from trtbench.export.quantize import BLOCK_SIZE, quantize, quantize_as_stock
from trtbench.export.quantized_weights import (
    as_modelopt_exports,
    emit_block_quantizers,
    with_quantized_weights,
)
from trtbench.export.scales import halved, int8_scales
from trtbench.export.stock import stock_graph
from trtbench.export.trace import Graph, trace
from trtbench.specs.recipe import Precision, Recipe


def quantized_graph(
    model: nn.Module,
    recipe: Recipe,
    passes: Sequence[str] | None,
    images: Iterable[Tensor] | None,
    ranks: dict[str, int],
    begin: Callable[[str], None],
) -> Graph:
    """Quantise, trace, and quantise the weights.

    Args:
        model: in float32.
        recipe: one that quantises.
        passes: names of the passes to take of those on the model; ``None``: all that the recipe takes.
        images: for calibration, batches ``(B, C, H, W)``.
        ranks: of the inputs of the Linear layers, by name.
        begin: called with the name of each step.
    """
    begin("quantize")
    for model_pass in model_passes(recipe, passes):
        model_pass.run(model)
    ranges = attention_ranges(model, images) if recipe.fp8attn and images is not None else ()
    quantized = quantize(model, recipe, images, ranks)
    begin("trace to ONNX")
    has_blocks = not BLOCK_SIZE.keys().isdisjoint(recipe.precisions)
    # FP16 before tracing, because converting the graph after it takes longer than all the rest.
    with emit_block_quantizers(quantized.model) if has_blocks else nullcontext(), int8_scales():
        graph = trace(halved(quantized.model), image_shape(model), torch.float16)
    begin("quantize the weights")
    graph = with_quantized_weights(graph, recipe.precisions)
    return Graph(graph, ranges, quantized.notes, quantized.findings)


def stock_quantized_graph(
    model: nn.Module,
    recipe: Recipe,
    images: Iterable[Tensor] | None,
    ranks: dict[str, int],
    begin: Callable[[str], None],
) -> Graph:
    """Quantise and export as ModelOpt's example does; no passes; arguments as above."""
    begin("quantize")
    quantized = quantize_as_stock(model, recipe.precision, images, ranks)
    notes = quantized.notes
    begin("trace to ONNX")
    if recipe.precision is Precision.NVFP4:
        with emit_block_quantizers(quantized.model):
            graph = trace(halved(quantized.model), image_shape(model), torch.float16)
        graph = as_modelopt_exports(graph, recipe.precision)
    else:
        graph = stock_graph(quantized.model, image_shape(model))
    if recipe.precision is Precision.MXFP8 and any(node.op_type == "Gelu" for node in graph.graph.node):
        notes += ("GELU is its tanh approximation: ModelOpt's MXFP8 exporter changes it, so numerics differ",)
    return Graph(graph, notes=notes, findings=quantized.findings)
