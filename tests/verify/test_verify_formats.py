"""Rounding in standard operators against ml_dtypes, and lowered graphs against ONNX's reference evaluator."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from trtbench.errors import ArtifactError
from trtbench.verify.lowering import lower
from trtbench.verify.number_formats import (
    E2M1_MAX,
    E4M3_MAX,
    NodeWriter,
    e8m0_values,
    round_to,
    round_up_to_e8m0,
)
from trtbench.verify.standard_graph import Network, evaluate

FLOAT16, FLOAT, E4M3, E2M1 = (
    TensorProto.FLOAT16,
    TensorProto.FLOAT,
    TensorProto.FLOAT8E4M3FN,
    TensorProto.FLOAT4E2M1,
)
LARGEST = float(np.finfo(np.float32).max)
SHAPE = (2, 3, 64)


def computed(write: Callable[[NodeWriter], str], x: np.ndarray) -> np.ndarray:
    writer = NodeWriter()
    output = write(writer)
    (result,) = evaluate(writer.nodes, {"x": x, **writer.constants}, [output], 20).values()
    return result


def every_float16() -> np.ndarray:
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    return values[np.isfinite(values)]


def around(values: np.ndarray) -> np.ndarray:
    """The values, the midpoints between them, and the neighbours of both, with both signs."""
    points = np.concatenate([values, (values[1:] + values[:-1]) / 2]).astype(np.float32)
    near = [np.nextafter(points, np.float32(np.inf)), np.nextafter(points, np.float32(-np.inf)), points]
    return np.concatenate([*near, *(-each for each in near)])


def finite_values(dtype: Any) -> np.ndarray:
    bits = np.arange(1 << (4 if dtype is ml_dtypes.float4_e2m1fn else 8), dtype=np.uint8)
    values = np.unique(bits.view(dtype).astype(np.float32))
    return values[np.isfinite(values)]


@pytest.mark.parametrize(
    ("element_type", "dtype", "limit"),
    [(E2M1, ml_dtypes.float4_e2m1fn, 6.0), (E4M3, ml_dtypes.float8_e4m3fn, 448.0)],
)
def test_small_floats_are_rounded_as_ml_dtypes_does(element_type: int, dtype: Any, limit: float) -> None:
    extreme = np.float32([0.0, -0.0, 1e-45, -1e-40, LARGEST, -LARGEST, np.inf, -np.inf])
    x = np.concatenate([every_float16(), around(finite_values(dtype)), extreme])
    expected = np.clip(x, -limit, limit).astype(dtype).astype(np.float32)
    np.testing.assert_array_equal(computed(lambda w: round_to(w, element_type, "x"), x), expected)


@given(arrays(np.float32, 64, elements=st.floats(width=32, allow_nan=False)))
def test_16_bit_floats_are_rounded_to_nearest_even(x: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        half, brain = x.astype(np.float16), x.astype(ml_dtypes.bfloat16)
    for element_type, expected in ((FLOAT16, half), (TensorProto.BFLOAT16, brain)):
        found = computed(lambda w, t=element_type: round_to(w, t, "x"), x)  # type: ignore[misc]
        np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_int8_takes_ties_to_even_and_saturates() -> None:
    x = np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.5, 1e30, -128.5, -129.5, 0.49999997])
    expected = np.float32([0, 2, 2, 0, -2, 126, 127, 127, -128, -128, 0])
    np.testing.assert_array_equal(computed(lambda w: round_to(w, TensorProto.INT8, "x"), x), expected)


def next_power_of_two(x: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(x)  # x = mantissa * 2**exponent with mantissa in [0.5, 1)
    exponent = np.where(mantissa == 0.5, exponent - 1, exponent)
    return np.ldexp(np.float32(1), np.where(x == 0, -127, np.maximum(exponent, -127))).astype(np.float32)


def test_scales_are_rounded_up_to_powers_of_two_in_all_of_float32() -> None:
    powers = np.ldexp(np.float32(1), np.arange(-149, 120)).astype(np.float32)
    largest = np.float32(LARGEST) / np.float32(448)
    x = np.concatenate([np.abs(around(powers)), np.float32([0, largest, 0.3, 5e-39])])
    x = x[x <= largest]
    np.testing.assert_array_equal(computed(lambda w: round_up_to_e8m0(w, "x"), x), next_power_of_two(x))


def test_codes_of_e8m0() -> None:
    codes = np.arange(256, dtype=np.uint8)
    expected = codes.view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
    found = computed(lambda w: e8m0_values(w, "x"), codes.astype(np.float32))
    np.testing.assert_array_equal(found, expected)


class TRT_FP4DynamicQuantize(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(self, x: Any, scale: Any, axis: int = -1, block_size: int = 16, scale_type: int = E4M3) -> Any:
        assert axis == -1
        assert scale_type == E4M3
        blocks = x.astype(np.float32).reshape(*x.shape[:-1], -1, block_size)
        with np.errstate(all="ignore"):
            wanted = np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(6) / scale
            block_scale = np.minimum(wanted, np.float32(448)).astype(ml_dtypes.float8_e4m3fn)
            step = block_scale.astype(np.float32) * scale
            codes = np.clip(np.where(step == 0, blocks, blocks / step), -6, 6).astype(ml_dtypes.float4_e2m1fn)
        return codes.reshape(x.shape), block_scale[..., 0]


class TRT_MXFP8DynamicQuantize(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(self, x: Any, axis: int = -1, block_size: int = 32, output_dtype: int = E4M3) -> Any:
        assert axis == -1
        assert output_dtype == E4M3
        blocks = x.astype(np.float32).reshape(*x.shape[:-1], -1, block_size)
        scale = next_power_of_two(np.abs(blocks).max(axis=-1, keepdims=True) / np.float32(448))
        codes = np.clip(blocks / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn)
        return codes.reshape(x.shape), scale[..., 0].astype(ml_dtypes.float8_e8m0fnu)


class TRT_MXFP8DequantizeLinear(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(
        self, x: Any, scale: Any, axis: int = -1, block_size: int = 32, output_dtype: int = FLOAT16
    ) -> Any:
        power = scale.view(ml_dtypes.float8_e8m0fnu) if scale.dtype == np.uint8 else scale
        repeated = np.repeat(power.astype(np.float32), block_size, axis=axis)
        with np.errstate(over="ignore"):
            dtype = helper.tensor_dtype_to_np_dtype(output_dtype)
            return ((x.astype(np.float32) * repeated).astype(dtype),)


class TRT_FP8QuantizeLinear(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(self, x: Any, scale: Any, zero_point: Any = None, saturate: int = 1) -> Any:
        with np.errstate(all="ignore"):
            quotient = x.astype(np.float32) / scale.astype(np.float32)
        return (np.clip(quotient, -448, 448).astype(ml_dtypes.float8_e4m3fn),)


class TRT_FP8DequantizeLinear(OpRun):  # noqa: N801
    op_domain = "trt"

    def _run(self, x: Any, scale: Any) -> Any:
        with np.errstate(over="ignore"):
            return ((x.astype(np.float32) * scale.astype(np.float32)).astype(scale.dtype),)


class QuantizeLinear(OpRun):
    """Divides in float32 as kernels do; ONNX's own reference divides in the type of the scale."""

    def _run(
        self, x: Any, scale: Any, zero_point: Any, axis: int = 1, saturate: int = 1, **others: Any
    ) -> Any:
        if scale.size > 1:
            scale = scale.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
        with np.errstate(all="ignore"):
            quotient = x.astype(np.float32) / scale.astype(np.float32)
        if zero_point.dtype == np.int8:
            return (np.clip(np.rint(quotient), -128, 127).astype(np.int8),)
        return (np.clip(quotient, -448, 448).astype(zero_point.dtype),)


