"""Names and sizes of element types, as audits write them (``fp16``, ``fp8``, ``fp4``, ``mxfp8``)."""

from onnx import TensorProto

from trtbench.errors import ArtifactError

_OF_ONNX: dict[int, str] = {
    TensorProto.FLOAT: "fp32",
    TensorProto.FLOAT16: "fp16",
    TensorProto.BFLOAT16: "bf16",
    TensorProto.DOUBLE: "fp64",
    TensorProto.FLOAT8E4M3FN: "fp8",
    TensorProto.FLOAT8E5M2: "fp8",
    TensorProto.FLOAT8E4M3FNUZ: "e4m3fnuz",
    TensorProto.FLOAT8E5M2FNUZ: "e5m2fnuz",
    TensorProto.FLOAT8E8M0: "e8m0",
    TensorProto.FLOAT4E2M1: "fp4",
    **{
        getattr(TensorProto, name.upper()): name
        for name in (
            *("int2", "int4", "int8", "int16", "int32", "int64"),
            *("uint2", "uint4", "uint8", "uint16", "uint32", "uint64", "bool", "complex64", "complex128"),
        )
    },
}
_OF_TENSORRT = {
    "Float": "fp32",
    "Half": "fp16",
    "BFloat16": "bf16",
    "FP8": "fp8",
    "FP8UE8M0": "e8m0",
    "FP4E2M1": "fp4",
    "Int4": "int4",
    "Int8": "int8",
    "UInt8": "uint8",
    "Int32": "int32",
    "Int64": "int64",
    "Bool": "bool",
}
_BITS = {
    "complex128": 128,
    **dict.fromkeys(("fp64", "int64", "uint64", "complex64"), 64),
    **dict.fromkeys(("fp32", "int32", "uint32"), 32),
    **dict.fromkeys(("fp16", "bf16", "int16", "uint16"), 16),
    **dict.fromkeys(("fp8", "mxfp8", "e4m3fnuz", "e5m2fnuz", "e8m0", "int8", "uint8", "bool"), 8),
    **dict.fromkeys(("fp4", "int4", "uint4"), 4),
    **dict.fromkeys(("int2", "uint2"), 2),
}
QUANTIZED = frozenset(
    {"fp8", "mxfp8", "e4m3fnuz", "e5m2fnuz", "fp4"}
    | {"int2", "int4", "int8", "int16", "uint2", "uint4", "uint8", "uint16"}
)
"""Precisions that need scales, as opposed to those a model is merely cast to."""

_MXFP8_BLOCK = 32
_TIMES = " x "


def precision_of_onnx(element_type: int, block_size: int = 0) -> str:
    """Name of an ONNX element type; FP8 with one scale for 32 elements is MXFP8 (OCP MX v1.0)."""
    name = _OF_ONNX.get(element_type, "unknown")
    return "mxfp8" if name == "fp8" and block_size == _MXFP8_BLOCK else name


def precision_of_tensorrt(datatype: str) -> str:
    """Name of a datatype as TensorRT prints it (``Half``, ``FP4E2M1``)."""
    return _OF_TENSORRT.get(datatype, datatype.lower())


def element_bits(precision: str) -> int:
    """Bits of one element, without its share of a scale.

    Raises:
        ArtifactError: no element type has this name.
    """
    if precision not in _BITS:
        raise ArtifactError(
            f"element type {precision!r} is unknown, so bytes cannot be counted: known are {sorted(_BITS)}"
        )
    return _BITS[precision]


def precision_of_product(first: str, second: str) -> str:
    """Precision of a matrix product: one name, or ``fp16 x fp4`` where its operands differ."""
    return first if first == second else f"{first}{_TIMES}{second}"


def is_mixed(precision: str) -> bool:
    """Whether one operand of a product is quantized and the other is not, as when only its weights are."""
    operands = precision.split(_TIMES)
    return len(operands) > 1 and sum(operand in QUANTIZED for operand in operands) == 1
