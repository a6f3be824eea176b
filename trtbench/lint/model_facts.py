"""Facts about a timm model, seen in a forward pass on the device ``meta``; imports torch and timm."""

from collections.abc import Sequence
from math import prod
from typing import Any

from trtbench.export.forward import Call, image_calls
from trtbench.export.linear_layers import call_all_linear_layers
from trtbench.export.model import meta_model
from trtbench.lint.subject import (
    BLOCK_SIZE,
    QUANTIZER_RANKS,
    Attention,
    Convolution,
    LinearLayer,
    LintSubject,
    Quantizer,
    Tokens,
)
from trtbench.specs import ExportSpec
from trtbench.specs.recipe import Precision, Recipe
from trtbench.vit import role_of

_QKV_PARTS = 3


def model_subjects(specs: tuple[ExportSpec, ...], targets: tuple[str, ...]) -> tuple[LintSubject, ...]:
    """One subject for each export of one model; no weights are made.

    Raises:
        SpecError: an unknown name or argument, or no Vision Transformer.
    """
    model: Any = meta_model(specs[0].model)
    called = image_calls(model)
    call_all_linear_layers(model)
    called_by_ours = image_calls(model)
    tokens = _tokens(model, called)
    return tuple(
        _subject(spec, targets, called if spec.recipe.stock else called_by_ours, tokens) for spec in specs
    )


def _tokens(model: Any, calls: Sequence[Call]) -> Tokens | None:
    """Tokens of the longest attention."""
    numbers = [call.inputs[0].shape[-2] for call in calls if call.kind == "attention"]
    if not numbers:
        return None
    return Tokens(max(numbers), int(getattr(model, "num_prefix_tokens", 0)), model.patch_embed.patch_size[0])


def _subject(
    spec: ExportSpec, targets: tuple[str, ...], calls: Sequence[Call], tokens: Tokens | None
) -> LintSubject:
    recipe, batch = spec.recipe, spec.batch
    by_path = {call.path: call for call in calls if call.module is not None}
    linears = tuple(_linear_layer(call, batch, recipe) for call in by_path.values() if call.kind == "linear")
    return LintSubject(
        name=spec.model.name,
        origin="model",
        recipe=recipe,
        batch=batch,
        targets=targets,
        linears=linears,
        quantizers=tuple(_quantizer(layer, recipe) for layer in linears if layer.precision in BLOCK_SIZE),
        attentions=tuple(_attention(call, recipe) for call in calls if call.kind == "attention"),
        convolutions=tuple(
            _convolution(call, batch, recipe) for call in by_path.values() if call.kind == "convolution"
        ),
        tokens=tokens,
    )


def _linear_layer(call: Call, batch: int, recipe: Recipe) -> LinearLayer:
    images, *rest = call.inputs[0].shape
    shape, n = (batch * images, *rest), call.output.shape[-1]
    role = role_of(call.path)
    precision = recipe.precision_of(role).math
    # Our exporter makes three products of timm's fused layer.
    is_fused = recipe.stock and role == "qkv" and n == _QKV_PARTS * shape[-1]
    return LinearLayer(
        call.path, role, shape, n, precision, recipe.stock or _fits(precision, shape, n), is_fused
    )


def _fits(precision: str, shape: tuple[int, ...], n: int) -> bool:
    """Whether our exporter quantises the layer (``trtbench.export.quantize``)."""
    block = BLOCK_SIZE.get(precision)
    return block is None or (shape[-1] % block == 0 and n % 2 == 0 and len(shape) <= max(QUANTIZER_RANKS))


def _quantizer(layer: LinearLayer, recipe: Recipe) -> Quantizer:
    # Of the block formats, ModelOpt casts to float in front of the quantiser for NVFP4 alone.
    source = "fp32" if recipe.stock and layer.precision == "fp4" else "fp16"
    # Our exporter flattens the tokens of a batch in front of NVFP4's quantisers.
    is_flat = layer.precision == "fp4" and not recipe.stock
    shape = (prod(layer.shape[:-1]), layer.shape[-1]) if is_flat else layer.shape
    block = BLOCK_SIZE[layer.precision]
    return Quantizer(layer.name, layer.role, layer.precision, shape, -1, block, source, layer.kept)


def _attention(call: Call, recipe: Recipe) -> Attention:
    query, key = call.inputs[0].shape, call.inputs[1].shape
    precision = "fp8" if recipe.fp8attn else recipe.unquantized
    if recipe.stock and recipe.precision is Precision.FP8:
        # ModelOpt's FP8 exporter quantises the result of softmax alone.
        operands = (recipe.unquantized, recipe.unquantized, recipe.unquantized, "fp8")
    else:
        operands = (precision, precision, precision, precision)
    value = call.inputs[2].shape[-1]
    return Attention(
        name=call.path,
        queries=query[-2],
        keys=key[-2],
        head_dim=query[-1],
        precisions=operands,
        scores=recipe.unquantized,
        value_dim=value if value != query[-1] else None,
    )


def _convolution(call: Call, batch: int, recipe: Recipe) -> Convolution:
    layer: Any = call.module
    image, output = call.inputs[0].shape, call.output.shape
    kernel = (layer.kernel_size[0], layer.kernel_size[1])
    flops = 2 * batch * output[1] * output[2] * output[3] * layer.in_channels * kernel[0] * kernel[1]
    return Convolution(
        name=call.path,
        role=role_of(call.path),
        activation=recipe.unquantized,
        # ModelOpt's FP8 exporter quantises the weight of the convolution, and not the image.
        weight="fp8" if recipe.stock and recipe.precision is Precision.FP8 else recipe.unquantized,
        image=(image[2], image[3]),
        kernel=kernel,
        strides=(layer.stride[0], layer.stride[1]),
        flops=flops,
    )