OPERATORS = [
    TRT_FP4DynamicQuantize,
    TRT_MXFP8DynamicQuantize,
    TRT_MXFP8DequantizeLinear,
    TRT_FP8QuantizeLinear,
    TRT_FP8DequantizeLinear,
    QuantizeLinear,
]


def tensor(name: str, value: Any, element_type: int = FLOAT) -> onnx.TensorProto:
    return helper.make_tensor(name, element_type, np.shape(value), np.ravel(np.asarray(value, np.float32)))


def model(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    element_type: int,
    shape: tuple[int, ...] = SHAPE,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", element_type, shape)],
        [helper.make_tensor_value_info("y", element_type, None)],
        constants,
    )
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("trt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def nvfp4(element_type: int, global_scale: float) -> onnx.ModelProto:
    """As ModelOpt exports a dynamic quantizer; with FP16 the dequantized values are cast."""
    result = "y" if element_type == FLOAT else "wide"
    nodes = [
        helper.make_node(
            "TRT_FP4DynamicQuantize",
            ["x", "global"],
            ["codes", "scales"],
            domain="trt",
            axis=-1,
            block_size=16,
            scale_type=E4M3,
        ),
        helper.make_node("DequantizeLinear", ["scales", "global"], ["steps"]),
        helper.make_node("DequantizeLinear", ["codes", "steps"], [result], axis=-1, block_size=16),
    ]
    if element_type != FLOAT:
        nodes.append(helper.make_node("Cast", ["wide"], ["y"], to=element_type))
    return model(nodes, [tensor("global", global_scale)], element_type)


def mxfp8(element_type: int) -> onnx.ModelProto:
    block = {"domain": "trt", "axis": -1, "block_size": 32}
    quantize = helper.make_node(
        "TRT_MXFP8DynamicQuantize", ["x"], ["codes", "scales"], output_dtype=E4M3, **block
    )
    dequantize = helper.make_node(
        "TRT_MXFP8DequantizeLinear", ["codes", "scales"], ["y"], output_dtype=element_type, **block
    )
    return model([quantize, dequantize], [], element_type)


def fp8(element_type: int, scale: float, domain: str) -> onnx.ModelProto:
    prefix = "TRT_FP8" if domain == "trt" else ""
    nodes = [
        helper.make_node(f"{prefix}QuantizeLinear", ["x", "s", "z"], ["codes"], domain=domain, saturate=1),
        helper.make_node(f"{prefix}DequantizeLinear", ["codes", "s"], ["y"], domain=domain),
    ]
    return model(nodes, [tensor("s", scale, element_type), tensor("z", 0.0, E4M3)], element_type)


def int8(element_type: int, scale: float) -> onnx.ModelProto:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "s", "z"], ["y"]),
    ]
    return model(nodes, [tensor("s", scale, element_type), tensor("z", 0, TensorProto.INT8)], element_type)


