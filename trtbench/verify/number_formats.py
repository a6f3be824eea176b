"""Rounding of float32 tensors to TensorRT's number formats, written in standard ONNX operators.

A rounded tensor stays float32: it holds the represented values, so that onnxruntime's CPU provider can go on
with it. All rounding is to nearest, ties to even. FP8, FP4 and INT8 saturate, as TensorRT's documentation
states (docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/quantized-types-schemes.html): FP8
``castToFp8(clip(x / s, -448, 448))``, INT8 ``roundWithTiesToEven(clip(x / s, -128, 127))``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper

Array = npt.NDArray[Any]
Rounding = Callable[["NodeWriter", str, str], str]

E2M1_MAX = 6.0
E4M3_MAX = 448.0
_E8M0_MIN = 2.0**-127


class NodeWriter:
    """Collects nodes and constants under names of their own."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, Array] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._owner = ""
        self._count = 0

    def begin(self, owner: str) -> None:
        """Name the nodes to come after the node ``owner`` that they stand for."""
        self._owner = owner

    def node(self, op_type: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        self._count += 1
        name = f"{self._owner}/{op_type}.{self._count}"
        output = output or name
        self.nodes.append(helper.make_node(op_type, list(inputs), [output], name=name, **attributes))
        return output

    def constant(self, value: Any, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant, or find an equal one, and return its name."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = f"trtbench.constant.{len(self._known)}"
            self.constants[self._known[key]] = array
        return self._known[key]


def round_to(writer: NodeWriter, element_type: int, x: str, output: str = "") -> str:
    """Round ``x`` to an ONNX element type.

    Raises:
        KeyError: the element type is not in ``ROUNDED_TYPES``.
    """
    return _ROUNDINGS[element_type](writer, x, output)


def _through(element_type: int) -> Rounding:
    """Rounding by onnxruntime's own conversion there and back, which it never takes out of a graph."""

    def rounding(writer: NodeWriter, x: str, output: str) -> str:
        return writer.node(
            "Cast", writer.node("Cast", x, to=element_type), output=output, to=TensorProto.FLOAT
        )

    return rounding


def _to_int8(writer: NodeWriter, x: str, output: str) -> str:
    limits = (writer.constant(-128.0), writer.constant(127.0))
    return writer.node("Clip", writer.node("Round", x), *limits, output=output)


def _to_e2m1(writer: NodeWriter, x: str, output: str) -> str:
    """Round to 0, 0.5, 1, 1.5, 2, 3, 4, 6: in steps of 0.5 up to 2, of 1 up to 4, of 2 up to 6.

    The three ranges are rounded apart and added. Differences and sums are exact, and a tie goes to an even
    multiple of the step, which is the value with the even code.
    """
    half, two = writer.constant(0.5), writer.constant(2.0)
    to_2, to_4, to_6 = (_clipped(writer, x, limit) for limit in (2.0, 4.0, E2M1_MAX))
    low = writer.node("Mul", writer.node("Round", writer.node("Mul", to_2, two)), half)
    middle = writer.node("Round", writer.node("Sub", to_4, to_2))
    high = writer.node("Sub", to_6, to_4)
    high = writer.node("Mul", writer.node("Round", writer.node("Mul", high, half)), two)
    return writer.node("Add", writer.node("Add", low, middle), high, output=output)


def _clipped(writer: NodeWriter, x: str, limit: float) -> str:
    return writer.node("Clip", x, writer.constant(-limit), writer.constant(limit))


_ROUNDINGS: dict[int, Rounding] = {
    TensorProto.FLOAT16: _through(TensorProto.FLOAT16),
    TensorProto.BFLOAT16: _through(TensorProto.BFLOAT16),
    TensorProto.FLOAT8E4M3FN: _through(TensorProto.FLOAT8E4M3FN),
    TensorProto.FLOAT4E2M1: _to_e2m1,
    TensorProto.INT8: _to_int8,
}
ROUNDED_TYPES = frozenset(_ROUNDINGS)


def round_up_to_e8m0(writer: NodeWriter, x: str) -> str:
    """Smallest power of two not below ``x >= 0``, at least 2**-127, which stands for 0 as well.

    Algorithm: NextPowerTwo of Rump, Ogita and Oishi, Accurate Floating-Point Summation, 2008: with
    ``q = 2**24 x`` the sum ``q + x`` is rounded to ``q`` plus the power sought, or to ``q`` if ``x`` is one
    itself. Large ``x`` are scaled down first, for q would overflow.
    """
    x = writer.node("Max", x, writer.constant(_E8M0_MIN))
    is_large = writer.node("Greater", x, writer.constant(2.0**60))
    unit = writer.node("Where", is_large, writer.constant(2.0**60), writer.constant(1.0))
    x = writer.node("Div", x, unit)
    q = writer.node("Mul", x, writer.constant(2.0**24))
    power = writer.node("Sub", writer.node("Add", q, x), q)
    is_power = writer.node("Equal", power, writer.constant(0.0))
    return writer.node("Mul", writer.node("Where", is_power, x, power), unit)


def e8m0_values(writer: NodeWriter, codes: str) -> str:
    """Powers of two that uint8 ``codes`` (as numbers) stand for, with a bias of 127; 255 is not a number."""
    values = np.append(np.ldexp(np.ones(255, np.float32), np.arange(-127, 128)), np.float32(np.nan))
    index = writer.node("Cast", codes, to=TensorProto.INT64)
    return writer.node("Gather", writer.constant(values), index)
