"""The kernels of a model from its structure alone, each a function of the batch; nothing is exported.

Every tensor that a kernel reads or writes counts once. Activations grow with the batch, weights do not.
Bytes of a product are ``(M K + K N) x bytes of an element``, with the scales of a block format, and those of
its result, which engines write in 16 bits (in FP32 for FP32) whatever the operands are.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from trtbench.audit.precision import QUANTIZED
from trtbench.export.forward import Call
from trtbench.predict.fitted import Kind
from trtbench.predict.work import element_bytes
from trtbench.specs.recipe import Recipe
from trtbench.vit import role_of

# An elementary function counts as one operation. LayerNorm: sum, centre, square, sum, scale by the deviation,
# scale, shift. GELU: x (1 + erf(x / sqrt 2)) / 2. Quantiser: scale, round.
_FLOPS_PER_ELEMENT = {"norm": 7, "activation": 5, "residual": 1, "quantize": 2}


@dataclass(frozen=True)
class Kernel:
    """One kernel for ``batch`` images or sequences.

    Args:
        rows: M for one image; ``n`` and ``k`` do not depend on the batch. Attention is its first product with
            all heads stacked, ``(heads x queries, head width) x (head width, keys)``; pointwise kernels have
            rows of ``n`` elements and no ``k``.
        precision: of the operands; of what is written for a quantiser.
        image_flops: for one image.
        image_bytes: activations read and written for one image.
        weight_bytes: read once a batch.
        result_bytes: what one image leaves behind, in 16 bits unless quantised or in FP32.
    """

    name: str
    kind: Kind
    precision: str
    rows: int
    n: int
    k: int | None
    image_flops: float
    image_bytes: float
    result_bytes: float
    weight_bytes: float = 0.0

    def flops(self, batch: float) -> float:
        """FLOPs of a batch, 2 for a multiplication with its addition."""
        return batch * self.image_flops

    def bytes(self, batch: float) -> float:
        """Bytes of a batch."""
        return batch * self.image_bytes + self.weight_bytes


@dataclass(frozen=True)
class Stretch:
    """What lies between two uses of the residual stream, which must stay in L2 meanwhile.

    Args:
        image_bytes: the stream and the results of all kernels of the stretch, for one image.
        weight_bytes: their weights.
    """

    image_bytes: float
    weight_bytes: float


def kernels_of(calls: Sequence[Call], recipe: Recipe) -> tuple[Kernel, ...]:
    """All kernels in order: one for each call, and a quantiser in front of quantised layers."""
    return tuple(_kernels(calls, recipe))


def counted(kernels: Sequence[Kernel]) -> dict[Kernel, int]:
    """Each kernel once, in the order of their first call, with how many equal ones there are."""
    return dict(Counter(kernels))


def stretches_of(kernels: Sequence[Kernel]) -> tuple[Stretch, ...]:
    """One for each addition to the residual stream, whose kernels come after the previous one.

    As in ``residency``: between two uses of a tensor lies what the kernels between them touch.
    """
    found, members = [], list[Kernel]()
    for kernel in kernels:
        members.append(kernel)
        if kernel.name == "residual":
            images = kernel.result_bytes + sum(member.result_bytes for member in members)
            found.append(Stretch(images, sum(member.weight_bytes for member in members)))
            members = []
    return tuple(found)


def _kernels(calls: Sequence[Call], recipe: Recipe) -> Iterator[Kernel]:
    quantized: Any = None
    for call in calls:
        if call.kind == "linear":
            precision = recipe.precision_of(role_of(call.path)).math
            if precision in QUANTIZED and call.inputs[0] is not quantized:
                quantized = call.inputs[0]  # layers that share their input share its quantiser
                yield _quantizer(call, recipe, precision)
        yield _kernel(call, recipe)


def _kernel(call: Call, recipe: Recipe) -> Kernel:
    if call.kind == "linear":
        *rows, k = call.inputs[0].shape
        role = role_of(call.path)
        return _product(role, recipe.precision_of(role).math, prod(rows), call.output.shape[-1], k, recipe)
    if call.kind == "convolution":
        layer: Any = call.module
        _, n, *outputs = call.output.shape
        k = layer.in_channels * prod(layer.kernel_size)
        return _product(role_of(call.path), recipe.unquantized, prod(outputs), n, k, recipe)
    if call.kind == "attention":
        return _attention(call, recipe)
    return _pointwise(call, recipe)


def _product(role: str, precision: str, rows: int, n: int, k: int, recipe: Recipe) -> Kernel:
    size = element_bytes(precision)
    result_bytes = rows * n * element_bytes(recipe.unquantized)
    return Kernel(
        name=role,
        kind="gemm",
        precision=precision,
        rows=rows,
        n=n,
        k=k,
        image_flops=2.0 * rows * n * k,
        image_bytes=rows * k * size + result_bytes,
        result_bytes=result_bytes,
        weight_bytes=k * n * size,
    )


def _attention(call: Call, recipe: Recipe) -> Kernel:
    precision = "fp8" if recipe.fp8attn else recipe.unquantized
    query, key, value = (tensor.shape for tensor in call.inputs)
    _, heads, queries, width = query
    elements = prod(query) + prod(key) + prod(value) + prod(call.output.shape)
    return Kernel(
        name="attention",
        kind="attention",
        precision=precision,
        rows=heads * queries,
        n=key[-2],
        k=width,
        image_flops=2.0 * heads * queries * key[-2] * (width + value[-1]),
        image_bytes=elements * element_bytes(precision),
        result_bytes=prod(call.output.shape) * element_bytes(recipe.unquantized),
    )


def _pointwise(call: Call, recipe: Recipe) -> Kernel:
    *rows, n = call.output.shape
    size = element_bytes(recipe.unquantized)
    elements = prod(call.output.shape)
    name = "residual" if call.kind == "add" else call.kind
    return Kernel(
        name=name,
        kind="pointwise",
        precision=recipe.unquantized,
        rows=prod(rows),
        n=n,
        k=None,
        image_flops=float(_FLOPS_PER_ELEMENT[name] * elements),
        image_bytes=(len(call.inputs) + 1) * elements * size,
        result_bytes=elements * size,
    )


def _quantizer(call: Call, recipe: Recipe, precision: str) -> Kernel:
    *rows, n = call.inputs[0].shape
    elements = prod(call.inputs[0].shape)
    written = elements * element_bytes(precision)
    return Kernel(
        name="quantize",
        kind="pointwise",
        precision=precision,
        rows=prod(rows),
        n=n,
        k=None,
        image_flops=float(_FLOPS_PER_ELEMENT["quantize"] * elements),
        image_bytes=elements * element_bytes(recipe.unquantized) + written,
        result_bytes=written,
    )