def lowered(source: onnx.ModelProto) -> Network:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        onnx.save(source, path)
        graph = lower(path)
    assert {node.domain for node in graph.nodes} == {""}
    return Network(graph, ["y"])


@cache
def pair(kind: str, element_type: int) -> tuple[Network, ReferenceEvaluator]:
    source = {
        "nvfp4": lambda: nvfp4(element_type, 0.0123),
        "nvfp4 of tiny scale": lambda: nvfp4(element_type, 1e-6),
        "mxfp8": lambda: mxfp8(element_type),
        "fp8 of trt": lambda: fp8(element_type, 0.0371, "trt"),
        "fp8": lambda: fp8(element_type, 0.0371, ""),
        "int8": lambda: int8(element_type, 0.0371),
    }[kind]()
    return lowered(source), ReferenceEvaluator(source, new_ops=OPERATORS)  # type: ignore[arg-type]


def assert_equal_to_reference(kind: str, element_type: int, x: np.ndarray) -> None:
    network, reference = pair(kind, element_type)
    (expected,) = reference.run(None, {"x": x})  # type: ignore[misc]
    assert expected.dtype == x.dtype
    found = network.run(x.astype(np.float32))["y"].reshape(x.shape)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def tensors(dtype: Any) -> st.SearchStrategy[np.ndarray]:
    """Tensors whose blocks hold numbers of like magnitude, with ties, zeros and outliers among them."""
    info = np.finfo(dtype)
    anything = st.floats(width=info.bits, allow_nan=False, allow_infinity=False)
    steps = st.integers(-24, 24).map(lambda n: n / 4)  # ties of E2M1 once divided by a power of two
    magnitudes = st.integers(-20, 12).map(lambda e: 2.0**e)
    like = st.tuples(arrays(np.float64, SHAPE, elements=steps), magnitudes).map(lambda p: p[0] * p[1])
    few = st.floats(-8, 8, width=16)
    return st.one_of(
        arrays(dtype, SHAPE, elements=anything),
        arrays(dtype, SHAPE, elements=few, fill=st.just(0)),
        like.map(lambda x: x.astype(dtype)),
    )


