"""What the findings of an audit are drawn from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from trtbench.audit.kernels import GraphFacts, steps_of
from trtbench.audit.precision import QUANTIZED
from trtbench.results import AuditedLayer, CompiledLayer
from trtbench.specs.recipe import LINEAR_ROLES, Precision, Recipe
from trtbench.vit import PRODUCT_ROLES, ROLES_WITHOUT_WEIGHTS


def asked_precision(recipe: Recipe | None, role: str) -> str | None:
    """Precision that a recipe asks of the products of ``role``."""
    if recipe is None or role not in PRODUCT_ROLES:
        return None
    if role in LINEAR_ROLES:
        return recipe.precision_of(role).math
    if role == "attention" and recipe.fp8attn:
        return Precision.FP8.math
    return Precision.FP16.math if recipe.is_quantized else recipe.precision.math


def is_linear(layer: AuditedLayer) -> bool:
    """Whether a layer multiplies by weights: all products but those of attention and token reduction."""
    return layer.op in ("gemm", "conv") and layer.role not in ROLES_WITHOUT_WEIGHTS


@dataclass(frozen=True)
class Fallback:
    """A kernel that multiplies in another precision than the graph asks.

    ``dequantizers``: the kernels that dequantize its operands; ``sliced``: one of them cuts a weight up.
    """

    layer: AuditedLayer
    asked: str
    dequantizers: tuple[AuditedLayer, ...]
    sliced: bool


@dataclass(frozen=True)
class Evidence:
    """Products of a graph; with an engine (``backend``) also its kernels, raw and audited, one for one.

    ``leaves_open``: the engine leaves dimensions open, which were filled in. ``uncounted``: nodes of the
    graph that are not among its products, although they multiply matrices or may, each with what it is.
    ``sparse_eligible``, ``sparse_picked``: layers that the build log calls so; null where it says nothing.
    """

    recipe: Recipe | None
    backend: str | None
    products: tuple[AuditedLayer, ...]
    kernels: tuple[CompiledLayer, ...] = ()
    layers: tuple[AuditedLayer, ...] = ()
    facts: GraphFacts = field(default_factory=GraphFacts)
    uncounted: Mapping[str, str] = field(default_factory=dict)
    leaves_open: bool = False
    analytic_flops: int | None = None
    sparsity_requested: bool = False
    sparse_eligible: tuple[str, ...] | None = None
    sparse_picked: tuple[str, ...] | None = None

    @property
    def compiled(self) -> bool:
        """Whether there is an engine."""
        return self.backend is not None

    @cached_property
    def linear_kernels(self) -> list[AuditedLayer]:
        """GEMM and convolution kernels other than those of attention."""
        return [layer for layer in self.layers if is_linear(layer)]

    @cached_property
    def gemm_kernels(self) -> list[AuditedLayer]:
        """GEMM kernels of the Linear layers."""
        return [layer for layer in self.linear_kernels if layer.op == "gemm"]

    @cached_property
    def attention_kernels(self) -> list[AuditedLayer]:
        """Fused attention kernels, or the separate products of attention."""
        return [layer for layer in self.layers if layer.role == "attention" and layer.flops]

    @cached_property
    def other_kernels(self) -> list[AuditedLayer]:
        """Kernels that are not matrix products."""
        return [layer for layer in self.layers if layer.op not in ("gemm", "conv", "attention")]

    @cached_property
    def asks_quantized(self) -> bool:
        """Whether the recipe, or without one the graph, quantizes any product."""
        if self.recipe is not None:
            return self.recipe.is_quantized
        return any(product.precision_in in QUANTIZED for product in self.products)

    @cached_property
    def fallbacks(self) -> list[Fallback]:
        """Linear layers that the graph quantizes and the compiler multiplies in another precision."""
        return [
            self._fallback(kernel, layer, asked)
            for kernel, layer in zip(self.kernels, self.layers, strict=True)
            if is_linear(layer)
            for asked in [self._asked_of(layer)]
            if asked in QUANTIZED and asked != layer.precision_in
        ]

    @cached_property
    def emulated(self) -> frozenset[str]:
        """Precisions that no kernel multiplies in, although all operands are quantized and dequantized again.

        Where a slice of the weight explains every case, the precision as such may work.
        """
        kept = {layer.precision_in for layer in self.linear_kernels}
        by_precision: dict[str, list[Fallback]] = {}
        for fallback in self.fallbacks:
            by_precision.setdefault(fallback.asked, []).append(fallback)
        return frozenset(
            asked
            for asked, cases in by_precision.items()
            if asked not in kept
            and all(case.dequantizers for case in cases)
            and not all(case.sliced for case in cases)
        )

    def linear_share(self, layers: Iterable[AuditedLayer]) -> float:
        """Share of ``layers`` in the FLOPs of all Linear layers and the patch embedding."""
        total = sum(layer.flops for layer in self.linear_kernels or filter(is_linear, self.products))
        return sum(layer.flops for layer in layers) / total if total else 0.0

    @cached_property
    def _asked_in_graph(self) -> dict[str, str]:
        return {product.name: product.precision_in for product in self.products}

    @cached_property
    def _writers(self) -> dict[str, int]:
        return {tensor.name: i for i, kernel in enumerate(self.kernels) for tensor in kernel.outputs}

    def _asked_of(self, layer: AuditedLayer) -> str:
        asked = self._asked_in_graph
        return next((asked[node] for node in layer.onnx_nodes if node in asked), "none")

    def _fallback(self, kernel: CompiledLayer, layer: AuditedLayer, asked: str) -> Fallback:
        writers = [self._writers[tensor.name] for tensor in kernel.inputs if tensor.name in self._writers]
        dequantizers = [index for index in writers if self.layers[index].op == "dequantize"]
        return Fallback(
            layer=layer,
            asked=asked,
            dequantizers=tuple(self.layers[index] for index in dequantizers),
            sliced=any("Slic" in steps_of(self.kernels[index]) for index in dequantizers),
        )
