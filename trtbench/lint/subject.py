"""What the rules judge: the few facts about a torch model or an ONNX graph that decide what compiles.

Precisions are named as in audits: ``fp16``, ``fp8``, ``mxfp8``, ``fp4`` (NVFP4).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from trtbench.specs.recipe import Recipe

BLOCK_SIZE = {"fp4": 16, "mxfp8": 32}
"""Elements along K that share a scale (NVFP4; OCP MX v1.0)."""
FORMAT_NAME = {"fp4": "NVFP4", "mxfp8": "MXFP8"}
QUANTIZER_RANKS = (2, 3)
"""Dimensions of a tensor that TensorRT quantises dynamically (``NvInfer.h``, IDynamicQuantizeLayer)."""


@dataclass(frozen=True)
class LinearLayer:
    """An activation of ``shape`` (..., K) times a weight (K, ``n``), in the precision that is asked for.

    ``kept``: the exporter leaves the precision as it was asked. ``cut_in_three``: Q, K and V are slices of
    the result.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    n: int
    precision: str
    kept: bool = True
    cut_in_three: bool = False

    @property
    def k(self) -> int:
        """Inputs."""
        return self.shape[-1]

    @property
    def flops(self) -> int:
        """A multiplication and an addition counted as 2."""
        return 2 * math.prod(self.shape) * self.n


@dataclass(frozen=True)
class Quantizer:
    """A quantiser of an activation of ``shape`` to a block format, along ``axis``.

    ``source`` is the element type that it reads, ``role`` that of the product it feeds; ``is_dynamic``: it
    finds the scales itself, in one of TensorRT's own operators.
    """

    name: str
    role: str
    precision: str
    shape: tuple[int, ...]
    axis: int
    block: int
    source: str
    kept: bool = True
    is_dynamic: bool = True

    @property
    def rows(self) -> int:
        """Rows of the product that the activation goes into, when it is quantised along its last axis."""
        return math.prod(self.shape[:-1])

    @property
    def is_along_last_axis(self) -> bool:
        """Whether the blocks lie along the last axis."""
        return self.axis in (-1, len(self.shape) - 1)


@dataclass(frozen=True)
class Attention:
    """``softmax(Q K^T) V`` of heads of ``head_dim``; precisions of Q, K, V and of the result of softmax.

    ``value_dim``: width of the heads of V where it is known to differ. ``scores`` is the element type of
    ``Q K^T``; ``is_operator``: ONNX's operator Attention.
    """

    name: str
    queries: int
    keys: int
    head_dim: int
    precisions: tuple[str, str, str, str]
    scores: str
    is_operator: bool = False
    value_dim: int | None = None
    role: str = "attention"

    @property
    def is_fp8(self) -> bool:
        """Whether all four operands are FP8."""
        return set(self.precisions) == {"fp8"}


@dataclass(frozen=True)
class Convolution:
    """A convolution of an image of ``image`` (H, W) without padding; ``flops`` of the whole batch."""

    name: str
    role: str
    activation: str
    weight: str
    image: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    flops: int


@dataclass(frozen=True)
class Tokens:
    """Tokens of one image, how many of them are no patch (class token, registers), and the patch side."""

    number: int
    prefix: int
    patch: int


@dataclass(frozen=True)
class LintSubject:
    """A model in one recipe, or a graph.

    Attributes:
        origin: a timm model that our exporter would quantise, or an ONNX graph as it is.
        recipe: of the export; None for a graph that is not ours.
        batch: images per inference; None where a graph does not state it.
        tokens: of a model; None for a graph.
        dynamic_inputs: name and shape of the inputs whose shape is not static.
        foreign_tensors: name and type of the tensors that the parser cannot take.
        asymmetric_quantizers: those with a zero point other than 0, or with weights in uint8.
        unsigned_quantizers: those of activations to uint8 with zero point 0.
        integer_operators: products and quantisers of integers that are not pairs of quantise and dequantise.
        int32_dequantizers: those of biases, as onnxruntime's quantiser stores them.
        unjudged: products whose shapes cannot be inferred, and nodes that may multiply matrices, with why.
    """

    name: str
    origin: Literal["model", "graph"]
    recipe: Recipe | None
    batch: int | None
    targets: tuple[str, ...]
    linears: tuple[LinearLayer, ...] = ()
    quantizers: tuple[Quantizer, ...] = ()
    attentions: tuple[Attention, ...] = ()
    convolutions: tuple[Convolution, ...] = ()
    tokens: Tokens | None = None
    dynamic_inputs: tuple[tuple[str, str], ...] = ()
    foreign_tensors: tuple[tuple[str, str], ...] = ()
    asymmetric_quantizers: tuple[str, ...] = ()
    unsigned_quantizers: tuple[str, ...] = ()
    integer_operators: tuple[str, ...] = ()
    int32_dequantizers: tuple[str, ...] = ()
    unjudged: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_stock(self) -> bool:
        """Whether the graph is to be as ModelOpt's own example exports it."""
        return self.recipe is not None and self.recipe.stock

    @property
    def is_guarded(self) -> bool:
        """Whether our exporter leaves in 16 bits what TensorRT would refuse."""
        return self.origin == "model" and not self.is_stock

    @cached_property
    def block_layers(self) -> tuple[LinearLayer, ...]:
        """Linear layers that reach the compiler in a block format."""
        return tuple(layer for layer in self.linears if layer.kept and layer.precision in BLOCK_SIZE)

    @cached_property
    def dynamic_quantizers(self) -> tuple[Quantizer, ...]:
        """Quantisers under the limits of TensorRT's dynamic quantisation."""
        return tuple(quantizer for quantizer in self.quantizers if quantizer.is_dynamic)

    @cached_property
    def fp4_quantizers(self) -> tuple[Quantizer, ...]:
        """NVFP4 quantisers along the last axis that reach the compiler and that it takes."""
        return tuple(
            quantizer
            for quantizer in self.quantizers
            if quantizer.kept
            and quantizer.precision == "fp4"
            and quantizer.is_along_last_axis
            and len(quantizer.shape) in QUANTIZER_RANKS
            and quantizer.shape[-1] % quantizer.block == 0
        )

    @cached_property
    def precisions(self) -> frozenset[str]:
        """Precisions of all products."""
        of_linears = {layer.precision for layer in self.linears if layer.kept}
        of_attention = {precision for each in self.attentions for precision in each.precisions}
        of_convolutions = {name for each in self.convolutions for name in (each.activation, each.weight)}
        return frozenset(of_linears | of_attention | of_convolutions)

    def linear_share(self, layers: tuple[LinearLayer, ...]) -> float:
        """Share of ``layers`` in the FLOPs of all Linear layers."""
        total = sum(layer.flops for layer in self.linears)
        return sum(layer.flops for layer in layers) / total if total else 0.0