KINDS = ["nvfp4", "nvfp4 of tiny scale", "mxfp8", "fp8 of trt", "fp8", "int8"]


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(x=tensors(np.float16))
def test_lowered_graphs_equal_the_reference_in_float16(kind: str, x: np.ndarray) -> None:
    assert_equal_to_reference(kind, FLOAT16, x)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(x=tensors(np.float32))
def test_lowered_graphs_equal_the_reference_in_float32(kind: str, x: np.ndarray) -> None:
    assert_equal_to_reference(kind, FLOAT, x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-30, 1e-7, 1e-3, 1.0, 300.0, 1e30])
def test_lowered_graphs_equal_the_reference_on_noise(kind: str, scale: float) -> None:
    x = (np.random.default_rng(0).standard_normal(SHAPE) * scale).astype(np.float32)
    x[0, 0, :32] = 0
    assert_equal_to_reference(kind, FLOAT, x)


def test_a_tie_a_zero_block_and_saturation_by_hand() -> None:
    """In the first block the scale is 1 (6 / 6 / 1), in the second 0, in the third it saturates at 448."""
    network = lowered(nvfp4(FLOAT, 1.0))
    x = np.zeros(SHAPE, np.float32)
    x[0, 0, :8] = [6, 5, 3.5, 2.5, 1.75, 1.25, 0.75, 0.25]
    x[0, 0, 32:34] = [1e6, -2.5 * 448]
    found = network.run(x)["y"].reshape(SHAPE)
    np.testing.assert_array_equal(found[0, 0, :8], [6, 4, 4, 2, 2, 1, 1, 0])
    np.testing.assert_array_equal(found[0, 0, 8:32], 0)
    np.testing.assert_array_equal(found[0, 0, 32:34], [6 * 448, -2 * 448])


def test_weights_are_dequantized_once() -> None:
    """NVFP4 with blocks along the rows, INT8 for each column: no Q/DQ is left, and the weights are floats."""
    rng = np.random.default_rng(1)
    codes = rng.choice(finite_values(ml_dtypes.float4_e2m1fn), (64, 8)).astype(np.float32)
    block_scales = rng.choice(np.float32([0, 0.5, 1.75, 448]), (4, 8)).astype(np.float32)
    fine = rng.standard_normal((8, 8)).astype(np.float32)
    scales = np.float32(np.arange(1, 9) / 64)
    nodes = [
        helper.make_node("DequantizeLinear", ["b", "g"], ["steps"]),
        helper.make_node("DequantizeLinear", ["w", "steps"], ["wide"], axis=0, block_size=16),
        helper.make_node("MatMul", ["x", "wide"], ["h"]),
        helper.make_node("QuantizeLinear", ["v", "s", "z"], ["vq"], axis=1),
        helper.make_node("DequantizeLinear", ["vq", "s", "z"], ["vd"], axis=1),
        helper.make_node("MatMul", ["h", "vd"], ["y"]),
    ]
    constants = [
        tensor("w", codes, E2M1),
        tensor("b", block_scales, E4M3),
        tensor("g", [0.125]),
        tensor("v", fine),
        tensor("s", scales),
        tensor("z", np.zeros(8), TensorProto.INT8),
    ]
    source = model(nodes, constants, FLOAT)
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(source, Path(folder) / "m.onnx")
        graph = lower(Path(folder) / "m.onnx")
    assert [node.op_type for node in graph.nodes] == ["MatMul", "MatMul"]
    np.testing.assert_array_equal(
        graph.constants["wide"], codes * np.repeat(block_scales * np.float32(0.125), 16, axis=0)
    )
    expected = np.clip(np.rint(fine / scales), -128, 127) * scales
    np.testing.assert_array_equal(graph.constants["vd"], expected.astype(np.float32))


