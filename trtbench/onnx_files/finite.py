"""Weights that are infinite or not a number, as training that diverged leaves them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trtbench.errors import ArtifactError

if TYPE_CHECKING:
    from onnx import TensorProto

_CHUNK = 1 << 22
_EXPONENTS: dict[str, tuple[str, int]] = {
    "FLOAT": ("<u4", 0x7F80_0000),
    "FLOAT16": ("<u2", 0x7C00),
    "BFLOAT16": ("<u2", 0x7F80),
    "DOUBLE": ("<u8", 0x7FF0_0000_0000_0000),
}
"""The bits of an exponent, all of them set in what is no finite number; by type, with that of its bits."""


def check_finite(path: Path, tensor: "TensorProto", data: npt.NDArray[np.uint8]) -> None:
    """Refuse a tensor that holds NaN or infinite values; scalars and masks of 0 and -inf may.

    Args:
        path: of the model, to name it.
        tensor: whose bytes ``data`` are.
        data: may be longer than the tensor's values by a part of one.

    Raises:
        ArtifactError: it does.
    """
    from onnx import TensorProto

    kind = _EXPONENTS.get(TensorProto.DataType.Name(tensor.data_type))
    if kind is None or not tensor.dims:
        return
    dtype, exponent = np.dtype(kind[0]), kind[1]
    values = data[: data.size // dtype.itemsize * dtype.itemsize].view(dtype)
    bad = sum(
        int(np.count_nonzero((chunk & exponent) == exponent))
        for chunk in (values[start : start + _CHUNK] for start in range(0, values.size, _CHUNK))
    )
    if bad and not _is_mask(values, exponent):
        raise ArtifactError(
            f"{path}: {bad} of {values.size} values of tensor {tensor.name!r} are infinite or not a number: "
            "take weights from before training diverged, or export the model again"
        )


def _is_mask(values: npt.NDArray[np.unsignedinteger], exponent: int) -> bool:
    """Whether all values are 0 or minus infinity, which attention adds to scores."""
    minus_infinity = exponent | 1 << (8 * values.dtype.itemsize - 1)
    return bool(np.isin(values, (0, minus_infinity)).all())
