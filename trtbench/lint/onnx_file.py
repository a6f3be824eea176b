"""What the rules need of an ONNX file beside its products: types, zero points, dynamic shapes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper
from onnx.external_data_helper import uses_external_data

from trtbench.audit.graph import Graph, Shapes, read_graph
from trtbench.build.dimensions import Dimensions, dimensions_of, is_dynamic
from trtbench.onnx_files import onnx_faults, read_model
from trtbench.onnx_files.external import load_external
from trtbench.onnx_files.functions import inline_functions, node_name
from trtbench.specs import ImageSize, sides_of

_IMPORTED_TYPES = frozenset(
    (
        TensorProto.FLOAT,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.DOUBLE,
        TensorProto.INT4,
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.BOOL,
        TensorProto.FLOAT8E4M3FN,
        TensorProto.FLOAT4E2M1,
    )
)
"""What the parser of TensorRT-RTX 1.7.1 takes as an input or a constant."""
_INTEGER_OPERATORS = frozenset(
    ("ConvInteger", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul")
)
_IMAGE_RANK, _IMAGE_CHANNELS = 4, 3


@dataclass(frozen=True)
class OnnxFile:
    """A model without its weights, and where it lies."""

    path: Path
    model: ModelProto

    @property
    def inputs(self) -> list[ValueInfoProto]:
        """Inputs that are no weights."""
        weights = {tensor.name for tensor in self.model.graph.initializer}
        return [value for value in self.model.graph.input if value.name not in weights]


def open_onnx(path: Path) -> OnnxFile:
    """Read the structure of an ONNX file; weights in other files need not be there.

    Raises:
        ArtifactError: no such file, not ONNX, or damaged.
    """
    with onnx_faults(path):
        return OnnxFile(path, inline_functions(read_model(path)))


def dynamic_inputs(file: OnnxFile) -> dict[str, Dimensions]:
    """Dimensions of each input that has a symbol or nothing in place of a number."""
    dims = {value.name: dimensions_of(value) for value in file.inputs}
    return {name: found for name, found in dims.items() if found is not None and is_dynamic(found)}


def foreign_tensors(file: OnnxFile) -> tuple[tuple[str, str], ...]:
    """Name and type of the inputs and constants that the parser does not import."""
    kinds = [(value.name, value.type.tensor_type.elem_type) for value in file.inputs]
    kinds += [(name, tensor.data_type) for name, tensor in _constants(file.model.graph)]
    return tuple(
        (name, TensorProto.DataType.Name(kind).lower())
        for name, kind in kinds
        if kind not in _IMPORTED_TYPES and kind != TensorProto.UNDEFINED
    )


def asymmetric_quantizers(file: OnnxFile) -> tuple[str, ...]:
    """Quantisers of ONNX's own with a zero point other than 0, or with weights in uint8."""
    constants = dict(_constants(file.model.graph))
    return tuple(
        node_name(node)
        for node in file.model.graph.node
        if not node.domain and _is_asymmetric(node, constants, file.path)
    )


def unsigned_quantizers(file: OnnxFile) -> tuple[str, ...]:
    """Quantisers of activations to uint8 with zero point 0."""
    constants, asymmetric = dict(_constants(file.model.graph)), set(asymmetric_quantizers(file))
    return tuple(
        node_name(node)
        for node in file.model.graph.node
        if not node.domain and _is_unsigned(node, constants) and node_name(node) not in asymmetric
    )


def integer_operators(file: OnnxFile) -> tuple[str, ...]:
    """Nodes of ONNX's integer operators, which onnxruntime's quantiser makes."""
    return tuple(node_name(node) for node in file.model.graph.node if node.op_type in _INTEGER_OPERATORS)


def int32_dequantizers(file: OnnxFile) -> tuple[str, ...]:
    """Nodes that dequantise an int32 constant, a bias."""
    wide = {name for name, tensor in _constants(file.model.graph) if tensor.data_type == TensorProto.INT32}
    return tuple(
        node_name(node)
        for node in file.model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in wide
    )


def strides_of(node: NodeProto) -> tuple[int, int]:
    """Strides of a convolution of images."""
    steps = next((tuple(a.ints) for a in node.attribute if a.name == "strides"), (1, 1))
    return (steps[0], steps[-1])


def graph_of(file: OnnxFile, batch: int, image_size: ImageSize, shapes: Shapes) -> Graph:
    """Nodes and shapes; dynamic dimensions of images count as ``batch`` images of 3 channels.

    ``shapes``: of inputs, by name, that are given.

    Raises:
        ArtifactError: the graph contradicts itself, or these dimensions.
        SpecError: a given shape does not fit.
    """
    assumed = {name: _assumed(dims, batch, image_size) for name, dims in dynamic_inputs(file).items()}
    return read_graph(file.path, assumed | shapes)


def _assumed(dims: Dimensions, batch: int, image_size: ImageSize) -> tuple[int, ...]:
    sides = sides_of(image_size)
    image = (batch, _IMAGE_CHANNELS, *sides)
    assumed = image if len(dims) == _IMAGE_RANK else (batch,) + sides[:1] * (len(dims) - 1)
    return tuple(dim if isinstance(dim, int) else number for dim, number in zip(dims, assumed, strict=True))


def _constants(graph: GraphProto) -> Iterator[tuple[str, TensorProto]]:
    for tensor in graph.initializer:
        yield tensor.name, tensor
    for node in graph.node:
        if node.op_type == "Constant":
            yield from ((node.output[0], each.t) for each in node.attribute if each.HasField("t"))


def _is_asymmetric(node: NodeProto, constants: dict[str, TensorProto], path: Path) -> bool:
    if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return False
    if _states_uint8(node) or _kind(constants, node.input[0]) == TensorProto.UINT8:
        return True
    zero_point = constants.get(node.input[2]) if len(node.input) > 2 else None
    if zero_point is None:
        return False
    if uses_external_data(zero_point):
        load_external(path, zero_point)
    return bool(np.any(numpy_helper.to_array(zero_point).astype(np.float32)))


def _is_unsigned(node: NodeProto, constants: dict[str, TensorProto]) -> bool:
    """Whether ONNX says uint8: by the zero point, or by leaving it out."""
    if node.op_type != "QuantizeLinear" or any(each.name == "output_dtype" for each in node.attribute):
        return False
    return len(node.input) < 3 or _kind(constants, node.input[2]) == TensorProto.UINT8


def _states_uint8(node: NodeProto) -> bool:
    return any(each.name == "output_dtype" and each.i == TensorProto.UINT8 for each in node.attribute)


def _kind(constants: dict[str, TensorProto], name: str) -> int:
    return constants[name].data_type if name in constants else TensorProto.UNDEFINED
