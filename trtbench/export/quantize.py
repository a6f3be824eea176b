"""Fake quantizers of ModelOpt's in the torch model, calibrated."""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import modelopt.torch.quantization as mtq
import torch
from modelopt.recipe.presets import QUANT_CFG_CHOICES
from modelopt.torch.quantization.nn import TensorQuantizer
from torch import Tensor, nn

from trtbench.export import cpu_kernels
from trtbench.export.fp16_range import activation_findings, recorded_magnitudes
from trtbench.export.scales import fit_range
from trtbench.results import Finding
from trtbench.specs.recipe import Precision, Recipe
from trtbench.vit import role_of

BLOCK_SIZE = {Precision.MXFP8: cpu_kernels.MXFP8_BLOCK, Precision.NVFP4: cpu_kernels.NVFP4_BLOCK}
"""Weights along K that share a scale."""

_MAX_RANK = 3  # of the input of TensorRT's dynamic quantization
_NOT_CALLED = "the model uses its weight without calling the layer"
_QUANTIZERS = ("input_quantizer", "weight_quantizer", "output_quantizer")
# ModelOpt's example leaves these out by name: the embeddings, and layers of other architectures.
_STOCK_LEFT_OUT = re.compile(r"patch_embed|pos_embed|norm_out|conv_in|conv_out|maxpool|global_pool|cpb_mlp")


@dataclass(frozen=True)
class Quantized:
    """A model with quantizers, a note for each that is off, and what calibration found."""

    model: nn.Module
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def quantize(
    model: nn.Module, recipe: Recipe, images: Iterable[Tensor] | None, ranks: dict[str, int]
) -> Quantized:
    """Quantise inputs and weights of the Linear layers; convolutions stay as they are.

    The patch embedding is the only convolution of a ViT. TensorRT has FP8 and INT8 convolutions only, and
    quantising it in another format is what makes ModelOpt's export fail ("kernel of unknown shape").

    Args:
        model: in float32.
        recipe: gives the precision of each layer by its role.
        images: batches ``(B, C, H, W)`` that show the range of the activations; MXFP8 does without.
        ranks: of the inputs of the Linear layers, by name.
    """
    precisions = {
        name: recipe.precision_of(role_of(name))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
    }
    entries: list[dict[str, Any]] = [{"quantizer_name": "*", "enable": False}]
    for name, precision in precisions.items():
        entries += _entries_for(name, precision) if precision.is_quantized else []
    quantized, findings = _calibrate(model, {"quant_cfg": entries, "algorithm": "max"}, images)
    notes = []
    for name, layer in _quantized_linears(quantized):
        if not layer.weight_quantizer.is_enabled:
            continue
        reason = _reason_against(layer, ranks.get(name), BLOCK_SIZE.get(precisions[name]))
        if reason is not None:
            _disable(layer)
            notes.append(f"{name}: left in FP16: {reason}")
    return Quantized(quantized, tuple(notes), findings)


def quantize_as_stock(
    model: nn.Module, precision: Precision, images: Iterable[Tensor] | None, ranks: dict[str, int]
) -> Quantized:
    """Quantise as ``examples/torch_onnx/torch_quant_to_onnx.py`` of Model-Optimizer 0.47 does.

    Arguments and result are those of ``quantize``, with one precision for all.
    """
    config: dict[str, Any] = deepcopy(QUANT_CFG_CHOICES[precision.value])
    fp8 = {"num_bits": (4, 3), "axis": None}
    if precision in BLOCK_SIZE:
        config["quant_cfg"] += [
            {"parent_class": "nn.Conv2d", "quantizer_name": name, "cfg": fp8}
            for name in ("*weight_quantizer", "*input_quantizer")
        ]
        config["algorithm"] = "max"
    if precision is Precision.FP8:
        config["quant_cfg"] += [
            {"parent_class": "nn.LayerNorm", "quantizer_name": "*output_quantizer", "cfg": fp8},
            {"parent_class": "nn.LayerNorm", "quantizer_name": "*input_quantizer", "enable": False},
        ]
    quantized, findings = _calibrate(model, config, images)
    mtq.disable_quantizer(quantized, lambda name: _STOCK_LEFT_OUT.search(name) is not None)
    notes = []
    for name, quantizer in quantized.named_modules():
        if isinstance(quantizer, TensorQuantizer) and (reason := _why_dead(quantizer)) is not None:
            quantizer.disable()
            notes.append(f"{name}: off: {reason}")
    for name, layer in _quantized_linears(quantized):
        if name not in ranks:
            notes.append(f"{name}: left in FP16: {_NOT_CALLED}")
        if ranks.get(name, 0) > _MAX_RANK and precision in BLOCK_SIZE:
            layer.input_quantizer.disable()
            notes.append(f"{name}.input_quantizer: off: its input has more than 3 dimensions")
    return Quantized(quantized, tuple(notes), findings)


def _entries_for(layer_name: str, precision: Precision) -> list[dict[str, Any]]:
    """What ModelOpt's preset for ``precision`` asks of any layer, asked of this one."""
    preset = QUANT_CFG_CHOICES[precision.value]["quant_cfg"]
    return [
        # TensorRT quantizes from FP16 as well: without this, every activation is first written as FP32.
        {
            "quantizer_name": f"{layer_name}.{quantizer}",
            "cfg": {**entry["cfg"], "trt_high_precision_dtype": "Half"},
        }
        for quantizer in ("weight_quantizer", "input_quantizer")
        for entry in preset
        if entry["quantizer_name"] == f"*{quantizer}" and "parent_class" not in entry and "cfg" in entry
    ]


def _calibrate(
    model: nn.Module, config: dict[str, Any], images: Iterable[Tensor] | None
) -> tuple[nn.Module, tuple[Finding, ...]]:
    cpu_kernels.register()

    def forward_loop(calibrated: nn.Module) -> None:
        for batch in images or ():
            calibrated(batch)

    with torch.no_grad(), recorded_magnitudes(model) as largest:
        quantized: nn.Module = mtq.quantize(model, config, forward_loop)
    return quantized, activation_findings(largest)


def _quantized_linears(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear) and isinstance(
            getattr(layer, "weight_quantizer", None), TensorQuantizer
        ):
            yield name, layer


def _reason_against(layer: Any, rank: int | None, block: int | None) -> str | None:
    """Why TensorRT could not run the layer quantised, if it could not."""
    if rank is None:
        return _NOT_CALLED
    if block is not None and layer.in_features % block:
        return f"K = {layer.in_features} is not divisible by the block size {block}"
    if block is not None and layer.out_features % 2:
        return f"N = {layer.out_features} is odd"  # FP4 is packed in pairs, MXFP8 does not compile for N = 1
    if block is not None and rank > _MAX_RANK:
        return "its input has more than 3 dimensions, TensorRT's dynamic quantization takes 2 or 3"
    reasons = ((name, _why_dead(getattr(layer, name))) for name in _QUANTIZERS)
    return next((f"its {name}: {reason}" for name, reason in reasons if reason is not None), None)


def _why_dead(quantizer: Any) -> str | None:
    """Why there is no scale to quantise with, if there is none; FP16 holds it otherwise."""
    amax = quantizer.amax if quantizer.is_enabled else None
    if amax is None or fit_range(quantizer):
        return None
    largest = float(amax.max())
    if not largest > 0:
        return "it saw nothing but zeros or NaN"
    return f"the scale of a value of {largest:.3g} is infinite in FP16"


def _disable(layer: Any) -> None:
    for quantizer in _QUANTIZERS:
        getattr(layer, quantizer).disable()
