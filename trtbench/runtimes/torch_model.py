"""A timm model on its device in the recipe's precision, with torch's own kernels.

FP8 Linear layers are ``torch._scaled_mm`` with one scale a tensor: of the weight by its largest magnitude, of
the input static too, by the largest magnitude that it has on the images which calibrate the export.
2:4 sparse ones are cuSPARSELt's products of ``torch.sparse.to_sparse_semi_structured``. Attention is
``scaled_dot_product_attention``, as timm calls it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trtbench.errors import MeasureError
from trtbench.export.calibration import resolve_calibration
from trtbench.export.images import ImageBatches
from trtbench.export.linear_layers import call_all_linear_layers
from trtbench.export.model import build_model, image_shape, meta_model
from trtbench.export.trace import output_names
from trtbench.specs import CalibrationSpec, ExportSpec
from trtbench.specs.recipe import Precision, Recipe
from trtbench.vit import role_of

_DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}  # FP16 for all others
_SPARSE = (Precision.FP16, Precision.BF16)
_ELSEWHERE = {
    Precision.INT8: "tensorrt, tensorrt_rtx and onnxruntime run its ONNX model",
    Precision.MXFP8: "tensorrt runs it, tensorrt_rtx emulates it",
    Precision.NVFP4: "tensorrt and tensorrt_rtx run it",
}
_FP8 = torch.float8_e4m3fn
_FP8_MAX = torch.finfo(_FP8).max
_FP8_MULTIPLE = 16  # of K and N, or torch._scaled_mm refuses
_SPARSE_MULTIPLE = 16  # of K and N, or torch's cuSPARSELt tensors refuse 16-bit types


@dataclass(frozen=True)
class TorchModel:
    """``module`` takes images of ``image_shape`` (C, H, W) in ``dtype``; ``notes`` list what was left out."""

    module: nn.Module
    dtype: torch.dtype
    image_shape: tuple[int, int, int]
    output_names: tuple[str, ...]
    notes: tuple[str, ...]


def check_recipe(recipe: Recipe) -> None:
    """Refuse what torch has no kernels for.

    Raises:
        MeasureError: what that is, and which runtimes have them.
    """
    for precision in recipe.precisions:
        if precision in _ELSEWHERE:
            raise MeasureError(
                f"torch has no kernels for {precision.value} Linear layers: {_ELSEWHERE[precision]}"
            )
    if recipe.fp8attn:
        raise MeasureError("torch has no FP8 attention: tensorrt and tensorrt_rtx have it; drop +fp8attn")
    if recipe.stock:
        raise MeasureError("torch runs the model and no exported graph, which @stock is about: drop @stock")
    if recipe.sparse and not set(recipe.precisions) <= set(_SPARSE):
        raise MeasureError(
            f"torch has 2:4 sparse kernels for fp16 and bf16, not for {recipe}: tensorrt has them for others"
        )


def load_model(spec: ExportSpec, device: torch.device) -> TorchModel:
    """Make the model, prune and quantise it as the recipe says, and move it to ``device``.

    Raises:
        SpecError: the model or the calibration folder is wrong.
        ExportError: weights or images are missing or do not fit.
        MeasureError: the pruning asked for is not by magnitude.
    """
    recipe = spec.recipe
    meta_model(spec.model)  # checks names and arguments
    model = build_model(spec.model).requires_grad_(False)
    dtype = _DTYPES.get(recipe.precision, torch.float16)
    notes: tuple[str, ...] = ()
    if recipe.sparse:
        _check_pruning(spec)
        prune(model)
    is_fp8 = Precision.FP8 in recipe.precisions
    if recipe.sparse or is_fp8:
        call_all_linear_layers(model)
    images = _calibration_images(spec, model) if is_fp8 else None
    model = model.to(device=device, dtype=dtype)
    if images is not None:
        notes = use_fp8(model, recipe, images)
    if recipe.sparse:
        notes = use_sparse_kernels(model)
    return TorchModel(model, dtype, image_shape(model), output_names(model), notes)


def prune(model: nn.Module) -> None:
    """Zero the smaller two of each four weights along K, in the layers that ModelOpt's magnitude prunes."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and layer.out_features % 8 == 0 and layer.in_features % 16 == 0:
            groups = layer.weight.detach().view(layer.out_features, -1, 4)
            smaller = groups.abs().topk(2, dim=-1, largest=False).indices
            groups.scatter_(-1, smaller, 0.0)


