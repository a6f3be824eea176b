"""Sizes of the matrix products in compiled layers, from the dimensions of their tensors alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from trtbench.audit.precision import element_bits, precision_of_product, precision_of_tensorrt
from trtbench.results import CompiledLayer, LayerTensor

_INDICES = frozenset({"int64", "int32", "bool"})


@dataclass(frozen=True)
class Product:
    """``(m, k) x (k, n)``, batch folded into ``m``, in ``precision``."""

    m: int
    n: int
    k: int
    precision: str

    @property
    def flops(self) -> int:
        """A multiplication and an addition counted as 2."""
        return 2 * self.m * self.n * self.k


def matrix_product(layer: CompiledLayer) -> Product | None:
    """The product whose operands and result are among the tensors of ``layer``.

    A fused layer also reads residuals and biases: the operands are those whose product has as many elements
    as an output; of several such pairs, one of equal element types, then one whose weight comes second, and
    the narrowest.
    """
    outputs = {math.prod(tensor.dimensions) for tensor in layer.outputs}
    found = [
        (first.dtype == second.dtype, first in layer.inputs, -_tensor_bits(first), product)
        for first, second in permutations(_operands(layer), 2)
        for product in _multiply(first, second, layer)
        if product.m * product.n in outputs
    ]
    return max(found, key=lambda candidate: candidate[:3])[3] if found else None


def convolution(layer: CompiledLayer) -> Product | None:
    """The convolution as a product: M output pixels, N output channels, K = channels x kernel."""
    for out in layer.outputs:
        for image, weight in permutations((*layer.inputs, *layer.constants), 2):
            if _is_convolution(image.dimensions, weight.dimensions, out.dimensions):
                n, k = weight.dimensions[0], math.prod(weight.dimensions[1:])
                precision = _product_precision(image, weight, layer)
                return Product(math.prod(out.dimensions) // n, n, k, precision)
    return None


def attention(layer: CompiledLayer) -> tuple[int, str] | None:
    """FLOPs of ``Q K^T`` and ``P V`` in a fused attention kernel, and the precision of its operands.

    Q is (..., Sq, D), K (..., D, Sk) or (..., Sk, D), V (..., Sk, Dv), the output (..., Sq, Dv).
    """
    for query, key, value in permutations(layer.inputs, 3):
        flops = _attention_flops(query.dimensions, key.dimensions, value.dimensions, layer)
        if flops:
            return flops, precision_of_product(
                precision_of_tensorrt(query.dtype), precision_of_tensorrt(value.dtype)
            )
    return None


def layer_bytes(layer: CompiledLayer) -> int:
    """Bytes of all inputs, constants and outputs, each counted once."""
    return sum(tensor_bytes(tensor) for tensor in (*layer.inputs, *layer.constants, *layer.outputs))


def tensor_bytes(tensor: LayerTensor) -> int:
    """Size of a dense tensor of these dimensions."""
    return math.ceil(math.prod(tensor.dimensions) * _tensor_bits(tensor) / 8)


def _tensor_bits(tensor: LayerTensor) -> int:
    return element_bits(precision_of_tensorrt(tensor.dtype))


def _operands(layer: CompiledLayer) -> list[LayerTensor]:
    """What a product may multiply: indices that a fused layer looks up or compares are no operands."""
    tensors = (*layer.inputs, *layer.constants)
    return [tensor for tensor in tensors if precision_of_tensorrt(tensor.dtype) not in _INDICES]


def _multiply(first: LayerTensor, second: LayerTensor, layer: CompiledLayer) -> Iterator[Product]:
    """The product of two tensors as numpy's matmul would do it, if their shapes allow it."""
    a, b = first.dimensions, second.dimensions
    if min(len(a), len(b)) < 2 or a[-1] != b[-2]:
        return
    batch = _broadcast(a[:-2], b[:-2])
    if batch is not None:
        yield Product(batch * a[-2], b[-1], a[-1], _product_precision(first, second, layer))


def _broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> int | None:
    """Elements of two batch shapes broadcast against each other; None if they do not fit."""
    rank = max(len(first), len(second))
    padded = [(1,) * (rank - len(dims)) + dims for dims in (first, second)]
    pairs = list(zip(padded[0], padded[1], strict=True))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return None
    return math.prod(max(pair) for pair in pairs)


def _product_precision(first: LayerTensor, second: LayerTensor, layer: CompiledLayer) -> str:
    """FP8 operands with E8M0 scales beside them are MXFP8."""
    precision = precision_of_product(precision_of_tensorrt(first.dtype), precision_of_tensorrt(second.dtype))
    others = {precision_of_tensorrt(tensor.dtype) for tensor in (*layer.inputs, *layer.constants)}
    return "mxfp8" if precision == "fp8" and "e8m0" in others else precision


def _is_convolution(image: tuple[int, ...], weight: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Whether (B, C, H, W) and (N, C / groups, R, S) give (B, N, P, Q)."""
    if not len(image) == len(weight) == len(out) == 4:
        return False
    return image[0] == out[0] and weight[0] == out[1] and image[1] % weight[1] == 0 and weight[2] <= image[2]


def _attention_flops(
    query: tuple[int, ...], key: tuple[int, ...], value: tuple[int, ...], layer: CompiledLayer
) -> int:
    """FLOPs if the shapes fit together as attention, else 0."""
    if not 2 < len(query) == len(key) == len(value):
        return 0
    heads, queries, depth = query[:-2], query[-2], query[-1]
    keys, value_depth = value[-2], value[-1]
    if key[:-2] != heads or value[:-2] != heads or sorted(key[-2:]) != sorted((keys, depth)):
        return 0
    if (*heads, queries, value_depth) not in {tensor.dimensions for tensor in layer.outputs}:
        return 0
    return 2 * math.prod(heads) * queries * keys * (depth + value_depth)
