"""An exported ONNX file in standard operators that onnxruntime's CPU provider runs with the file's numerics.

Every tensor becomes float32 and holds what its type in the file can represent: an operator computes in
float32 and its result is rounded to FP16 or BF16 where the file says so, quantized tensors hold their
quantized values. Left to itself, onnxruntime 1.31 computes an FP16 graph in float32 from end to end and
rounds the last result only: no error of FP16 would show.

The scales that TensorRT computes are taken to be, for NVFP4, ``s = castToFp8(max|x| / 6 / s_global)`` with
``castToFp4(x / (s s_global))``, as ModelOpt's kernels have it, and for MXFP8 2**ceil(log2(max|x| / 448)), the
rule of cuDNN (Block Scaling) and of ModelOpt (``compute_e8m0``, ``compute_scale_e8m0_NV``). A block whose
scale comes out as 0 is 0. What no document states: divisions are in float32, and kernels may round their last
bit in another way.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper, version_converter

from trtbench.audit.graph import Graph, Shapes, read_graph
from trtbench.errors import ArtifactError
from trtbench.onnx_files import read_model
from trtbench.verify.number_formats import (
    E2M1_MAX,
    E4M3_MAX,
    ROUNDED_TYPES,
    NodeWriter,
    e8m0_values,
    round_to,
    round_up_to_e8m0,
)
from trtbench.verify.standard_graph import StandardGraph, evaluate

_SIXTEEN_BIT = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16})
_CARRIED = _SIXTEEN_BIT | {
    TensorProto.FLOAT4E2M1,
    TensorProto.FLOAT8E4M3FN,
    TensorProto.FLOAT8E8M0,
    TensorProto.INT8,
    TensorProto.UINT8,
}
"""Types whose tensors become float32 tensors of the same values."""
_FLOATS = (_CARRIED - {TensorProto.INT8, TensorProto.UINT8}) | {TensorProto.FLOAT}
_MOVES = frozenset(
    (
        "Concat",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Pad",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
        "Where",
    )
)
"""Operators whose results are some of their inputs: there is nothing to round."""
_MIN_OPSET = 19  # the first with Cast to FP8
_TRT_DOMAIN = "trt"
_FP4_BLOCK, _MXFP8_BLOCK = 16, 32


def lower(path: Path, shapes: Shapes | None = None, outputs: int = 1) -> StandardGraph:
    """Read an ONNX file with one input and write it in standard float32 operators.

    ``shapes``: of dynamic inputs, by name; ``outputs``: so many, the first ones, are kept.

    Raises:
        ArtifactError: the file cannot be read, or holds an operator that has no lowering.
    """
    graph = read_graph(path, shapes)
    model = read_model(path, weights="all", inline=True)
    return fold_constants(_Lowering(_recent(model, path), graph).run(outputs))


def _recent(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The same network in an opset that can round to every type; converted, tensors keep their names."""
    opset = next((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), 0)
    if opset >= _MIN_OPSET:
        return model
    try:
        return version_converter.convert_version(model, _MIN_OPSET)
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: opset {opset}, verification needs {_MIN_OPSET} or later: export again"
        ) from error


def fold_constants(graph: StandardGraph) -> StandardGraph:
    """Compute once all that depends on constants alone, such as weights from their quantized values.

    The class token stays apart from its Expand, which repeats it for every image of the batch.
    """
    known = set(graph.constants)
    constant_nodes, kept = [], []
    for node in graph.nodes:
        if node.op_type != "Expand" and all(name in known for name in node.input if name):
            known.update(node.output)
            constant_nodes.append(node)
        else:
            kept.append(node)
    if not constant_nodes:
        return graph
    used = {name for node in kept for name in node.input if name}
    computed = [name for node in constant_nodes for name in node.output if name in used]
    read = {name for node in constant_nodes for name in node.input}
    feeds = {name: array for name, array in graph.constants.items() if name in read}
    constants = {name: array for name, array in graph.constants.items() if name in used}
    constants |= evaluate(constant_nodes, feeds, computed, graph.opset)
    return StandardGraph(
        tuple(kept), constants, graph.input_name, graph.input_shape, graph.output_names, graph.opset
    )


