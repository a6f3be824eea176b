"""From an ONNX file to a float32 graph with static shapes, in which what depends on no image is constant."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import AttributeProto, ModelProto, TensorProto, numpy_helper, version_converter
from onnx_ir.passes import common

from trtbench.errors import ExportError
from trtbench.export.graph.static_batch import with_static_batch
from trtbench.export.onnx_source.inputs import operands
from trtbench.export.onnx_source.operators import evaluate
from trtbench.export.passes.graph import constant, initializer
from trtbench.onnx_files import read_model
from trtbench.specs import ImageSize, sides_of

_NARROW = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
_IMAGE_RANK = 4
_FIRST_CONVERTED = 18  # onnxscript converts from here on, onnx alone what is older


def load_model(path: Path, img_size: ImageSize | None) -> ModelProto:
    """Load a model of one input, images ``(B, C, H, W)`` of a known size, with its first output alone.

    Raises:
        ArtifactError: the file cannot be read.
        ExportError: it is quantised, or has other inputs or no image size.
    """
    model = read_model(path, weights="all", inline=True)
    for node in model.graph.node:
        if node.op_type in _QUANTIZERS:
            raise ExportError(
                f"{path}: is quantised ({node.op_type} {node.name!r}); give the FP32 or FP16 model"
            )
    _keep_images(path, model)
    _set_size(path, model, img_size)
    del model.graph.output[1:]
    return model


def _keep_images(path: Path, model: ModelProto) -> None:
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != _IMAGE_RANK:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ExportError(f"{path}: has the inputs {names}; expected one, images (B, C, H, W)")
    kept = onnx.ValueInfoProto.FromString(inputs[0].SerializeToString())
    del model.graph.input[:]
    model.graph.input.append(kept)


def _set_size(path: Path, model: ModelProto, img_size: ImageSize | None) -> None:
    name = model.graph.input[0].name
    _, channels, *sides = model.graph.input[0].type.tensor_type.shape.dim
    if not channels.dim_value:
        raise ExportError(f"{path}: the channels of input {name} are dynamic; export it with a number")
    for side, asked in zip(sides, (None, None) if img_size is None else sides_of(img_size), strict=True):
        if side.dim_value and asked not in (None, side.dim_value):
            raise ExportError(
                f"{path}: takes images of {side.dim_value} pixels, not {asked}; remove --img-size"
            )
        if not side.dim_value and asked is None:
            raise ExportError(f"{path}: the image size is dynamic; give one with --img-size")
        side.dim_value = side.dim_value or asked or 0


def batch_of(model: ModelProto) -> int | None:
    """The static batch; None where it is dynamic."""
    return model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or None


def own_batch(path: Path, img_size: ImageSize | None) -> int | None:
    """The static batch of a file; None where it is dynamic.

    Raises:
        ArtifactError: it cannot be read.
        ExportError: it does not take images.
    """
    return batch_of(load_model(path, img_size))


def read_graph(model: ModelProto) -> ir.Model:
    """Return the float32 graph with static shapes, for the model's own batch or one image.

    Raises:
        ExportError: something of it is not known, or a shape is not static.
    """
    graph = ir.from_proto(static_model(model, batch_of(model) or 1))
    common.ShapeInferencePass(data_prop=True)(graph)
    graph.graph.sort()
    _fold(graph.graph)
    common.RemoveUnusedNodesPass()(graph)
    return graph


def static_model(model: ModelProto, batch: int) -> ModelProto:
    """The same network in float32, for ``batch`` images."""
    copy = ModelProto()
    copy.CopyFrom(model)
    if _opset(model) < _FIRST_CONVERTED:
        copy = version_converter.convert_version(copy, _FIRST_CONVERTED)
    _widen(copy)
    return with_static_batch(copy, batch)


def _opset(model: ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 1)


def _widen(model: ModelProto) -> None:
    """Make every floating-point tensor float32."""
    for tensor in model.graph.initializer:
        _widen_tensor(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _widen_tensor(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in _NARROW:
                attribute.i = TensorProto.FLOAT
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type in _NARROW:
            value.type.tensor_type.elem_type = TensorProto.FLOAT


def _widen_tensor(tensor: TensorProto) -> None:
    if tensor.data_type in _NARROW:
        wide = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def _fold(graph: ir.Graph) -> None:
    """Compute what depends on constants alone, such as transposed weights or a class token for one image."""
    for node in list(graph):
        inputs = [value for value in node.inputs if value is not None]
        if not operands(node) or any(constant(value) is None for value in inputs):
            continue
        for output in list(node.outputs):
            folded = initializer(graph, f"{output.name}/folded", evaluate([node], {}, output).numpy())
            ir.convenience.replace_all_uses_with(output, folded, replace_graph_outputs=True)
