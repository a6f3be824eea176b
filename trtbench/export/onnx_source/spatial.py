"""ONNX operators on maps ``(B, C, H, W)`` as torch functions: patch embeddings, and heads behind blocks."""

from collections.abc import Callable
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from trtbench.errors import ExportError
from trtbench.export.onnx_source.inputs import shape_of

Function = Callable[..., Any]
_IMAGE_RANK = 4
_INTERPOLATIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("nearest", "asymmetric"): {"mode": "nearest"},
    ("linear", "half_pixel"): {"mode": "bilinear", "align_corners": False},
    ("linear", "pytorch_half_pixel"): {"mode": "bilinear", "align_corners": False},
    ("linear", "align_corners"): {"mode": "bilinear", "align_corners": True},
    ("cubic", "half_pixel"): {"mode": "bicubic", "align_corners": False},
    ("cubic", "pytorch_half_pixel"): {"mode": "bicubic", "align_corners": False},
    ("cubic", "align_corners"): {"mode": "bicubic", "align_corners": True},
}
"""Mode and transformation of coordinates as torch has them."""
_CUBIC = -0.75  # torch's, and the default of ONNX


def _conv(node: ir.Node) -> Function:
    options = _window(node)
    return lambda x, weight, bias=None: functional.conv2d(x, weight, bias, **options)


def convolution(node: ir.Node) -> torch.nn.Conv2d:
    """A module without weights for a ``Conv``.

    Raises:
        ExportError: it is not 2D, or padded differently on two sides.
    """
    options = _window(node)
    outputs, inputs, height, width = shape_of(node.inputs[1])
    has_bias = len(node.inputs) > 2 and node.inputs[2] is not None
    return torch.nn.Conv2d(inputs * options["groups"], outputs, (height, width), bias=has_bias, **options)


def _conv_transpose(node: ir.Node) -> Function:
    extra = node.attributes.get_ints("output_padding", [0, 0]) or [0, 0]
    if "output_shape" in node.attributes:
        raise ExportError(f"ConvTranspose (node {node.name!r}) states its output_shape; export it with pads")
    options = {**_window(node), "output_padding": tuple(extra)}
    return lambda x, weight, bias=None: functional.conv_transpose2d(x, weight, bias, **options)


def _window(node: ir.Node) -> dict[str, Any]:
    """Stride, padding, dilation and groups of a convolution.

    Raises:
        ExportError: it is not 2D, or padded differently on two sides.
    """
    attributes = node.attributes
    top, left, bottom, right = _pads(node)
    if len(shape_of(node.inputs[1])) != _IMAGE_RANK or (top, left) != (bottom, right):
        raise ExportError(
            f"{node.op_type} (node {node.name!r}) is not 2D or padded differently on two sides, which is not "
            "known; export the model without it"
        )
    return {
        "stride": tuple(attributes.get_ints("strides", [1, 1]) or (1, 1)),
        "padding": (top, left),
        "dilation": tuple(attributes.get_ints("dilations", [1, 1]) or (1, 1)),
        "groups": attributes.get_int("group", 1),
    }


def _pads(node: ir.Node) -> tuple[int, ...]:
    """Top, left, bottom and right."""
    automatic = node.attributes.get_string("auto_pad", "NOTSET")
    if automatic not in ("NOTSET", "VALID"):
        raise ExportError(
            f"{node.op_type} (node {node.name!r}) has auto_pad {automatic}; export it with pads"
        )
    pads = tuple(node.attributes.get_ints("pads", [0] * 4) or [0] * 4)
    return pads if len(pads) == _IMAGE_RANK else (0, 0, 0, -1)


def _batch_norm(node: ir.Node) -> Function:
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    if node.attributes.get_int("training_mode", 0):
        raise ExportError(f"BatchNormalization (node {node.name!r}) is in training mode; export model.eval()")

    def batch_norm(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return functional.batch_norm(x, mean, variance, weight, bias, eps=epsilon)

    return batch_norm


def _resize(node: ir.Node) -> Function:
    attributes = node.attributes
    mode = attributes.get_string("mode", "nearest")
    coordinates = attributes.get_string("coordinate_transformation_mode", "half_pixel")
    rounding = attributes.get_string("nearest_mode", "round_prefer_floor")
    options = _INTERPOLATIONS.get((mode, coordinates))
    source, target = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    is_other = (
        (mode == "nearest" and rounding != "floor")
        or (mode == "cubic" and attributes.get_float("cubic_coeff_a", _CUBIC) != _CUBIC)
        or attributes.get_int("antialias", 0) != 0
        or len(source) != _IMAGE_RANK
        or source[:2] != target[:2]
    )
    if options is None or is_other:
        raise ExportError(
            f"Resize (node {node.name!r}, {mode} with {coordinates}) is not one of torch's; export the model "
            "without it"
        )
    return lambda x, *_: functional.interpolate(x, size=target[2:], **options)


def _max_pool(node: ir.Node) -> Function:
    top, left, bottom, right = _pads(node)
    kernel = node.attributes["kernel_shape"].as_ints()
    if (top, left) != (bottom, right) or node.attributes.get_int("ceil_mode", 0) != 0 or len(kernel) != 2:
        raise ExportError(f"MaxPool (node {node.name!r}) has a form that is not known")
    strides = tuple(node.attributes.get_ints("strides", [1, 1]) or (1, 1))
    return lambda x: functional.max_pool2d(x, tuple(kernel), strides, (top, left))


def _depth_to_space(node: ir.Node) -> Function:
    size = node.attributes["blocksize"].as_int()
    if node.attributes.get_string("mode", "DCR") != "CRD":
        raise ExportError(f"DepthToSpace (node {node.name!r}) has mode DCR, which is not known; use CRD")
    return lambda x: functional.pixel_shuffle(x, size)


def _mean_of_maps(_: ir.Node) -> Function:
    return lambda x: x.mean(dim=(2, 3), keepdim=True)


SPATIAL: dict[str, Callable[[ir.Node], Function]] = {
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "GlobalAveragePool": _mean_of_maps,
    "MaxPool": _max_pool,
    "Resize": _resize,
}
