"""What our graph does differently from ModelOpt's: one pass a file, each with its reason."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from trtbench.errors import SpecError
from trtbench.export.passes import (
    attention_quantizer,
    attention_scale,
    class_token_norm,
    flat_tokens,
    fold_kv_bias,
    fp8_attention,
    gelu_quantizer,
    split_qkv,
    stack_qkv_bias,
    zero_kv_bias,
)
from trtbench.export.passes.fp8_attention import AttentionRange
from trtbench.results.base import PassDescription
from trtbench.specs.recipe import Precision, Recipe


@dataclass(frozen=True)
class Pass:
    """A change of the model (before quantisation) or of the graph (after it), and for which recipes."""

    name: str
    run: Callable[..., int]
    applies: Callable[[Recipe], bool]
    recipes: str


def _is_nvfp4(recipe: Recipe, role: str) -> bool:
    return recipe.precision_of(role) is Precision.NVFP4


def _needs_no_kv_bias(recipe: Recipe) -> bool:
    """Whether K and V go from the product to attention as they are.

    FP8 attention takes them in FP8. An FP8 product writes that; behind any other a kernel quantises them, and
    adds the bias on the way.
    """
    return recipe.is_quantized and (not recipe.fp8attn or recipe.precision_of("qkv") is Precision.FP8)


_QUANTIZED, _NVFP4 = "all that quantize", "nvfp4"
_NO_KV_BIAS = f"{_QUANTIZED}, with +fp8attn only fp8 in qkv"
MODEL_PASSES = (Pass("fold_kv_bias", fold_kv_bias.run, _needs_no_kv_bias, _NO_KV_BIAS),)
GRAPH_PASSES = (
    Pass(
        "split_qkv",
        split_qkv.run,
        lambda recipe: recipe.precision_of("qkv").is_quantized,
        "all that quantize qkv",
    ),
    Pass(
        "stack_qkv_bias",
        stack_qkv_bias.run,
        lambda recipe: recipe.fp8attn and _is_nvfp4(recipe, "qkv"),
        f"{_NVFP4} in qkv with +fp8attn",
    ),
    Pass("zero_kv_bias", zero_kv_bias.run, _needs_no_kv_bias, _NO_KV_BIAS),
    Pass("attention_scale", attention_scale.run, lambda recipe: recipe.is_quantized, _QUANTIZED),
    Pass(
        "attention_quantizer",
        attention_quantizer.run,
        lambda recipe: _is_nvfp4(recipe, "proj"),
        f"{_NVFP4} in proj",
    ),
    # Behind attention_quantizer, which reads the heads, and before gelu_quantizer, which follows its shape.
    Pass("flat_tokens", flat_tokens.run, lambda recipe: Precision.NVFP4 in recipe.precisions, _NVFP4),
    Pass("gelu_quantizer", gelu_quantizer.run, lambda recipe: _is_nvfp4(recipe, "fc2"), f"{_NVFP4} in fc2"),
    Pass("class_token_norm", class_token_norm.run, lambda recipe: recipe.is_quantized, _QUANTIZED),
)
_NAMES = tuple(candidate.name for candidate in (*MODEL_PASSES, *GRAPH_PASSES))


def choose_passes(recipe: Recipe, names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Those of ``names`` that ``recipe`` takes, in the order they run; ``None``: all that it takes.

    Raises:
        SpecError: there is no pass of a name.
    """
    if names is None:
        return None
    unknown = [name for name in names if name not in _NAMES]
    if unknown:
        raise SpecError(f"--passes: no pass {unknown[0]!r}: choose of {', '.join(_NAMES)}, or none")
    taken = passes_of(recipe, None)
    chosen = passes_of(recipe, names)
    return None if chosen == taken else chosen


def passes_of(recipe: Recipe, names: Sequence[str] | None) -> tuple[str, ...]:
    """Those of ``names``, or of all passes, that ``recipe`` takes, in the order they run."""
    candidates = (*MODEL_PASSES, *GRAPH_PASSES)
    return tuple(candidate.name for candidate in candidates if _takes(recipe, candidate, names))


def model_passes(recipe: Recipe, names: Sequence[str] | None) -> tuple[Pass, ...]:
    """Passes on the torch model that ``recipe`` takes, of ``names`` or of all."""
    return tuple(candidate for candidate in MODEL_PASSES if _takes(recipe, candidate, names))


def apply_graph_passes(
    model: onnx.ModelProto, recipe: Recipe, names: Sequence[str] | None, ranges: Sequence[AttentionRange]
) -> onnx.ModelProto:
    """Apply the passes on the graph that ``recipe`` takes; the graph has a static batch."""
    if recipe.stock or not recipe.is_quantized:
        return model
    graph = ir.from_proto(model)
    for candidate in GRAPH_PASSES:
        if _takes(recipe, candidate, names):
            candidate.run(graph)
    if recipe.fp8attn:
        fp8_attention.run(graph, ranges, quantize_result=_is_nvfp4(recipe, "proj"))
    common.RemoveUnusedNodesPass()(graph)
    return ir.to_proto(graph)


def describe_passes() -> tuple[PassDescription, ...]:
    """Every pass with its reason; FP8 attention is one that a recipe asks for by ``+fp8attn``."""
    fp8 = Pass("fp8_attention", fp8_attention.run, lambda recipe: recipe.fp8attn, "+fp8attn, always")
    return (
        *(_describe(candidate, "model") for candidate in MODEL_PASSES),
        *(_describe(candidate, "graph") for candidate in (*GRAPH_PASSES, fp8)),
    )


def _takes(recipe: Recipe, candidate: Pass, names: Sequence[str] | None) -> bool:
    return not recipe.stock and candidate.applies(recipe) and (names is None or candidate.name in names)


def _describe(candidate: Pass, stage: Literal["model", "graph"]) -> PassDescription:
    """The docstring of a pass's file is its reason: what it does in one line, then why."""
    text = inspect.getdoc(sys.modules[candidate.run.__module__]) or ""
    what, _, why = text.partition("\n\n")
    return PassDescription(
        name=candidate.name,
        stage=stage,
        recipes=candidate.recipes,
        what=" ".join(what.replace("``", "").split()),
        why=" ".join(why.replace("``", "").split()),
    )
