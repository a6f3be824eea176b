"""Facts about a timm model, seen in a forward pass on the device ``meta``; imports torch and timm."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from trtbench.export.linear_layers import call_all_linear_layers
from trtbench.export.model import image_shape, meta_model
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


@dataclass
class _Seen:
    """Shapes of one forward pass of one image, by the name of the module; attention of Q and K."""

    linears: dict[str, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    attentions: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    convolutions: dict[str, tuple[nn.Conv2d, tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)


def model_subjects(specs: tuple[ExportSpec, ...], targets: tuple[str, ...]) -> tuple[LintSubject, ...]:
    """One subject for each export of one model; no weights are made.

    Raises:
        SpecError: an unknown name or argument, or no Vision Transformer.
    """
    model: Any = meta_model(specs[0].model)
    called = _forward(model)
    call_all_linear_layers(model)
    called_by_ours = _forward(model)
    tokens = _tokens(model, called)
    return tuple(
        _subject(spec, targets, called if spec.recipe.stock else called_by_ours, tokens) for spec in specs
    )


def _forward(model: nn.Module) -> _Seen:
    seen = _Seen()
    with _recorded(model, seen), torch.inference_mode():
        model(torch.empty((1, *image_shape(model)), device="meta"))
    return seen


@contextmanager
def _recorded(model: nn.Module, seen: _Seen) -> Iterator[None]:
    """Record what is called while the block lasts."""
    path: list[str] = []
    handles = []
    for name, module in model.named_modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = True
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: path.append(name)))
        handles.append(module.register_forward_hook(_record(name, seen, path)))
    try:
        with _AttentionCalls(seen, path):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _record(name: str, seen: _Seen, path: list[str]) -> Any:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        path.pop()
        if isinstance(module, nn.Linear):
            seen.linears[name] = (tuple(inputs[0].shape), module.out_features)
        elif isinstance(module, nn.Conv2d):
            seen.convolutions[name] = (module, tuple(inputs[0].shape), tuple(output.shape))

    return hook


class _AttentionCalls(TorchFunctionMode):
    """Records the shapes of Q and K of every attention, with the module that calls it."""

    def __init__(self, seen: _Seen, path: list[str]) -> None:
        super().__init__()
        self._seen, self._path = seen, path

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is scaled_dot_product_attention:
            self._seen.attentions.append((self._path[-1], tuple(args[0].shape), tuple(args[1].shape)))
        return func(*args, **(kwargs or {}))


def _tokens(model: Any, seen: _Seen) -> Tokens | None:
    """Tokens of the longest attention."""
    numbers = [query[-2] for _, query, _ in seen.attentions]
    if not numbers:
        return None
    return Tokens(max(numbers), int(getattr(model, "num_prefix_tokens", 0)), model.patch_embed.patch_size[0])


def _subject(spec: ExportSpec, targets: tuple[str, ...], seen: _Seen, tokens: Tokens | None) -> LintSubject:
    recipe, batch = spec.recipe, spec.batch
    linears = tuple(
        _linear_layer(layer, (batch * shape[0], *shape[1:]), n, recipe)
        for layer, (shape, n) in seen.linears.items()
    )
    return LintSubject(
        name=spec.model.name,
        origin="model",
        recipe=recipe,
        batch=batch,
        targets=targets,
        linears=linears,
        quantizers=tuple(_quantizer(layer, recipe) for layer in linears if layer.precision in BLOCK_SIZE),
        attentions=tuple(_attention(*call, recipe) for call in seen.attentions),
        convolutions=tuple(
            _convolution(layer, *shapes, batch, recipe) for layer, shapes in seen.convolutions.items()
        ),
        tokens=tokens,
    )


def _linear_layer(name: str, shape: tuple[int, ...], n: int, recipe: Recipe) -> LinearLayer:
    role = role_of(name)
    precision = recipe.precision_of(role).math
    # Our exporter makes three products of timm's fused layer.
    is_fused = recipe.stock and role == "qkv" and n == _QKV_PARTS * shape[-1]
    return LinearLayer(name, role, shape, n, precision, recipe.stock or _fits(precision, shape, n), is_fused)


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


def _wide(recipe: Recipe) -> str:
    """Element type of what a recipe does not quantise."""
    return Precision.FP16.math if recipe.is_quantized else recipe.precision.math


def _attention(name: str, query: tuple[int, ...], key: tuple[int, ...], recipe: Recipe) -> Attention:
    precision = "fp8" if recipe.fp8attn else _wide(recipe)
    if recipe.stock and recipe.precision is Precision.FP8:
        # ModelOpt's FP8 exporter quantises the result of softmax alone.
        operands = (_wide(recipe), _wide(recipe), _wide(recipe), "fp8")
    else:
        operands = (precision, precision, precision, precision)
    return Attention(name, query[-2], key[-2], query[-1], operands, _wide(recipe))


def _convolution(
    name: str, layer: nn.Conv2d, image: tuple[int, ...], output: tuple[int, ...], batch: int, recipe: Recipe
) -> Convolution:
    kernel = (layer.kernel_size[0], layer.kernel_size[1])
    flops = 2 * batch * output[1] * output[2] * output[3] * layer.in_channels * kernel[0] * kernel[1]
    return Convolution(
        name=name,
        role=role_of(name),
        activation=_wide(recipe),
        # ModelOpt's FP8 exporter quantises the weight of the convolution, and not the image.
        weight="fp8" if recipe.stock and recipe.precision is Precision.FP8 else _wide(recipe),
        image=(image[2], image[3]),
        kernel=kernel,
        strides=(layer.stride[0], layer.stride[1]),
        flops=flops,
    )