def test_mxfp8_weights_with_scales_as_bytes() -> None:
    codes = np.resize(finite_values(ml_dtypes.float8_e4m3fn), (4, 64)).astype(np.float32)
    scales = np.array([[0, 127], [120, 130], [100, 140], [1, 126]], np.uint8)
    dequantize = helper.make_node(
        "TRT_MXFP8DequantizeLinear",
        ["w", "s"],
        ["wide"],
        domain="trt",
        axis=-1,
        block_size=32,
        output_dtype=10,
    )
    transposed = helper.make_node("Transpose", ["wide"], ["t"], perm=[1, 0])
    constants = [tensor("w", codes, E4M3), numpy_helper.from_array(scales, "s")]
    source = model(
        [dequantize, transposed, helper.make_node("MatMul", ["x", "t"], ["y"])], constants, FLOAT16
    )
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(source, Path(folder) / "m.onnx")
        graph = lower(Path(folder) / "m.onnx")
    powers = np.repeat(np.ldexp(np.float32(1), scales.astype(int) - 127), 32, axis=1)
    expected = (codes * powers).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(graph.constants["t"], expected.T)


def test_every_float16_operator_rounds_its_result() -> None:
    """onnxruntime alone would not: it keeps float32 between the operators."""
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["m"]),
        helper.make_node("Add", ["m", "x"], ["a"]),
        helper.make_node("Sub", ["a", "m"], ["y"]),
    ]
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float16)
    product = (x.astype(np.float32) ** 2).astype(np.float16)
    total = (product.astype(np.float32) + x).astype(np.float16)
    expected = (total.astype(np.float32) - product).astype(np.float16)
    found = lowered(model(nodes, [], FLOAT16)).run(x.astype(np.float32))["y"].reshape(SHAPE)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_the_image_is_rounded_to_the_type_of_the_input() -> None:
    x = np.full(SHAPE, 1 + 2**-12, np.float32)
    network = lowered(model([helper.make_node("Identity", ["x"], ["y"])], [], FLOAT16))
    np.testing.assert_array_equal(network.run(x)["y"], np.ones((2, 192), np.float32))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (
            helper.make_node("TRT_INT4QuantizeLinear", ["x"], ["y"], domain="trt"),
            "trt::TRT_INT4QuantizeLinear",
        ),
        (helper.make_node("FusedGelu", ["x"], ["y"], domain="com.microsoft"), "com.microsoft::FusedGelu"),
    ],
)
def test_an_unknown_operator_is_named(tmp_path: Path, node: onnx.NodeProto, words: str) -> None:
    source = model([node], [], FLOAT)
    source.opset_import.add(domain="com.microsoft", version=1)
    onnx.save(source, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match=words):
        lower(tmp_path / "m.onnx")


def test_blocks_that_do_not_divide_the_axis_are_refused(tmp_path: Path) -> None:
    source = mxfp8(FLOAT)
    source.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 48
    onnx.save(source, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match="48 elements along axis 2"):
        lower(tmp_path / "m.onnx")


def test_a_zero_point_is_refused(tmp_path: Path) -> None:
    source = int8(FLOAT, 0.5)
    source.graph.initializer[1].CopyFrom(tensor("z", 3, TensorProto.INT8))
    onnx.save(source, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match="zero point"):
        lower(tmp_path / "m.onnx")


def test_the_largest_values_are_those_of_the_formats() -> None:
    assert float(ml_dtypes.finfo(ml_dtypes.float8_e4m3fn).max) == E4M3_MAX
    assert float(ml_dtypes.finfo(ml_dtypes.float4_e2m1fn).max) == E2M1_MAX