class _Lowering:
    """One file on its way; ``_rules`` say how an operator is written, all others only compute and round."""

    def __init__(self, model: onnx.ModelProto, graph: Graph) -> None:
        self._model, self._graph = model, graph
        self._writer = NodeWriter()
        self._rules: dict[str, Callable[[NodeProto, dict[str, Any]], None]] = {
            "Cast": self._cast,
            "Constant": self._constant,
            "ConstantOfShape": self._constant_of_shape,
            "Shape": self._shape,
            "QuantizeLinear": self._quantize,
            "TRT_FP8QuantizeLinear": self._quantize,
            "DequantizeLinear": self._dequantize,
            "TRT_FP8DequantizeLinear": self._dequantize,
            "TRT_FP4DynamicQuantize": self._quantize_nvfp4,
            "TRT_MXFP8DynamicQuantize": self._quantize_mxfp8,
            "TRT_MXFP8DequantizeLinear": self._dequantize_mxfp8,
        }

    def run(self, outputs: int) -> StandardGraph:
        source = self._model.graph
        for tensor in source.initializer:
            self._writer.constants[tensor.name] = _carried(tensor)
        image, input_shape = self._image_input()
        for node in source.node:
            self._writer.begin(node.name or node.output[0])
            self._check(node)
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            self._rules.get(node.op_type, self._compute)(node, attributes)
        return StandardGraph(
            tuple(self._writer.nodes),
            self._writer.constants,
            image,
            input_shape,
            tuple(value.name for value in source.output[:outputs]),
            self._opset(),
        )

    def _opset(self) -> int:
        opset: int = next(e.version for e in self._model.opset_import if e.domain in ("", "ai.onnx"))
        return opset

    def _image_input(self) -> tuple[str, tuple[int, ...]]:
        """The input as float32, rounded to its type in the file, and its shape."""
        inputs = self._graph.inputs
        if len(inputs) != 1:
            raise ArtifactError(
                f"{self._graph.path}: has the inputs {', '.join(inputs)}; verification takes models with one"
            )
        (name,) = inputs
        element_type = self._graph.element_types[name]
        if element_type not in _SIXTEEN_BIT:
            return name, self._graph.shape(name)
        self._writer.begin(name)
        round_to(self._writer, element_type, f"{name}/float32", output=name)
        return f"{name}/float32", self._graph.shape(name)

    def _check(self, node: NodeProto) -> None:
        known = node.domain in ("", "ai.onnx") or (node.domain == _TRT_DOMAIN and node.op_type in self._rules)
        if not known or any(a.type == AttributeProto.GRAPH for a in node.attribute):
            raise ArtifactError(
                f"{self._graph.path}: node {node.name!r}: no lowering for the operator "
                f"{node.domain or 'ai.onnx'}::{node.op_type}: export the model in standard operators"
            )

    def _type(self, tensor: str) -> int:
        if tensor not in self._graph.element_types:
            raise ArtifactError(f"{self._graph.path}: the element type of {tensor!r} cannot be inferred")
        return self._graph.element_types[tensor]

    def _compute(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        """Compute in float32, and round results that are FP16 or BF16 in the file."""
        computed = [] if node.op_type in _MOVES else [name for name in node.output if name]
        rounded = [name for name in computed if self._type(name) in _SIXTEEN_BIT]
        outputs = [f"{name}/float32" if name in rounded else name for name in node.output]
        self._writer.nodes.append(
            helper.make_node(node.op_type, node.input, outputs, name=node.name, **attributes)
        )
        for name in rounded:
            round_to(self._writer, self._type(name), f"{name}/float32", output=name)

    def _cast(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        to, (x,), (output,) = attributes["to"], node.input, node.output
        if to not in _CARRIED:
            self._writer.node("Cast", x, output=output, to=to)
            return
        if to not in _FLOATS:  # a Cast cuts decimals off, which no quantizer does
            raise ArtifactError(f"{self._graph.path}: node {node.name!r} casts to an integer of 8 bits")
        if self._type(x) not in _FLOATS:
            x = self._writer.node("Cast", x, to=TensorProto.FLOAT)
        self._round(to, x, output)

    def _round(self, element_type: int, x: str, output: str) -> None:
        if element_type not in ROUNDED_TYPES:
            name = TensorProto.DataType.Name(element_type)
            raise ArtifactError(f"{self._graph.path}: tensor {output!r}: no rounding to {name} is known")
        round_to(self._writer, element_type, x, output)

    def _constant(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        ((name, value),) = attributes.items()
        array = _carried(value) if name == "value" else np.asarray(value, _CONSTANT_TYPES[name])
        self._writer.constants[node.output[0]] = array

    def _constant_of_shape(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        value = _carried(attributes["value"]) if "value" in attributes else np.zeros(1, np.float32)
        tensor = numpy_helper.from_array(value)
        self._writer.node("ConstantOfShape", node.input[0], output=node.output[0], value=tensor)

    def _shape(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        shape = self._graph.shape(node.input[0])
        part = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
        self._writer.constants[node.output[0]] = np.array(part, np.int64)

    def _quantize(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        x, scale = node.input[:2]
        self._refuse_zero_point(node)
        axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
        element_type = self._type(node.output[0])
        if element_type == TensorProto.FLOAT4E2M1:
            # E2M1 has no NaN: whatever code 0 / 0 gives, times the scale 0 it stands for 0.
            scale = self._one_for_zero(scale)
        scaled = self._with_scale("Div", x, scale, axis, block)
        self._round(element_type, scaled, node.output[0])

    def _dequantize(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        x, scale = node.input[:2]
        self._refuse_zero_point(node)
        axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
        self._write_dequantized(node, self._with_scale("Mul", x, scale, axis, block))

    def _dequantize_mxfp8(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        x, scale = node.input[:2]
        if self._type(scale) == TensorProto.UINT8:  # ModelOpt stores the scales of weights as their codes
            scale = e8m0_values(self._writer, scale)
        axis, block = attributes.get("axis", -1), attributes.get("block_size", _MXFP8_BLOCK)
        self._write_dequantized(node, self._with_blocks("Mul", x, scale, axis, block))

    def _write_dequantized(self, node: NodeProto, product: str) -> None:
        (output,) = node.output
        if self._type(output) in _SIXTEEN_BIT:
            round_to(self._writer, self._type(output), product, output)
        else:
            self._writer.node("Identity", product, output=output)

    def _quantize_nvfp4(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        x, global_scale = node.input
        write, (codes, scales) = self._writer, node.output
        blocks, largest, unblocked = self._blocks_and_largest(x, attributes, _FP4_BLOCK)
        scale = write.node("Div", write.node("Div", largest, write.constant(E2M1_MAX)), global_scale)
        scale = round_to(write, TensorProto.FLOAT8E4M3FN, scale)
        step = write.node("Mul", scale, global_scale)
        divided = write.node("Div", blocks, self._one_for_zero(step))
        rounded = round_to(write, TensorProto.FLOAT4E2M1, divided)
        write.node("Reshape", rounded, unblocked, output=codes)
        write.node("Squeeze", scale, write.constant([-1], np.int64), output=scales)

    def _one_for_zero(self, scale: str) -> str:
        is_zero = self._writer.node("Equal", scale, self._writer.constant(0.0))
        return self._writer.node("Where", is_zero, self._writer.constant(1.0), scale)

    def _quantize_mxfp8(self, node: NodeProto, attributes: dict[str, Any]) -> None:
        write, (codes, scales) = self._writer, node.output
        blocks, largest, unblocked = self._blocks_and_largest(node.input[0], attributes, _MXFP8_BLOCK)
        scale = round_up_to_e8m0(write, write.node("Div", largest, write.constant(E4M3_MAX)))
        rounded = round_to(write, TensorProto.FLOAT8E4M3FN, write.node("Div", blocks, scale))
        write.node("Reshape", rounded, unblocked, output=codes)
        write.node("Squeeze", scale, write.constant([-1], np.int64), output=scales)

    def _blocks_and_largest(
        self, x: str, attributes: dict[str, Any], default_block: int
    ) -> tuple[str, str, str]:
        """``x`` as ``(..., blocks, block)``, the largest magnitude of each block, the shape to go back."""
        axis, rank = attributes.get("axis", -1), len(self._graph.shape(x))
        if axis % rank != rank - 1:
            raise ArtifactError(f"{self._graph.path}: {x!r} is quantised along axis {axis}, not the last")
        blocked, unblocked = self._block_shapes(x, axis, attributes.get("block_size", default_block))
        blocks = self._writer.node("Reshape", x, blocked)
        magnitude = self._writer.node("Abs", blocks)
        last = self._writer.constant([-1], np.int64)
        return blocks, self._writer.node("ReduceMax", magnitude, last, keepdims=1), unblocked

    def _with_scale(self, op_type: str, x: str, scale: str, axis: int, block: int) -> str:
        """``x`` times or by a scale for the whole tensor, each index along ``axis``, or each block."""
        if block:
            return self._with_blocks(op_type, x, scale, axis, block)
        elements = int(np.prod(self._graph.shape(scale)))
        if elements > 1:
            rank = len(self._graph.shape(x))
            shape = [elements if index == axis % rank else 1 for index in range(rank)]
            scale = self._writer.node("Reshape", scale, self._writer.constant(shape, np.int64))
        return self._writer.node(op_type, x, scale)

    def _with_blocks(self, op_type: str, x: str, scale: str, axis: int, block: int) -> str:
        blocked, unblocked = self._block_shapes(x, axis, block)
        behind = axis % len(self._graph.shape(x)) + 1
        scale = self._writer.node("Unsqueeze", scale, self._writer.constant([behind], np.int64))
        product = self._writer.node(op_type, self._writer.node("Reshape", x, blocked), scale)
        return self._writer.node("Reshape", product, unblocked)

    def _block_shapes(self, x: str, axis: int, block: int) -> tuple[str, str]:
        """Operands of Reshape that split ``axis`` into blocks and join them again; 0 keeps a dimension."""
        shape = self._graph.shape(x)
        axis %= len(shape)
        if shape[axis] % block:
            raise ArtifactError(
                f"{self._graph.path}: {x!r} has {shape[axis]} elements along axis {axis}, which blocks of "
                f"{block} do not divide: TensorRT refuses it as well"
            )
        before, after = [0] * axis, list(shape[axis + 1 :])
        blocked = self._writer.constant([*before, -1, block, *after], np.int64)
        return blocked, self._writer.constant([*before, -1, *after], np.int64)

    def _refuse_zero_point(self, node: NodeProto) -> None:
        zero_point = node.input[2] if len(node.input) > 2 else ""
        if zero_point and np.any(self._writer.constants.get(zero_point, 0)):
            raise ArtifactError(f"{self._graph.path}: node {node.name!r}: a zero point that TensorRT refuses")


_CONSTANT_TYPES = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def _carried(tensor: TensorProto) -> np.ndarray[Any, Any]:
    """The values of a tensor, as float32 where no standard operator of the CPU takes its type."""
    array = numpy_helper.to_array(tensor)
    return array.astype(np.float32) if tensor.data_type in _CARRIED else array
