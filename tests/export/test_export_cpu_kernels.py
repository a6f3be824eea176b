"""The CPU kernels against the definitions of the formats, written down in numpy a second time."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
pytest.importorskip("modelopt")

from trtbench.export import cpu_kernels  # noqa: E402
from trtbench.export.cpu_kernels import fake_quantize_mxfp8, fake_quantize_nvfp4  # noqa: E402

Array = NDArray[np.float32]
ONE = np.float32(1)


def nvfp4_block(block: Array, amax: float) -> Array:
    """Sixteen float32 numbers, quantised and dequantised one after the other."""
    global_scale = np.float32(amax) * np.float32(1 / 2688) or np.float32(1e-12)
    encodable = np.abs(block).max() * (ONE / (np.float32(6) * global_scale))
    scale = np.float32(ml_dtypes.float8_e4m3fn(min(encodable, 448))) * global_scale
    if scale < 1e-5:
        scale = ONE
    codes = np.minimum(np.abs(block) * (ONE / scale), 6).astype(ml_dtypes.float4_e2m1fn)
    return np.where(block >= 0, codes.astype(np.float32) * scale, -codes.astype(np.float32) * scale)


def mxfp8_block(block: Array) -> Array:
    largest = np.abs(block).max()
    if largest == 0:
        return block
    exponent = -127
    while 2.0**exponent < float(largest / np.float32(448)):
        exponent += 1
    scaled = np.clip(block.astype(np.float64) * 2.0**-exponent, -448, 448).astype(np.float32)
    return scaled.astype(ml_dtypes.float8_e4m3fn).astype(np.float32) * np.float32(2.0**exponent)


def by_blocks(x: Array, size: int, quantize: object) -> Array:
    """Apply ``quantize`` to blocks of the last dimension, the last one filled up with zeros."""
    rows = x.reshape(-1, x.shape[-1])
    padded = np.pad(rows, [(0, 0), (0, -rows.shape[1] % size)])
    blocks = [quantize(block) for block in padded.reshape(-1, size)]  # type: ignore[operator]
    return np.array(blocks, np.float32).reshape(padded.shape)[:, : x.shape[-1]].reshape(x.shape)


# Normal numbers only: the GPU kernel for MXFP8 takes subnormal float32 numbers for zeros.
numbers = st.floats(-1e4, 1e4, width=32, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-25)
tensors = arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 70)), elements=numbers)


@settings(deadline=None, max_examples=200)
@given(tensors, st.floats(2.0**-10, 2.0**13, width=32))
def test_nvfp4_follows_the_definition(x: Array, amax: float) -> None:
    got = fake_quantize_nvfp4(torch.from_numpy(x), torch.tensor(amax)).numpy()
    np.testing.assert_array_equal(got, by_blocks(x, 16, lambda block: nvfp4_block(block, amax)))


@settings(deadline=None, max_examples=200)
@given(tensors)
def test_mxfp8_follows_the_definition(x: Array) -> None:
    got = fake_quantize_mxfp8(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(got, by_blocks(x, 32, mxfp8_block))


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (0.25, 0),
        (0.75, 1),
        (1.25, 1),
        (1.75, 2),
        (2.5, 2),
        (3.5, 4),
        (5.0, 4),
        (5.1, 6),
        (-2.5, -2),
        (-0.75, -1),
    ],
)
def test_nvfp4_rounds_ties_to_the_even_code(value: float, rounded: float) -> None:
    x = torch.tensor([[6.0, value] + [0.0] * 14])
    # A largest value of 2688 makes the global scale 1, so that 6 has the block scale 1 and stays itself.
    assert fake_quantize_nvfp4(x, torch.tensor(2688.0))[0, :2].tolist() == [6.0, rounded]


def test_mxfp8_takes_the_next_power_of_two_and_saturates_nothing() -> None:
    x = torch.tensor([[448.0, 1.0], [448.5, 1.0], [1.75, 1.0], [1.7501, 1.0]])
    got = fake_quantize_mxfp8(x)
    assert got[:, 0].tolist() == [448.0, 448.0, 1.75, 1.75]
    assert (got[:, 1] == 1).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(2, 5, 33), (64,), (3, 2, 2, 16)])
def test_shape_and_type_stay_and_the_input_is_left_alone(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    before = x.clone()
    for got in (fake_quantize_nvfp4(x, x.abs().max()), fake_quantize_mxfp8(x)):
        assert got.shape == x.shape
        assert got.dtype == dtype
        relative_error = (got.float() - x.float()).norm() / x.float().norm()
        assert 0 < relative_error < 0.15
    assert torch.equal(x, before)


def test_what_is_not_a_number_stays_in_its_block() -> None:
    nan, inf = math.nan, math.inf
    x = torch.full((3, 32), 6.0)  # with 6 as the largest magnitude, NVFP4 and MXFP8 represent 6 exactly
    x[0, 0], x[1, 0] = nan, -inf
    nvfp4 = fake_quantize_nvfp4(x, torch.tensor(6.0))
    assert nvfp4[0, 0] == -6  # what the GPU makes of NaN
    assert nvfp4[1, 0] == -6
    mxfp8 = fake_quantize_mxfp8(x)
    assert mxfp8[0, 0].isnan()
    assert mxfp8[1, 0] == -inf
    for got in (nvfp4, mxfp8):
        assert torch.equal(got[2], x[2])
        assert torch.equal(got[0, 1:], x[0, 1:])
    assert torch.equal(nvfp4[1, 1:], x[1, 1:])
    assert not mxfp8[1, 1:].any()  # beside infinity, the shared scale leaves nothing of 6


@pytest.mark.parametrize("amax", [0.0, 1.0])
def test_zeros_stay_zeros(amax: float) -> None:
    x = torch.zeros(2, 64)
    assert not fake_quantize_nvfp4(x, torch.tensor(amax)).any()
    assert not fake_quantize_mxfp8(x).any()


def test_the_largest_element_of_amax_counts() -> None:
    x = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        fake_quantize_nvfp4(x, torch.tensor([[1.0], [3.0]])), fake_quantize_nvfp4(x, torch.tensor(3.0))
    )


def test_registered_kernels_serve_the_operator_of_modelopt() -> None:
    cpu_kernels.register()
    cpu_kernels.register()
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    operator = torch.ops.tensorrt.dynamic_block_quantize_op
    amax = x.abs().max()
    assert torch.equal(operator(x, 16, amax, 4, 2, 8, 4), fake_quantize_nvfp4(x, amax))
    assert torch.equal(operator(x, 32, None, 8, 4, 9, 8), fake_quantize_mxfp8(x))
    with pytest.raises(NotImplementedError, match="blocks of 64"):
        operator(x, 64, amax, 4, 2, 8, 4)


def test_an_export_to_onnx_computes_no_quantized_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_kernels.register()
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    x = torch.tensor([[0.3] * 16])
    y = torch.ops.tensorrt.dynamic_block_quantize_op(x, 16, torch.tensor(6.0), 4, 2, 8, 4)
    assert torch.equal(y, x)
    assert y.data_ptr() != x.data_ptr()