def use_sparse_kernels(model: nn.Module) -> tuple[str, ...]:
    """Compress the weights of pruned Linear layers on the GPU; a note for each that stays dense."""
    notes = []
    for name, layer in model.named_modules():
        if not isinstance(layer, nn.Linear):
            continue
        if _is_multiple(layer, _SPARSE_MULTIPLE):
            sparse: Any = torch.sparse.to_sparse_semi_structured(layer.weight.detach())
            # Or else torch before 2.15 gives transposed results, which attention has no fused kernel for.
            sparse.fuse_transpose_cusparselt = True
            layer.weight = nn.Parameter(sparse, requires_grad=False)
        else:
            notes.append(f"{name}: dense: torch's sparse kernels take multiples of {_SPARSE_MULTIPLE}")
    return tuple(notes)


def use_fp8(model: nn.Module, recipe: Recipe, images: ImageBatches) -> tuple[str, ...]:
    """Put ``Fp8Linear`` in the place of the Linear layers that the recipe wants in FP8.

    Args:
        model: on its device, in 16 bits.
        recipe: gives the precision of each layer by its role.
        images: those that calibrate the scales of the inputs.

    Returns:
        Notes: how inputs are scaled, and which layers stay in 16 bits.
    """
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and recipe.precision_of(role_of(name)) is Precision.FP8
    }
    with _largest_inputs(layers) as largest, torch.inference_mode():
        for batch in images:
            model(batch.to(next(model.parameters())))
    notes = [f"FP8 inputs: static scales from {images.samples} images; fast accumulation"]
    for name, layer in layers.items():
        reason = _reason_against_fp8(layer, largest.get(name))
        if reason is None:
            model.set_submodule(name, Fp8Linear(layer, float(largest[name])))
        else:
            notes.append(f"{name}: left in 16 bits: {reason}")
    return tuple(notes)


class Fp8Linear(nn.Module):
    """A Linear layer whose product is in FP8, E4M3: (..., K) -> (..., N).

    Args:
        linear: the layer, in 16 bits, on its device.
        largest_input: magnitude that the input's scale makes the largest FP8 number of.
    """

    weight: Tensor
    weight_scale: Tensor
    input_scale: Tensor
    to_input_scale: Tensor

    def __init__(self, linear: nn.Linear, largest_input: float) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        weight_scale = weight.abs().max() / _FP8_MAX
        # In 16 bits, so that no input is written in FP32 to be scaled; the product undoes just this factor.
        limit = torch.finfo(linear.weight.dtype).max
        factor = torch.tensor(min(_FP8_MAX / largest_input, limit)).to(linear.weight)
        self.register_buffer("weight", (weight / weight_scale).to(_FP8))
        self.register_buffer("weight_scale", weight_scale)
        self.register_buffer("to_input_scale", factor)
        self.register_buffer("input_scale", 1 / factor.float())
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """Quantise, multiply, scale, add the bias."""
        # Clamped, since what is too large becomes NaN (in torch 2.11; 2.15 clamps by itself).
        quantized = (x * self.to_input_scale).clamp(-_FP8_MAX, _FP8_MAX).to(_FP8)
        product: Tensor = torch._scaled_mm(
            quantized.reshape(-1, x.shape[-1]),
            self.weight.t(),
            scale_a=self.input_scale,
            scale_b=self.weight_scale,
            bias=self.bias,
            out_dtype=x.dtype,
            use_fast_accum=True,
        )
        return product.view(*x.shape[:-1], -1)


def _check_pruning(spec: ExportSpec) -> None:
    if spec.sparsity_method not in (None, "sparse_magnitude"):
        raise MeasureError(
            f"torch prunes by magnitude alone, the spec says {spec.sparsity_method}: use sparse_magnitude"
        )


def _calibration_images(spec: ExportSpec, model: nn.Module) -> ImageBatches:
    """The images that the export takes."""
    return ImageBatches(resolve_calibration(spec.calibration or CalibrationSpec()), model)


def _reason_against_fp8(layer: nn.Linear, largest_input: Tensor | None) -> str | None:
    if largest_input is None:
        return "the model does not call it"
    if not largest_input > 0:
        return "its input is nothing but zeros or NaN"
    if not _is_multiple(layer, _FP8_MULTIPLE):
        return f"torch's FP8 kernels take multiples of {_FP8_MULTIPLE}"
    return None


def _is_multiple(layer: nn.Linear, of: int) -> bool:
    return layer.in_features % of == 0 and layer.out_features % of == 0


@contextmanager
def _largest_inputs(layers: dict[str, nn.Linear]) -> Iterator[dict[str, Tensor]]:
    """Collect the largest magnitude of each layer's input while the block lasts."""
    largest: dict[str, Tensor] = {}

    def watch(name: str, layer: nn.Linear) -> torch.utils.hooks.RemovableHandle:
        def record(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found = inputs[0].abs().amax()
            largest[name] = torch.maximum(largest.get(name, found), found)

        return layer.register_forward_pre_hook(record)

    handles = [watch(name, layer) for name, layer in layers.items()]
    try:
        yield largest
    finally:
        for handle in handles:
            handle.remove()
