"""The protobuf of an ONNX file, made ready for shape inference: without weights, at static shapes."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
from onnx import AttributeProto, NodeProto, TensorProto
from onnx.external_data_helper import uses_external_data

from trtbench.build.dimensions import Dimensions, dimensions_of, is_dynamic, shown
from trtbench.errors import ArtifactError, SpecError
from trtbench.onnx_files import onnx_faults, read_model
from trtbench.onnx_files.external import load_external
from trtbench.onnx_files.functions import inline_functions

_SHAPE_TENSOR_ELEMENTS = 64
"""Tensors up to this size may be shapes, axes or factors of a Resize: shape inference needs their values."""
_DATA_FIELDS = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data")


def load_model(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """Read a model without its large tensors, its functions inlined, at ``shapes`` of dynamic inputs.

    Raises:
        ArtifactError: no such file, not ONNX, damaged, or a shape is dynamic and not given.
        SpecError: a given shape does not fit.
    """
    with onnx_faults(path):
        model = inline_functions(_without_weights(path))
        _set_shapes(model, path, shapes)
    return model


def make_inferable(model: onnx.ModelProto) -> None:
    """Turn quantizers of the domain ``trt`` into Casts: they keep the shape, and ONNX does not know them.

    Stated shapes go too: they may be older than the batch size, and inference would keep them.
    """
    del model.graph.value_info[:]
    inputs = {value.name for value in model.graph.input}
    for value in (output for output in model.graph.output if output.name not in inputs):
        value.type.tensor_type.ClearField("shape")
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    types |= {
        node.output[0]: attribute.t.data_type
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
    }
    casts = []
    for node in model.graph.node:
        targets = _output_types(node, types) if node.domain == "trt" else []
        if targets:
            casts += [
                onnx.helper.make_node("Cast", [node.input[0]], [output], to=target)
                for output, target in zip(node.output, targets, strict=False)
            ]
        else:
            casts.append(node)
    kept = [NodeProto.FromString(node.SerializeToString()) for node in casts]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _without_weights(path: Path) -> onnx.ModelProto:
    model = read_model(path, weights="none")
    for tensor in _tensors(model.graph):
        if math.prod(tensor.dims) > _SHAPE_TENSOR_ELEMENTS:
            for field in _DATA_FIELDS:
                tensor.ClearField(field)
        elif uses_external_data(tensor):
            load_external(path, tensor)
    return model


def _tensors(graph: onnx.GraphProto) -> Iterable[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (
                attribute.t for attribute in node.attribute if attribute.type == AttributeProto.TENSOR
            )


def _set_shapes(model: onnx.ModelProto, path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    unknown = [name for name in shapes if name not in inputs]
    if unknown:
        raise SpecError(f"shape of {unknown[0]}: {path.name} has no such input, only {', '.join(inputs)}")
    for name, value in inputs.items():
        dims = dimensions_of(value)
        if name in shapes:
            _check_fits(path, name, dims, shapes[name])
            del value.type.tensor_type.shape.dim[:]
            for size in shapes[name]:
                value.type.tensor_type.shape.dim.add().dim_value = size
        elif dims is not None and is_dynamic(dims):
            raise ArtifactError(
                f"{path}: input {name!r} has the dynamic shape {shown(dims)}: give it a static one with "
                f"--shape {name}={_example(dims)}"
            )


def _check_fits(path: Path, name: str, dims: Dimensions | None, shape: tuple[int, ...]) -> None:
    fits = dims is None or (
        len(dims) == len(shape)
        and all(isinstance(dim, str) or dim == size for dim, size in zip(dims, shape, strict=True))
    )
    if not fits:
        raise SpecError(
            f"{'x'.join(map(str, shape))} is not a shape of input {name} {shown(dims)} of {path.name}"
        )


def _example(dims: Dimensions) -> str:
    return "x".join(str(dim) if isinstance(dim, int) else "N" for dim in dims)


def _output_types(node: NodeProto, types: dict[str, int]) -> list[int]:
    """Element types of the outputs of a quantizer of ModelOpt's; empty for any other operator."""
    stated = next((a.i for a in node.attribute if a.name == "output_dtype"), 0)
    if node.op_type.endswith("DynamicQuantize"):
        data = TensorProto.FLOAT4E2M1 if "FP4" in node.op_type else TensorProto.FLOAT8E4M3FN
        scale = TensorProto.FLOAT8E4M3FN if "FP4" in node.op_type else TensorProto.FLOAT8E8M0
        return [data, scale]
    if node.op_type.endswith("DequantizeLinear"):
        return [stated or types.get(node.input[1], TensorProto.FLOAT)]
    if node.op_type.endswith("QuantizeLinear"):
        zero_point = types.get(node.input[2]) if len(node.input) > 2 else None
        by_name = TensorProto.INT8 if "INT8" in node.op_type else TensorProto.FLOAT8E4M3FN
        return [stated or zero_point or by_name]
    return []
