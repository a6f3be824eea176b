"""Shapes and types of TensorRT's own operators, so that ONNX shape inference sees through them."""

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
from onnx import TensorProto, TypeProto, defs
from onnx.defs import OpSchema
from onnx.shape_inference import InferenceContext

DOMAIN = "trt"
DOMAIN_VERSION = 1

_FLOATS = ["tensor(float)", "tensor(float16)", "tensor(bfloat16)"]
_E4M3, _E2M1, _E8M0 = "tensor(float8e4m3fn)", "tensor(float4e2m1)", "tensor(float8e8m0)"


@contextmanager
def known_to_onnx() -> Iterator[None]:
    """Register the operators that ModelOpt emits; ONNX's registry is as before when the block ends."""
    schemas = (_fp4_quantize(), _mxfp8_quantize(), _mxfp8_dequantize())
    for schema in schemas:
        defs.register_schema(schema)
    try:
        yield
    finally:
        for schema in schemas:
            defs.deregister_schema(schema.name, DOMAIN_VERSION, DOMAIN)


def _fp4_quantize() -> OpSchema:
    schema = OpSchema(
        "TRT_FP4DynamicQuantize",
        DOMAIN,
        DOMAIN_VERSION,
        inputs=[OpSchema.FormalParameter("x", "T"), OpSchema.FormalParameter("scale", "tensor(float)")],
        outputs=[OpSchema.FormalParameter("y", _E2M1), OpSchema.FormalParameter("y_scale", _E4M3)],
        type_constraints=[("T", _FLOATS, "")],
        attributes=_integers("axis", "block_size", "scale_type"),
    )
    schema.set_type_and_shape_inference_function(
        lambda context: _infer_quantize(context, TensorProto.FLOAT4E2M1, TensorProto.FLOAT8E4M3FN)
    )
    return schema


def _mxfp8_quantize() -> OpSchema:
    schema = OpSchema(
        "TRT_MXFP8DynamicQuantize",
        DOMAIN,
        DOMAIN_VERSION,
        inputs=[OpSchema.FormalParameter("x", "T")],
        outputs=[OpSchema.FormalParameter("y", _E4M3), OpSchema.FormalParameter("y_scale", _E8M0)],
        type_constraints=[("T", _FLOATS, "")],
        attributes=_integers("axis", "block_size", "output_dtype"),
    )
    schema.set_type_and_shape_inference_function(
        lambda context: _infer_quantize(context, TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E8M0)
    )
    return schema


def _mxfp8_dequantize() -> OpSchema:
    schema = OpSchema(
        "TRT_MXFP8DequantizeLinear",
        DOMAIN,
        DOMAIN_VERSION,
        inputs=[OpSchema.FormalParameter("x", _E4M3), OpSchema.FormalParameter("x_scale", "S")],
        outputs=[OpSchema.FormalParameter("y", "T")],
        # ONNX has had E8M0 since opset 23 only: ModelOpt stores scales of weights as uint8.
        type_constraints=[("T", _FLOATS, ""), ("S", [_E8M0, "tensor(uint8)"], "")],
        attributes=_integers("axis", "block_size", "output_dtype"),
    )
    schema.set_type_and_shape_inference_function(_infer_dequantize)
    return schema


def _integers(*names: str) -> list[OpSchema.Attribute]:
    return [OpSchema.Attribute(name, OpSchema.AttrType.INT, required=False) for name in names]


def _infer_quantize(context: InferenceContext, element_type: int, scale_type: int) -> None:
    """Values keep the shape, scales have one element for each block along the last axis."""
    shape = _input_shape(context)
    if shape is None or not isinstance(shape[-1], int):
        return
    block = context.get_attribute("block_size").i
    context.set_output_type(0, _tensor_type(element_type, shape))
    context.set_output_type(1, _tensor_type(scale_type, [*shape[:-1], -(-shape[-1] // block)]))


def _infer_dequantize(context: InferenceContext) -> None:
    shape = _input_shape(context)
    if shape is not None:
        context.set_output_type(0, _tensor_type(context.get_attribute("output_dtype").i, shape))


def _input_shape(context: InferenceContext) -> list[int | str | None] | None:
    """Dimensions of the first input; the batch may be a symbol, or nothing at all."""
    tensor = context.get_input_type(0).tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]


def _tensor_type(element_type: int, shape: list[int | str | None]) -> TypeProto:
    return onnx.helper.make_tensor_type_proto(element_type, shape)
