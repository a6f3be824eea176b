"""What our graph does differently from ModelOpt's: one pass a file, each with its reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from trtbench.export.passes import attention_scale, fold_kv_bias, fp8_attention, split_qkv, zero_kv_bias
from trtbench.export.passes.fp8_attention import AttentionRange
from trtbench.recipes import Recipe


@dataclass(frozen=True)
class Pass:
    """A change of the model (before quantisation) or of the graph (after it), and for which recipes."""

    name: str
    run: Callable[..., int]
    applies: Callable[[Recipe], bool]


MODEL_PASSES = (
    # With FP8 attention, K and V pass through a quantizing kernel that adds the bias on the way.
    Pass("fold_kv_bias", fold_kv_bias.run, lambda recipe: recipe.is_quantized and not recipe.fp8attn),
)
GRAPH_PASSES = (
    Pass("split_qkv", split_qkv.run, lambda recipe: recipe.precision_of("qkv").is_quantized),
    Pass("zero_kv_bias", zero_kv_bias.run, lambda recipe: recipe.is_quantized and not recipe.fp8attn),
    Pass("attention_scale", attention_scale.run, lambda recipe: recipe.is_quantized),
)


def model_passes(recipe: Recipe) -> tuple[Pass, ...]:
    """Passes on the torch model that ``recipe`` takes."""
    return tuple(candidate for candidate in MODEL_PASSES if not recipe.stock and candidate.applies(recipe))


def apply_graph_passes(
    model: onnx.ModelProto, recipe: Recipe, ranges: Sequence[AttentionRange]
) -> onnx.ModelProto:
    """Apply the passes on the graph that ``recipe`` takes; the graph has a static batch."""
    if recipe.stock or not recipe.is_quantized:
        return model
    graph = ir.from_proto(model)
    for candidate in GRAPH_PASSES:
        if candidate.applies(recipe):
            candidate.run(graph)
    if recipe.fp8attn:
        fp8_attention.run(graph, ranges)
    common.RemoveUnusedNodesPass()(graph)
    return ir.to_proto(graph)
