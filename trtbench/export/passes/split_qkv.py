"""Q, K and V as three products that share one weight scale.

timm computes Q, K and V with one Linear. The compiler slices its weight in three, the pattern of a
block-scaled product breaks, and the product runs in FP16 between kernels that dequantise both operands.
Three products keep their precision; cut from one quantised weight they share its per-tensor scale, so
that the compiler merges them again, into one batched product.
"""

import re

import numpy as np
import onnx_ir as ir

from trtbench.export.passes.graph import constant, initializer, only_user, other_input, producer, static_shape

_PARTS = ("q", "k", "v")
_ELEMENTWISE = frozenset({"Cast", "QuantizeLinear", "DequantizeLinear", "TRT_MXFP8DequantizeLinear"})


def run(model: ir.Model) -> int:
    """Split every fused projection that is found; return how many."""
    fused = [
        node for node in model.graph if node.op_type == "MatMul" and (node.name or "").endswith("/qkv/MatMul")
    ]
    return sum(_split(model.graph, node) for node in fused)


def _split(graph: ir.Graph, product: ir.Node) -> bool:
    projected, bias = _bias_after(product)
    heads = _heads_of(projected)
    weight = product.inputs[1]
    if heads is None or weight is None:
        return False
    head_outputs, heads_shape = heads
    for index, (part, output) in enumerate(zip(_PARTS, head_outputs, strict=True)):
        builder = _Branch(graph, product, part, index)
        value = builder.node("MatMul", [product.inputs[0], builder.sliced(weight, axis=1)], "MatMul")
        if bias is not None:
            value = builder.node("Add", [value, builder.sliced(bias, axis=0)], "Add")
        shape = builder.shared_constant("heads_shape", np.array(heads_shape, np.int64))
        value = builder.node("Reshape", [value, shape], "heads/Reshape")
        value = builder.node("Transpose", [value], "heads/Transpose", perm=(0, 2, 1, 3))
        ir.convenience.replace_all_uses_with(output, value)
    return True


def _bias_after(product: ir.Node) -> tuple[ir.Value, ir.Value | None]:
    """The projection with its bias added, and the bias."""
    add = only_user(product.outputs[0], "Add")
    if add is None:
        return product.outputs[0], None
    return add.outputs[0], other_input(add, product.outputs[0])


def _heads_of(projected: ir.Value) -> tuple[list[ir.Value], tuple[int, ...]] | None:
    """Q, K and V as ``(B, H, N, D)`` behind a reshape to ``(B, N, 3, H, D)``, and ``(B, N, H, D)``."""
    reshape = only_user(projected, "Reshape")
    transpose = reshape and only_user(reshape.outputs[0], "Transpose")
    split = transpose and only_user(transpose.outputs[0], "Split")
    if reshape is None or transpose is None or split is None:
        return None
    shape = static_shape(reshape.outputs[0])
    squeezes = [only_user(output, "Squeeze") for output in split.outputs]
    if shape is None or len(shape) != 5 or shape[2] != 3 or len(squeezes) != 3 or None in squeezes:
        return None
    if list(transpose.attributes["perm"].as_ints()) != [2, 0, 3, 1, 4]:
        return None
    outputs = [squeeze.outputs[0] for squeeze in squeezes if squeeze is not None]
    return outputs, (shape[0], shape[1], shape[3], shape[4])


class _Branch:
    """Adds the nodes of one of Q, K and V behind the fused product."""

    def __init__(self, graph: ir.Graph, product: ir.Node, part: str, index: int) -> None:
        self._graph = graph
        self._anchor = product
        self._index = index
        self._part = part
        self._slices: dict[str | None, ir.Value] = {}
        self._path = (product.name or "").removesuffix("/qkv/MatMul") + f"/{part}"

    def node(
        self, op_type: str, inputs: list[ir.Value | None], name: str, domain: str = "", **attributes: object
    ) -> ir.Value:
        node = ir.node(op_type, inputs, attributes=attributes, domain=domain, name=f"{self._path}/{name}")  # type: ignore[arg-type]
        node.outputs[0].name = f"{node.name}_output_0"
        self._graph.insert_before(self._anchor, node)
        return node.outputs[0]

    def shared_constant(self, name: str, array: np.ndarray) -> ir.Value:
        return initializer(self._graph, f"{self._path}/{name}", array)

    def sliced(self, value: ir.Value, axis: int) -> ir.Value:
        """This part of a constant, or of what is computed from constants, along ``axis``."""
        array = constant(value)
        if array is not None:
            if value.name not in self._slices:
                self._slices[value.name] = self._slice_constant(value, array, axis)
            return self._slices[value.name]
        source = producer(value, "Transpose", *_ELEMENTWISE)
        if source is None:
            raise ValueError(f"{value.name} is not computed from constants alone")
        if source.op_type == "Transpose":
            axis = list(source.attributes["perm"].as_ints())[axis]
        inputs = [
            operand and self.sliced(operand, self._axis_of(source, operand, axis))
            for operand in source.inputs
        ]
        name = (
            (source.name or source.op_type)
            .replace("/qkv/", f"/{self._part}/")
            .replace(".qkv.", f".{self._part}.")
        )
        node = ir.node(source.op_type, inputs, attributes=source.attributes, domain=source.domain, name=name)
        node.outputs[0].name = f"{name}_output_0"
        self._graph.insert_before(self._anchor, node)
        return node.outputs[0]

    @staticmethod
    def _axis_of(source: ir.Node, operand: ir.Value, axis: int) -> int:
        """The axis of an operand: scales per channel are vectors along the axis that is cut."""
        data = source.inputs[0]
        rank = len(operand.shape or ())
        return axis if data is None or rank == len(data.shape or ()) else 0

    def _slice_constant(self, value: ir.Value, array: np.ndarray, axis: int) -> ir.Value:
        if array.size == 1:
            return value
        # Named after this block: equal tensors of several blocks are stored once, under one block's name.
        _, _, own_name = (value.name or "").rpartition("qkv")
        name = f"{self._path}/{own_name.strip('./') or re.split('[./]', value.name or '')[-1]}"
        return initializer(self._graph, name, np.split(array, len(_PARTS), axis=axis)[self._index])
