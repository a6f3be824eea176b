"""Dimensions of an input or output as an ONNX file states them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ValueInfoProto

Dimensions = tuple[int | str, ...]
"""A dynamic dimension has its name in the model, or ``?``; a 0 that is stated is static."""


def dimensions_of(value: "ValueInfoProto") -> Dimensions | None:
    """Dimensions of ``value``; None where not even their number is stated."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param or "?"
        for dim in tensor.shape.dim
    )


def is_dynamic(dims: Dimensions) -> bool:
    """Whether a dimension is not stated."""
    return any(isinstance(dim, str) for dim in dims)


def shown(dims: Dimensions | None) -> str:
    """``[N, 3, 224, 224]``."""
    return f"[{', '.join(map(str, dims))}]" if dims is not None else "of unknown rank"
