"""Dimensions that an engine with an optimization profile leaves open, filled in for one shape of its inputs.

The compiler writes -1 for them. Inputs and outputs have their size in the graph, and so have products; other
sizes follow from kernel to kernel: a tensor that is read is the one that was written, and what a kernel
writes has the size of what it reads, unless it cuts or repeats that.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trtbench.audit.graph import Graph
from trtbench.audit.kernels import PRODUCT_TYPES, GraphFacts, steps_of
from trtbench.results import CompiledLayer, LayerTensor

_OPEN = -1
_RESIZING_STEPS = frozenset({"Conc", "Dyna", "Gath", "Pad", "Repl", "Slic"})
_Dimensions = tuple[int, ...]


def is_open(layers: Iterable[CompiledLayer]) -> bool:
    """Whether a layer leaves a dimension open."""
    return any(_OPEN in tensor.dimensions for layer in layers for tensor in (*layer.inputs, *layer.outputs))


def at_shapes(
    kernels: tuple[CompiledLayer, ...], graph: Graph, facts: GraphFacts
) -> tuple[CompiledLayer, ...]:
    """Fill in open dimensions of ``kernels``, in execution order, for the shapes of ``graph``.

    A dimension that nothing determines is 0, so that its tensor counts no bytes.
    """
    sizes = _Sizes(graph.shapes)
    return tuple(sizes.fill(kernel, facts) for kernel in kernels)


@dataclass
class _Sizes:
    """Dimensions by name: of the tensors of the graph, and of those that kernels wrote."""

    graph: Mapping[str, _Dimensions]
    written: dict[str, LayerTensor] = field(default_factory=dict)
    filled: dict[str, _Dimensions] = field(default_factory=dict)

    def fill(self, kernel: CompiledLayer, facts: GraphFacts) -> CompiledLayer:
        rows = _rows_of_product(kernel, facts)
        known = {tensor: self._of_read(tensor, rows) for tensor in kernel.inputs}
        for tensor, dims in known.items():
            if dims is None:
                known[tensor] = _beside(tensor, known, kernel)
        # What holds all rows in one dimension follows from an output that keeps images apart.
        for tensor in sorted(kernel.outputs, key=lambda each: -len(each.dimensions)):
            known[tensor] = (
                self._of_graph(tensor)
                or _of_product(tensor, kernel, facts)
                or _rows_of(tensor, known, kernel)
                or _beside(tensor, known, kernel)
            )
            self.written[tensor.name] = tensor
            self.filled[tensor.name] = known[tensor] or _unknown(tensor)
        inputs, outputs = (
            tuple(each.model_copy(update={"dimensions": known[each] or _unknown(each)}) for each in side)
            for side in (kernel.inputs, kernel.outputs)
        )
        return kernel.model_copy(update={"inputs": inputs, "outputs": outputs})

    def _of_graph(self, tensor: LayerTensor) -> _Dimensions | None:
        if _OPEN not in tensor.dimensions:
            return tensor.dimensions
        shape = self.graph.get(tensor.name)
        return None if shape is None else _of_elements(tensor, math.prod(shape))

    def _of_read(self, tensor: LayerTensor, rows: int | None) -> _Dimensions | None:
        """Of a tensor that is read, maybe in another shape than it was written, or one part of several.

        ``rows``: those of the operands, if a product reads it.
        """
        before = self.written.get(tensor.name)
        if before is None or _OPEN not in tensor.dimensions:
            return self._of_graph(tensor)
        filled = self.filled[tensor.name]
        if tensor.dimensions[:-1] == before.dimensions[:-1] and tensor.dimensions[-1] != _OPEN:
            return (*filled[:-1], tensor.dimensions[-1])  # as it was written, or some columns of it
        whole = _of_elements(tensor, math.prod(filled))
        is_part = tensor.dimensions == before.dimensions[1:] and (whole is None or whole[0] != rows)
        return filled[1:] if is_part else whole


def _rows_of_product(kernel: CompiledLayer, facts: GraphFacts) -> int | None:
    nodes = facts.product_nodes(kernel)
    return nodes[0].m if kernel.layer_type in PRODUCT_TYPES and nodes else None


def _of_product(tensor: LayerTensor, kernel: CompiledLayer, facts: GraphFacts) -> _Dimensions | None:
    """Of the result of a product, from its size in the graph."""
    nodes = facts.product_nodes(kernel)
    if kernel.layer_type not in PRODUCT_TYPES or not nodes or nodes[0].m is None:
        return None
    return _of_elements(tensor, nodes[0].m * sum(node.n or 0 for node in nodes))


def _rows_of(
    tensor: LayerTensor, known: Mapping[LayerTensor, _Dimensions | None], kernel: CompiledLayer
) -> _Dimensions | None:
    """From another output of more dimensions: the residual stream beside the rows of its norm."""
    for other in kernel.outputs:
        dims = known.get(other)
        if (
            dims
            and len(other.dimensions) > len(tensor.dimensions)
            and other.dimensions[-1] == tensor.dimensions[-1]
        ):
            return _of_elements(tensor, math.prod(dims))
    return None


def _beside(
    tensor: LayerTensor, known: Mapping[LayerTensor, _Dimensions | None], kernel: CompiledLayer
) -> _Dimensions | None:
    """From the other tensors of a kernel."""
    others = [
        (other.dimensions, dims) for other, dims in known.items() if dims is not None and other != tensor
    ]
    others = [(pattern, dims) for pattern, dims in others if _OPEN in pattern]
    pattern = tensor.dimensions
    for other, dims in others:
        if pattern[:-1] == other[:-1] and pattern[-1] != _OPEN:
            return (*dims[:-1], pattern[-1])
    if not _RESIZING_STEPS.intersection(steps_of(kernel)):
        for _, dims in others:
            if found := _of_elements(tensor, math.prod(dims)):
                return found
    for other, dims in others:
        if len(pattern) == len(other) and pattern.count(_OPEN) == 1 and other[pattern.index(_OPEN)] == _OPEN:
            return tuple(dims[i] if side == _OPEN else side for i, side in enumerate(pattern))
    return next((_rounded_up(tensor, math.prod(dims)) for _, dims in others), None)


def _of_elements(tensor: LayerTensor, elements: int) -> _Dimensions | None:
    """Dimensions of a tensor of one open dimension that holds so many elements."""
    static = math.prod(side for side in tensor.dimensions if side != _OPEN)
    if tensor.dimensions.count(_OPEN) != 1 or not static or elements % static:
        return None
    return tuple(elements // static if side == _OPEN else side for side in tensor.dimensions)


def _rounded_up(tensor: LayerTensor, elements: int) -> _Dimensions | None:
    """As ``_of_elements``, for a tensor that is padded, such as scales of blocks."""
    static = math.prod(side for side in tensor.dimensions if side != _OPEN)
    return _of_elements(tensor, -(-elements // static) * static) if static else None


def _unknown(tensor: LayerTensor) -> _Dimensions:
    return tuple(max(side, 0) for side in tensor.dimensions)
